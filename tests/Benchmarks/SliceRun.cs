using System.Globalization;
using System.Text.Json;
using System.Text.RegularExpressions;
using FeatureStore.Harness;

namespace FeatureStore.Benchmarks;

/// <summary>
/// Silos as processes that share the slices of a live stream, over Redis and a real broker: how long slices wait at cuts, and how long they are not consumed
/// while silos come and go.
/// </summary>
internal sealed partial class SliceRun : IDisposable
{
    private const int Silos = 3;
    private const int Slices = 6;
    private static readonly TimeSpan _deadline = TimeSpan.FromSeconds(90);
    private static readonly TimeSpan _warmUp = TimeSpan.FromSeconds(10);

    /// <summary>Between one disturbance and the next.</summary>
    private static readonly TimeSpan _calm = TimeSpan.FromSeconds(2);

    private readonly string _folder = Workspace.NewFolder("slices");
    private readonly KafkaServer _kafka = KafkaServer.Start();
    private readonly RedisServer _redis = RedisServer.Start();
    private readonly FraudJob _job;
    private readonly List<SiloProcess> _silos = [];
    private SliceFeed? _feed;
    private PartitionProgress? _progress;

    private SliceRun() => _job = new FraudJob(_folder, "slices");

    private SliceFeed Feed => _feed!;

    private PartitionProgress Progress => _progress!;

    /// <returns>The exit status.</returns>
    public static int Run(int seconds, int rate, int times)
    {
        using var run = new SliceRun();
        run.Begin(rate);
        run.PrintPauses(seconds);
        if (times > 0)
            run.PrintGaps(times);
        return run.End();
    }

    public void Dispose()
    {
        _feed?.Dispose();
        _progress?.Dispose();
        _silos.ForEach(silo => silo.Dispose());
        _redis.Dispose();
        _kafka.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    private void Begin(int rate)
    {
        _kafka.CreateTopic(_job.Topic, Slices);
        _kafka.CreateTopic(_job.Sink(), Slices);
        for (var silo = 0; silo < Silos; silo++)
            Add();
        _silos.ForEach(silo => silo.WaitReady(_deadline));
        _progress = new PartitionProgress(_kafka.Bootstrap, "featurestore." + _job.Project, _job.Topic, Slices);
        _feed = new SliceFeed(_kafka.Bootstrap, _job.Topic, rate);
        Console.WriteLine($"{Silos} silos as processes, {Slices} slices, {rate:N0} events/s, {Environment.ProcessorCount} processors\n");
        AwaitWhole();
        Feed.Wait(_warmUp);
    }

    private void PrintPauses(int seconds)
    {
        var before = SiloCounts.Of(_silos);
        var cpu = CpuSeconds();
        Feed.Wait(TimeSpan.FromSeconds(seconds));
        cpu = CpuSeconds() - cpu;
        var since = SiloCounts.Of(_silos).Since(before);
        var (pauses, events) = (since[SiloCounts.CutPause + "_count"], since["featurestore_events_applied_total"]);
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"""
            {events / seconds:N0} events/s applied at {cpu * 1e6 / events:F1} µs of the silos' processor time, {since["featurestore_grains_calls_total"] / events:F2} calls an event

            | pauses of a slice for a cut, in {seconds} s | ms |
            |---|---|
            | number | {pauses:F0} |
            | mean | {since[SiloCounts.CutPause + "_sum"] * 1000 / pauses:F1} |
            | 50 %, 90 %, 99 % | at most {Ms(0.5)}, {Ms(0.9)}, {Ms(0.99)} |
            | longest | at most {Ms(1)} |

            """));

