using System.Text.Json;
using FeatureStore.Runtime;

namespace FeatureStore.Grains.Reports;

/// <summary>
/// Asks every silo that the table of silos has, but for the dead. Of one that does not answer it has the report that came last. All who ask within a second get the same answer.
/// </summary>
internal sealed class ClusterReports(SiloReportClient client, ISiloStatusOracle silos, TimeProvider time) : ISiloReports
{
    private static readonly TimeSpan _answerMax = TimeSpan.FromSeconds(1);

    private readonly Lock _gate = new();
    private readonly Dictionary<SiloAddress, SiloReport> _latest = [];
    private Task<IReadOnlyList<SiloRow>> _rows = Task.FromResult<IReadOnlyList<SiloRow>>([]);
    private long? _askedAt;

    /// <inheritdoc/>
    public Task<IReadOnlyList<SiloRow>> ReadAsync(CancellationToken cancellationToken)
    {
        lock (_gate)
        {
            if (_askedAt is null || _rows.IsCompleted && (!_rows.IsCompletedSuccessfully || time.GetElapsedTime(_askedAt.Value) >= _answerMax))
                (_askedAt, _rows) = (time.GetTimestamp(), Task.Run(AskAsync, CancellationToken.None));
            return _rows.WaitAsync(cancellationToken);
        }
    }

    private async Task<IReadOnlyList<SiloRow>> AskAsync()
    {
        var members = silos.GetApproximateSiloStatuses(onlyActive: false).Where(member => member.Value is not (SiloStatus.Dead or SiloStatus.None)).ToList();
        var rows = await Task.WhenAll(members.Select(member => AskAsync(member.Key, member.Value))).ConfigureAwait(false);
        lock (_gate)
        {
            foreach (var gone in _latest.Keys.Except(members.Select(member => member.Key)).ToList())
                _latest.Remove(gone);
        }

        return [.. rows.OrderBy(row => row.Address, StringComparer.Ordinal)];
    }

    private async Task<SiloRow> AskAsync(SiloAddress silo, SiloStatus status)
    {
        string problem;
        try
        {
            var bytes = await client.On(silo).ReadAsync().WaitAsync(_answerMax, time).ConfigureAwait(false);
            var report = JsonSerializer.Deserialize<SiloReport>(bytes) ?? throw new JsonException("The report is null.");
            lock (_gate)
                _latest[silo] = report;
            return Row(null, report);
        }
        catch (TimeoutException)
        {
            problem = $"It has not answered within {_answerMax.TotalSeconds:0} s.";
        }
        catch (JsonException)
        {
            problem = "Its report cannot be read: it runs another version of the server.";
        }
        catch (Exception exception)
        {
            problem = $"It cannot be asked: {exception.GetType().Name}.";
        }

        lock (_gate)
            return Row(status == SiloStatus.Active ? problem : $"{problem} It is {Word(status)}.", _latest.GetValueOrDefault(silo));

        SiloRow Row(string? why, SiloReport? report) => new(silo.ToString(), silo.Equals(silos.SiloAddress), why, report);
    }

    private static string Word(SiloStatus status) => status is SiloStatus.Created or SiloStatus.Joining ? "joining" : "leaving";
}
