using System.Diagnostics;
using FeatureStore.Runtime;

namespace FeatureStore.Ingest.Tests.Simulation;

/// <summary>
/// The whole of ingest from records to committed predictions, under seeded schedules of everything that can go wrong. One seed fails alone:
/// FEATURESTORE_SEED=123 runs it by itself.
/// </summary>
[TestClass]
public sealed class SimulationTests
{
    private const int Seeds = 300;
    private const int SliceSeeds = 100;
    private const int StepsMax = 200_000;
    private static readonly long[] _alignmentsMs = [0, 300_000, 3_600_000];

    public TestContext TestContext { get; set; } = null!;

    [TestMethod]
    public void Every_event_has_its_effect_and_its_answer_exactly_once()
    {
        var totals = new Totals();
        var start = Stopwatch.GetTimestamp();
        var isWhole = SeededRuns.Run(Seeds, seed => Run(seed, totals), () => $" ({totals.Current})");
        TestContext.WriteLine($"{totals} in {Stopwatch.GetElapsedTime(start).TotalSeconds:F1} s");
        if (!isWhole)
            return;
        // A simulation in which nothing goes wrong shows nothing.
        Assert.IsGreaterThan(Seeds, totals.Crashes);
        Assert.IsGreaterThan(Seeds, totals.Aborts);
        Assert.IsGreaterThan(Seeds, totals.Saves);
        Assert.IsGreaterThan(Seeds / 4, totals.SilentBatches);
        Assert.IsGreaterThan(Seeds, totals.DeadLetters);
    }

    /// <summary>A pipeline of some partitions does with them what one of all would do with a topic that has no others.</summary>
    [TestMethod]
    public void A_slice_is_the_whole_of_its_partitions()
    {
        var totals = new Totals();
        if (!SeededRuns.Run(SliceSeeds, seed => Run(seed, totals, new Slice(seed % 2 + (seed % 3 == 0 ? 0 : 1), 3)), () => $" ({totals.Current})"))
            return;
        Assert.IsGreaterThan(SliceSeeds, totals.Crashes);
        Assert.IsGreaterThan(SliceSeeds, totals.Predictions);
    }

    private static void Run(int seed, Totals totals) => Run(seed, totals, default);

    private static void Run(int seed, Totals totals, Slice slice)
    {
        var chaos = new Chaos(seed);
        var isLive = chaos.Random.Next(2) == 0;
        var alignMs = _alignmentsMs[chaos.Random.Next(_alignmentsMs.Length)];
        // The shortest delay with which the alignment makes a value independent of the order; a strict merge lets equal times pass.
        var delayMs = alignMs + Payments.LatenessMs + (isLive || alignMs == 0 ? 1 : 0);
        totals.Current = $"{(isLive ? "live" : "replay")}, align {alignMs} ms";
        var plan = Payments.Plan(alignMs, delayMs);
        var broker = new SimulatedBroker(Payments.Topic, partitions: 4);
        var disk = new SimulatedDisk();
        var time = new ManualTime();
        var workload = new Workload(chaos.Random, broker, 50 + chaos.Random.Next(400), isLive);
        if (!isLive)
            workload.Append(int.MaxValue, time);
        List<Entry>[] log = [.. workload.Entries.Select((entries, partition) => slice.Has(partition) ? entries : [])];
        var alignment = isLive || alignMs == 0 ? null : new AlignmentCheck(log, alignMs);

        SimulatedProcess? process = null;
        for (var step = 0; ; step++)
        {
            Assert.IsLessThan(StepsMax, step, "The log is not read to its end.");
            try
            {
                process ??= Start();
                if (chaos.Random.Next(10) == 0)
                    workload.Append(chaos.Random.Next(20), time);
                if (chaos.Random.Next(4) == 0)
                    time.Advance(TimeSpan.FromMilliseconds(chaos.Random.Next(800)));
                process.Step();
            }
            catch (SimulatedCrashException)
            {
                End();
                if (chaos.OneIn(8))
                    disk.Wipe();
            }

            // The end is quiet: all has been written, and the process lives on.
            if (workload.IsWritten && step > 1200)
                chaos.IsOn = false;
            if (workload.IsWritten && !chaos.IsOn && process?.IsDone == true)
                break;
        }

        var oracle = new Oracle(log, alignMs, delayMs, knowsOrder: !isLive);
        oracle.CheckPredictions(broker);
        oracle.CheckDeadLetters(broker);
        oracle.CheckState(plan, process.Runtime);

        // Once more from what is durable: the same state, and not a word said twice.
        var said = broker.Predictions.Count + broker.DeadLetters.Count;
        End();
        chaos.IsOn = false;
        process = Start();
        for (var step = 0; !process.IsDone; step++)
        {
            Assert.IsLessThan(StepsMax, step, "The log is not read to its end again.");
            time.Advance(TimeSpan.FromMilliseconds(chaos.Random.Next(800)));
            process.Step();
        }

        oracle.CheckState(plan, process.Runtime);
        Assert.AreEqual(said, broker.Predictions.Count + broker.DeadLetters.Count, "What was published is published again.");
        totals.Crashes += chaos.Crashes;
        totals.Predictions += broker.Predictions.Count;
        totals.DeadLetters += broker.DeadLetters.Count;
        End();

        SimulatedProcess Start()
        {
            if (chaos.IsOn)
                chaos.Arm(600);
            SimulatedProcess? started = null;
            var on = chaos.IsOn;
            started = new SimulatedProcess(plan, slice, broker, disk, chaos, time, batch =>
            {
                totals.SilentBatches += started!.IsLive ? 0 : 1;
                alignment?.Applied(batch);
            });
            chaos.IsOn = on;
            alignment?.Restart(started.StartOffsets);
            return started;
        }

        void End()
        {
            if (process is null)
                return;
            totals.Aborts += process.Sink.Aborts;
            totals.Saves += process.Checkpoints.Saves;
            var on = chaos.IsOn;
            chaos.IsOn = false;
            process.Dispose();
            chaos.IsOn = on;
            process = null;
        }
    }

    private sealed class Totals
    {
        /// <summary>What the seed at hand is.</summary>
        public string Current { get; set; } = "";

        public int Crashes { get; set; }

        public int Aborts { get; set; }

        public int Saves { get; set; }

        public int SilentBatches { get; set; }

        public int Predictions { get; set; }

        public int DeadLetters { get; set; }

        public override string ToString() =>
            $"{Crashes} crashes, {Aborts} aborts, {Saves} checkpoints, {SilentBatches} batches in silence, {Predictions} predictions, {DeadLetters} dead letters";
    }
}