        string Ms(double share) => string.Create(CultureInfo.InvariantCulture, $"{since.AtMost(SiloCounts.CutPause, share) * 1000:G3}");
    }

    private void PrintGaps(int times)
    {
        List<Gap> leaves = [], kills = [], coordinatorKills = [], joins = [];
        for (var time = 0; time < times; time++)
        {
            Disturb(leaves, () => Remove(_silos[0], Leave));
            Disturb(joins, Add);
            var coordinator = Coordinator();
            Disturb(kills, () => Remove(_silos.First(silo => silo != coordinator), silo => silo.Kill()));
            Disturb(joins, Add);
            Disturb(coordinatorKills, () => Remove(Coordinator(), silo => silo.Kill()));
            Disturb(joins, Add);
        }

        Console.WriteLine("| what happens | times | slices stand, as the silos measure it: s, median (max) | a partition is not consumed: s, median (max) |\n|---|---|---|---|");
        Print("a silo joins", joins);
        Print("one leaves (SIGTERM)", leaves);
        Print("one is killed", kills);
        Print("the coordinator's is killed", coordinatorKills);

        static void Print(string what, List<Gap> gaps)
        {
            var note = gaps.Count(gap => gap.Terms > 1) is > 0 and var several ? $"; more than one term in {several}" : "";
            Console.WriteLine($"| {what} | {gaps.Count}{note} | {Of(gap => gap.OfSilosSeconds)} | {Of(gap => gap.OfPartitionsSeconds)} |");

            string Of(Func<Gap, double> figure)
            {
                var ordered = gaps.Select(figure).Order().ToList();
                return string.Create(CultureInfo.InvariantCulture, $"{ordered[ordered.Count / 2]:F2} ({ordered[^1]:F2})");
            }
        }
    }

    /// <summary>Does something to the cluster and waits until it is whole again.</summary>
    private void Disturb(List<Gap> gaps, Action what)
    {
        var before = _silos.ToDictionary(silo => silo, silo => SiloCounts.Of(silo));
        var begin = PartitionProgress.Now;
        what();
        AwaitWhole();
        Feed.Wait(_calm);
        var since = _silos.ConvertAll(silo => SiloCounts.Of(silo).Since(before.GetValueOrDefault(silo, new SiloCounts())));
        var gap = new Gap(since.Max(counts => counts[SiloCounts.SlicesGap + "_sum"]), Progress.LongestGapSince(begin), since.Max(counts => counts[SiloCounts.SlicesGap + "_count"]));
        Console.Error.WriteLine($"  {gap}");
        gaps.Add(gap);
    }

    /// <summary>Ends the feed, waits until all of it is consumed, and counts the predictions.</summary>
    private int End()
    {
        var sent = Feed.End();
        Wait.Until(() => Progress.Consumed >= sent, _deadline, () => $"{Progress.Consumed:N0} of {sent:N0} events are consumed.");
        foreach (var silo in _silos)
            Leave(silo);
        var times = new byte[sent];
        using var reader = new CommittedReader(_kafka.Bootstrap, _job.Sink(), (_, value) =>
        {
            if (PredictionOracle.IdOf(value) is >= 0 and var id && id < sent)
                times[id]++;
        });
        reader.ReadToEnd();
        var isRight = reader.Records == sent && times.All(count => count == 1);
        Console.WriteLine(isRight ? $"\n{sent:N0} events, one prediction each" : $"\nWRONG ANSWERS: {reader.Records:N0} predictions of {sent:N0} events, {times.Count(count => count != 1):N0} events without, or with more than one");
        return isRight ? 0 : 1;
    }

    private void Add() => _silos.Add(Ours.StartSilo(_job, _kafka, _redis, "all", Slices));

    private void Remove(SiloProcess silo, Action<SiloProcess> end)
    {
        end(silo);
        _silos.Remove(silo);
        silo.Dispose();
    }

    private static void Leave(SiloProcess silo)
    {
        if (silo.Terminate(_deadline) is not 0 and var status)
            throw new InvalidOperationException($"The server ended with {status}: {silo.Output}{silo.Error}");
    }

    /// <summary>Waits until the silos have all slices, evenly, and each is consumed.</summary>
    private void AwaitWhole()
    {
        var held = "";
        Wait.Until(
            () =>
            {
                _silos.ForEach(silo => silo.ThrowIfExited());
                var counts = _silos.ConvertAll(SlicesOf);
                held = string.Join(", ", counts);
                return counts.Sum() == Slices && counts.Max() - counts.Min() <= 1;
            },
            _deadline, () => $"The silos have {held} slices.");
        var whole = PartitionProgress.Now;
        Wait.Until(() => Progress.HaveAllAdvancedSince(whole), _deadline, () => "A partition is not consumed.");
    }

    /// <returns>−1 while it does not say.</returns>
    private static int SlicesOf(SiloProcess silo)
    {
        try
        {
            using var status = JsonDocument.Parse(silo.Http.GetStringAsync(new Uri("v1/status", UriKind.Relative)).GetAwaiter().GetResult());
            return status.RootElement.GetProperty("slices").GetArrayLength();
        }
        catch (HttpRequestException)
        {
            return -1;
        }
    }

    /// <summary>The silo that said last that it divides the stream.</summary>
    private SiloProcess Coordinator() => _silos.MaxBy(silo => TermLine.Matches(silo.Output).Select(match => int.Parse(match.Groups[1].ValueSpan, CultureInfo.InvariantCulture)).LastOrDefault(-1))!;

    private double CpuSeconds() => _silos.Sum(silo => ProcessUse.Of(silo.Id).CpuSeconds);

    [GeneratedRegex(@"Term (\d+)(:| goes on)")]
    private static partial Regex TermLine { get; }

    /// <param name="OfSilosSeconds">The longest of a silo, of featurestore_grains_slices_gap_seconds.</param>
    /// <param name="OfPartitionsSeconds">The longest between two advances of a partition's committed offset.</param>
    /// <param name="Terms">That began.</param>
    private sealed record Gap(double OfSilosSeconds, double OfPartitionsSeconds, double Terms);
}
