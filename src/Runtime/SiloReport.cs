namespace FeatureStore.Runtime;

/// <summary>What one silo runs, as it says itself. A process without a cluster is one silo.</summary>
public sealed record SiloReport
{
    /// <summary>Wall clock at which the silo said so, Unix ms.</summary>
    public required long TimeMs { get; init; }

    /// <summary>The machine's or pod's name.</summary>
    public required string Name { get; init; }

    /// <summary>What it is for: ingest, serve.</summary>
    public required IReadOnlyList<string> Roles { get; init; }

    /// <summary>Version of the server.</summary>
    public required string Version { get; init; }

    /// <summary>When the process started, Unix ms.</summary>
    public required long StartMs { get; init; }

    public required PipelinePhase Phase { get; init; }

    /// <summary>What of the stream it ingests; empty: nothing.</summary>
    public IReadOnlyList<IngestedSource> Ingests { get; init; } = [];

    /// <summary>Where the stream is divided, the slices that it ingests,</summary>
    public IReadOnlyList<int> Slices { get; init; } = [];

    /// <summary>and how many there are; 0: it is not divided.</summary>
    public int SliceCount { get; init; }

    /// <summary>Fingerprint of all that the definitions say, 16 hexadecimal digits.</summary>
    public required string Definitions { get; init; }

    /// <summary>Fingerprint of what silos must share to call each other, 16 hexadecimal digits; null without a cluster.</summary>
    public string? Calls { get; init; }

    /// <summary>The feature services, with the models that score them.</summary>
    public IReadOnlyList<ServiceReport> Services { get; init; } = [];

    /// <summary>The entities in memory, by type.</summary>
    public IReadOnlyList<EntityCount> Entities { get; init; } = [];

    public required MemoryReport Memory { get; init; }
}

/// <summary>What a silo ingests of a source.</summary>
/// <param name="Source">Name.</param>
/// <param name="Partitions">The partitions that it reads.</param>
public sealed record IngestedSource(string Source, IReadOnlyList<int> Partitions);

/// <summary>A feature service.</summary>
/// <param name="Name">Name.</param>
/// <param name="Models">The models that score it.</param>
public sealed record ServiceReport(string Name, IReadOnlyList<ModelReport> Models);

/// <summary>A model as a silo runs it.</summary>
/// <param name="Name">Name.</param>
/// <param name="Version">The version in service; null: none is loaded.</param>
/// <param name="Sha256">Of its files (<see cref="ModelMetadata.Sha256"/>); null: not known.</param>
public sealed record ModelReport(string Name, string? Version, string? Sha256);

/// <summary>Entities of one type in memory.</summary>
/// <param name="Entity">Name of the type.</param>
/// <param name="Active">How many.</param>
/// <param name="SizeBytes">Bytes of their blocks.</param>
public sealed record EntityCount(string Entity, long Active, long SizeBytes);

/// <summary>Memory of a silo.</summary>
/// <param name="UsedBytes">Of the process in RAM.</param>
/// <param name="LimitBytes">At which the system ends the process: the container's limit, or the machine's memory.</param>
/// <param name="ManagedBytes">Of the used, the managed heap as of the last collection.</param>
/// <param name="IsShedding">Whether the silo gives idle entities up to have room.</param>
public sealed record MemoryReport(long UsedBytes, long LimitBytes, long ManagedBytes, bool IsShedding);

/// <summary>A silo of the cluster, whether it answers or not.</summary>
/// <param name="Address">How other silos call it.</param>
/// <param name="IsSelf">Whether it is the one that was asked.</param>
/// <param name="Problem">Why there is no report of now, one sentence; null: there is.</param>
/// <param name="Report">The newest report; null: none has come yet.</param>
public sealed record SiloRow(string Address, bool IsSelf, string? Problem, SiloReport? Report);
