using System.Collections.Concurrent;
using FeatureStore.Grains.Entities;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace FeatureStore.Grains.Ownership;

/// <summary>Tells the operator which silos come and go, a line each; and the entities.</summary>
internal sealed partial class MembershipLog(ISiloStatusOracle oracle, EntityCells cells, ILogger<MembershipLog> logger) : IHostedService, ISiloStatusListener
{
    private readonly ConcurrentDictionary<SiloAddress, SiloStatus> _known = new();

    public Task StartAsync(CancellationToken cancellationToken)
    {
        foreach (var (silo, status) in oracle.GetApproximateSiloStatuses(onlyActive: true))
            SiloStatusChangeNotification(silo, status);
        oracle.SubscribeToSiloStatusEvents(this);
        return Task.CompletedTask;
    }

    public Task StopAsync(CancellationToken cancellationToken)
    {
        oracle.UnSubscribeFromSiloStatusEvents(this);
        return Task.CompletedTask;
    }

    public void SiloStatusChangeNotification(SiloAddress updatedSilo, SiloStatus status)
    {
        if (updatedSilo.Equals(oracle.SiloAddress))
            return;
        _known.TryGetValue(updatedSilo, out var before);
        if (before == status)
            return;
        _known[updatedSilo] = status;
        cells.Unsettle();
        switch (status)
        {
            case SiloStatus.Active:
                LogJoined(updatedSilo);
                break;
            case SiloStatus.Dead:
                _known.TryRemove(updatedSilo, out _);
                if (before == SiloStatus.Active)
                    LogDied(updatedSilo);
                else if (before is SiloStatus.ShuttingDown or SiloStatus.Stopping)
                    LogLeft(updatedSilo);
                break;
        }
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "Silo {Silo} is in the cluster")]
    private partial void LogJoined(SiloAddress silo);

    [LoggerMessage(Level = LogLevel.Information, Message = "Silo {Silo} has left the cluster")]
    private partial void LogLeft(SiloAddress silo);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Silo {Silo} is dead: it did not answer, or another process has its place. Its entities come back on other silos, with what is durable")]
    private partial void LogDied(SiloAddress silo);
}
