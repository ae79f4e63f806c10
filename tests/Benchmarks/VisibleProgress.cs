using System.Diagnostics;
using Confluent.Kafka;
using FeatureStore.Harness;

namespace FeatureStore.Benchmarks;

/// <summary>What was seen of a run at one moment.</summary>
/// <param name="Seconds">Since the program's start.</param>
/// <param name="Visible">Sum of the last stable offsets of the predictions' partitions: what a read_committed reader can read, transaction markers included.</param>
/// <param name="CpuSeconds">User and system time of the program so far.</param>
/// <param name="MemoryMaxMiB">Largest resident set of the program so far.</param>
/// <param name="BrokerCpuSeconds">User and system time of the broker since the program's start.</param>
internal readonly record struct Sample(double Seconds, long Visible, double CpuSeconds, double MemoryMaxMiB, double BrokerCpuSeconds);

/// <summary>One run, from outside: the same measure for every contender, whatever it says of itself.</summary>
internal sealed record Measurement
{
    /// <summary>Predictions that became visible per second, between the first sight of some and the last.</summary>
    public required double EventsPerSecond { get; init; }

    public required double SecondHalfEventsPerSecond { get; init; }

    /// <summary>User and system time of the whole process, from its start until the last prediction was visible.</summary>
    public required double CpuMicrosecondsPerEvent { get; init; }

    public required double SecondHalfCpuMicrosecondsPerEvent { get; init; }

    public required double SecondsFromStart { get; init; }

    public required double MemoryMaxMiB { get; init; }

    public required double BrokerCpuSeconds { get; init; }

    /// <summary>Median time between two advances of what is visible of a partition: how long a finished prediction waits for its commit, at most.</summary>
    public required double VisibleGapMs { get; init; }
}

/// <summary>Watches how far a topic is visible, by its offsets alone, so that watching costs next to nothing.</summary>
internal static class VisibleProgress
{
    private static readonly TimeSpan _period = TimeSpan.FromMilliseconds(25);
    private static readonly TimeSpan _timeout = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan _settled = TimeSpan.FromSeconds(3); // longer than any contender's commit interval
    private static readonly TimeSpan _stalled = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan _says = TimeSpan.FromSeconds(10);

    /// <summary>Watches a run from its start until all predictions are visible and nothing moves any more.</summary>
    public static Measurement Watch(KafkaServer kafka, IContenderRun run, int events, long started)
    {
        using var consumer = new ConsumerBuilder<Ignore, Ignore>(new ConsumerConfig
        {
            BootstrapServers = kafka.Bootstrap,
            GroupId = "watcher",
            IsolationLevel = IsolationLevel.ReadCommitted,
        }).Build();
        using var admin = new DependentAdminClientBuilder(consumer.Handle).Build();
        var partitions = admin.GetMetadata(run.Output, _timeout).Topics.Single().Partitions.Select(partition => new TopicPartition(run.Output, partition.PartitionId)).ToList();
        var brokerBefore = ProcessUse.Of(kafka.ProcessId).CpuSeconds;
        var samples = new List<Sample>();
        var gapsMs = new List<double>();
        var ofPartition = new (long Visible, long Advanced)[partitions.Count];
        var advanced = started;
        var said = started;
        var isHalfWay = false;
        while (true)
        {
            var visible = 0L;
            for (var i = 0; i < partitions.Count; i++)
            {
                var end = consumer.QueryWatermarkOffsets(partitions[i], _timeout).High.Value;
                var seen = Stopwatch.GetTimestamp();
                visible += end;
                if (end == ofPartition[i].Visible)
                    continue;
                if (ofPartition[i].Visible > 0)
                    gapsMs.Add(Stopwatch.GetElapsedTime(ofPartition[i].Advanced, seen).TotalMilliseconds);
                ofPartition[i] = (end, seen);
            }

            var now = Stopwatch.GetTimestamp();
            var before = samples.Count == 0 ? default : samples[^1];
            var use = UseOf(run) ?? new ProcessUse(before.CpuSeconds, before.MemoryMaxMiB);
            if (visible > before.Visible)
                advanced = now;
            if (Stopwatch.GetElapsedTime(said, now) > _says)
            {
                said = now;
                Console.Error.WriteLine($"  {visible:N0} visible after {Stopwatch.GetElapsedTime(started, now).TotalSeconds:F0} s");
            }

            if (!isHalfWay && visible >= events / 2)
            {
                isHalfWay = true;
                run.HalfWay();
            }

            samples.Add(new Sample(Stopwatch.GetElapsedTime(started, now).TotalSeconds, visible, use.CpuSeconds, use.MemoryMaxMiB, ProcessUse.Of(kafka.ProcessId).CpuSeconds - brokerBefore));
            if (visible >= events && Stopwatch.GetElapsedTime(advanced) > _settled)
                return Evaluate(samples, gapsMs, events);
            if (Stopwatch.GetElapsedTime(advanced) > _stalled || run.HasExited && visible < events && Stopwatch.GetElapsedTime(advanced) > _settled)
                throw new InvalidOperationException($"Only {visible} of {events} predictions became visible. {(run.HasExited ? run.Finish() : "")}");
            Thread.Sleep(_period);
        }
    }

    private static Measurement Evaluate(List<Sample> samples, List<double> gapsMs, int events)
    {
        var total = samples[^1].Visible;
        var first = samples.Find(sample => sample.Visible > 0);
        var half = samples.Find(sample => sample.Visible >= total / 2);
        var last = samples.Find(sample => sample.Visible == total);
        var perOffset = (double)events / total; // offsets count transaction markers too
        gapsMs.Sort();
        return new Measurement
        {
            EventsPerSecond = Rate(first, last),
            SecondHalfEventsPerSecond = Rate(half, last),
            CpuMicrosecondsPerEvent = last.CpuSeconds * 1e6 / events,
            SecondHalfCpuMicrosecondsPerEvent = (last.CpuSeconds - half.CpuSeconds) * 1e6 / ((total - half.Visible) * perOffset),
            SecondsFromStart = last.Seconds,
            MemoryMaxMiB = last.MemoryMaxMiB,
            BrokerCpuSeconds = last.BrokerCpuSeconds,
            VisibleGapMs = gapsMs.Count == 0 ? double.NaN : gapsMs[gapsMs.Count / 2],
        };

        double Rate(Sample from, Sample to) => (to.Visible - from.Visible) * perOffset / (to.Seconds - from.Seconds);
    }

    /// <summary>Of all its processes; null once one is gone.</summary>
    private static ProcessUse? UseOf(IContenderRun run)
    {
        try
        {
            List<ProcessUse> uses = [.. run.ProcessIds.Select(ProcessUse.Of)];
            // A process that ended stays in /proc until it is waited for, with its times but without memory.
            return uses.TrueForAll(use => use.MemoryMaxMiB > 0) ? new ProcessUse(uses.Sum(use => use.CpuSeconds), uses.Sum(use => use.MemoryMaxMiB)) : null;
        }
        catch (IOException)
        {
            return null;
        }
    }
}
