using System.Text.Json;
using FeatureStore.Grains.Entities;
using FeatureStore.Runtime;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Orleans.Concurrency;
using Orleans.Runtime.Services;
using Orleans.Services;

namespace FeatureStore.Grains.Reports;

/// <summary>On each silo, says what it runs.</summary>
[Alias("featurestore.report")]
internal interface ISiloReportService : IGrainService
{
    /// <summary>A <see cref="SiloReport"/> as JSON: silos of other versions of the server read of it what they know.</summary>
    [Alias("read")]
    Task<byte[]> ReadAsync();
}

/// <inheritdoc cref="ISiloReportService"/>
[Reentrant]
internal sealed class SiloReportService(GrainId id, Silo silo, ILoggerFactory loggers, EntityCells cells, IServiceProvider services, TimeProvider time)
    : GrainService(id, silo, loggers), ISiloReportService
{
    private readonly Lazy<SelfReport> _report = new(() => new SelfReport(
        cells.Plan.Project, services.GetService<SiloIdentity>() ?? SiloIdentity.Default, services.GetService<IPipelineStatus>(), services.GetService<IModelCatalog>(), cells, time));

    public Task<byte[]> ReadAsync() => Task.FromResult(JsonSerializer.SerializeToUtf8Bytes(_report.Value.Read()));
}

/// <summary>Reaches the <see cref="ISiloReportService"/> of a silo.</summary>
internal sealed class SiloReportClient(IServiceProvider services) : GrainServiceClient<ISiloReportService>(services)
{
    public ISiloReportService On(SiloAddress silo) => GetGrainService(silo);
}
