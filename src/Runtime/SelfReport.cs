using System.Diagnostics;
using System.Globalization;
using FeatureStore.Core.Definitions;
using FeatureStore.Core.Plans;

namespace FeatureStore.Runtime;

/// <summary>Who a silo is.</summary>
/// <param name="Name">The machine's or pod's name.</param>
/// <param name="Roles">What it is for: ingest, serve.</param>
public sealed record SiloIdentity(string Name, IReadOnlyList<string> Roles)
{
    /// <summary>One process that does all.</summary>
    public static SiloIdentity Default { get; } = new(Environment.MachineName, ["ingest", "serve"]);
}

/// <summary>Says what this process runs.</summary>
public sealed class SelfReport(ProjectPlan plan, SiloIdentity identity, IPipelineStatus? pipeline, IModelCatalog? models, IEntityCounts? entities, TimeProvider time)
{
    private static readonly long _startMs = Start();
    private readonly string _definitions = Hex(DefinitionFingerprint.Of(plan.Definition));

    /// <summary>The report as of now.</summary>
    public SiloReport Read()
    {
        var status = pipeline?.Current;
        var memory = ProcessMemory.Read();
        return new SiloReport
        {
            TimeMs = time.GetUtcNow().ToUnixTimeMilliseconds(),
            Name = identity.Name,
            Roles = identity.Roles,
            Version = typeof(SelfReport).Assembly.GetName().Version!.ToString(3),
            StartMs = _startMs,
            Phase = status?.Phase ?? PipelinePhase.Running,
            Ingests = [.. (status?.Sources ?? []).Where(source => source.Partitions.Count > 0)
                .Select(source => new IngestedSource(source.Name, [.. source.Partitions.Select(partition => partition.Partition)]))],
            Slices = status?.Slices ?? [],
            SliceCount = status?.SliceCount ?? 0,
            Definitions = _definitions,
            Calls = entities?.Fingerprint is { } fingerprint ? Hex(fingerprint) : null,
            Services = [.. plan.Services.Select(service => new ServiceReport(
                service.Name, [.. plan.Models.Where(model => model.Service == service).Select(model => Report(model.Definition.Name))]))],
            Entities = entities?.Counts ?? [],
            Memory = new MemoryReport(memory.UsedBytes, memory.LimitBytes, memory.ManagedBytes, entities?.IsShedding == true),
        };
    }

    private ModelReport Report(string name) => models is not null && models.TryGet(name, out var served)
        ? new ModelReport(name, served.Version, served.Metadata.Sha256)
        : new ModelReport(name, null, null);

    private static string Hex(ulong fingerprint) => fingerprint.ToString("x16", CultureInfo.InvariantCulture);

    private static long Start()
    {
        using var process = Process.GetCurrentProcess();
        return new DateTimeOffset(process.StartTime.ToUniversalTime()).ToUnixTimeMilliseconds();
    }
}

/// <summary>The one row of a process without a cluster.</summary>
/// <param name="address">How it is called.</param>
/// <param name="report">What it runs.</param>
public sealed class LocalSiloReports(string address, SelfReport report) : ISiloReports
{
    /// <inheritdoc/>
    public Task<IReadOnlyList<SiloRow>> ReadAsync(CancellationToken cancellationToken) =>
        Task.FromResult<IReadOnlyList<SiloRow>>([new SiloRow(address, IsSelf: true, null, report.Read())]);
}
