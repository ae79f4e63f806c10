using FeatureStore.Core.Plans;
using FeatureStore.Runtime;
using FeatureStore.Runtime.Local;

namespace FeatureStore.Ingest.Tests.Simulation;

/// <summary>
/// A stream in slices, a pipeline each, that share the state and tell each other where they are: those of one silo at once, the others by messages that come late, and not all of them. When one dies, all begin
/// anew, in silence to P. What comes of it is what would come of one pipeline.
/// </summary>
[TestClass]
public sealed class SliceSimulationTests
{
    private const int Seeds = 100;
    private const int StepsMax = 400_000;
    private static readonly long[] _alignmentsMs = [0, 300_000, 3_600_000];
    private string _current = "";
    private int _crashes;
    private int _predictions;

    /// <summary>How often a slice was woken that another one had held back, or that another one waited for.</summary>
    private int _wakes;

    public TestContext TestContext { get; set; } = null!;

    [TestMethod]
    public void Slices_do_what_one_pipeline_does()
    {
        var isWhole = SeededRuns.Run(Seeds, Run, () => $" ({_current})");
        TestContext.WriteLine($"{_crashes} crashes, {_predictions} predictions, {_wakes} wakes");
        if (!isWhole)
            return;
        Assert.IsGreaterThan(Seeds, _crashes);
        Assert.IsGreaterThan(100 * Seeds, _predictions);
        Assert.IsGreaterThan(10 * Seeds, _wakes);
    }

    private void Run(int seed)
    {
        var chaos = new Chaos(seed);
        var isLive = chaos.Random.Next(2) == 0;
        var alignMs = _alignmentsMs[chaos.Random.Next(_alignmentsMs.Length)];
        var delayMs = alignMs + Payments.LatenessMs + (isLive || alignMs == 0 ? 1 : 0);
        var slices = 2 + chaos.Random.Next(4);
        var silos = 1 + chaos.Random.Next(slices);
        _current = $"{(isLive ? "live" : "replay")}, align {alignMs} ms, {slices} slices on {silos} silos";
        var plan = Payments.Plan(alignMs, delayMs);
        var broker = new SimulatedBroker(Payments.Topic, partitions: 4);
        var time = new ManualTime();
        // Longer than it counts that a slice had nothing to read.
        var workload = new Workload(chaos.Random, broker, 50 + chaos.Random.Next(300), isLive, paceMs: 510);
        if (!isLive)
            workload.Append(int.MaxValue, time);
        var alignment = isLive || alignMs == 0 ? null : new AlignmentCheck(workload.Entries, alignMs);

        Term? term = null;
        for (var step = 0; ; step++)
        {
            Assert.IsLessThan(StepsMax, step, "The log is not read to its end.");
            try
            {
                term ??= Start();
                if (chaos.Random.Next(10) == 0)
                    workload.Append(chaos.Random.Next(3), time);
                if (chaos.Random.Next(4) == 0)
                    time.Advance(TimeSpan.FromMilliseconds(chaos.Random.Next(60)));
                term.Step(chaos);
            }
            catch (SimulatedCrashException)
            {
                End();
            }

            if (workload.IsWritten && step > 1200)
                chaos.IsOn = false;
            if (workload.IsWritten && !chaos.IsOn && term?.IsDone == true)
                break;
        }

        var oracle = new Oracle(workload.Entries, alignMs, delayMs, knowsOrder: !isLive, slices);
        oracle.CheckPredictions(broker);
        oracle.CheckDeadLetters(broker);
        oracle.CheckState(plan, term.Runtime);
        _crashes += chaos.Crashes;
        _predictions += broker.Predictions.Count;
        End();

        Term Start()
        {
            if (chaos.IsOn)
                chaos.Arm(700);
            alignment?.Restart(new long[broker.Partitions.Length]);
            var on = chaos.IsOn;
            var started = new Term(plan, slices, silos, broker, chaos, time, batch => alignment?.Applied(batch));
            chaos.IsOn = on;
            return started;
        }

        void End()
        {
            var on = chaos.IsOn;
            chaos.IsOn = false;
            _wakes += term?.Wakes ?? 0;
            term?.Dispose();
            chaos.IsOn = on;
            term = null;
        }
    }

    /// <summary>The pipelines from one crash to the next.</summary>
    private sealed class Term : IDisposable
    {
        private readonly SimulatedProcess[] _pipelines;
        private readonly StreamAlignment[] _silos;

        /// <summary>By silo, what it told last; null: nothing yet.</summary>
        private readonly (Dictionary<int, long[]> Positions, SliceWait[] Waits)?[] _told;
        private readonly int[] _slicesOf;

        public Term(ProjectPlan plan, int slices, int silos, SimulatedBroker broker, Chaos chaos, ManualTime time, Action<ApplyBatch> applied)
        {
            Runtime = new LocalRuntime(plan, new LocalRuntimeOptions { Shards = 1 });
            _silos = [.. Enumerable.Range(0, silos).Select(_ => new StreamAlignment(1, time, silos == 1 ? null : () => { }))];
            _told = new (Dictionary<int, long[]>, SliceWait[])?[silos];
            _slicesOf = new int[silos];
            _pipelines = [.. Enumerable.Range(0, slices).Select(slice =>
            {
                _slicesOf[slice % silos]++;
                var own = _silos[slice % silos].Add(slice, () => Wakes++);
                return new SimulatedProcess(plan, new Slice(slice, slices), broker, new SimulatedDisk(), chaos, time, applied, Runtime, own);
            })];
        }

        public LocalRuntime Runtime { get; }

        public int Wakes { get; private set; }

        public bool IsDone => Array.TrueForAll(_pipelines, pipeline => pipeline.IsDone);

        public void Step(Chaos chaos)
        {
            // One slice may be much faster than another.
            _pipelines[Math.Min(chaos.Random.Next(_pipelines.Length), chaos.Random.Next(_pipelines.Length))].Step();
            var silo = chaos.Random.Next(_silos.Length);
            switch (chaos.Random.Next(6))
            {
                case 0:
                    _told[silo] = _silos[silo].Tell();
                    break;
                case 1:
                    Follow(silo);
                    break;
            }
        }

        public void Dispose()
        {
            foreach (var pipeline in _pipelines)
                pipeline.Dispose();
            Runtime.Dispose();
        }

        /// <summary>What the coordinator would say.</summary>
        private void Follow(int silo)
        {
            var (others, awaited) = (SlicePosition.None, SliceWait.None);
            for (var other = 0; other < _silos.Length; other++)
            {
                if (other == silo)
                    continue;
                var told = _told[other];
                awaited = told?.Waits[0] > awaited ? told.Value.Waits[0] : awaited;
                others = told is null ? SlicePosition.Unknown : told.Value.Positions.Values.Aggregate(others, (least, values) => SlicePosition.Least(least, SlicePosition.Read(values, 0)));
                if (told is null)
                    break;
            }

            _silos[silo].Follow([others], [awaited]);
        }
    }
}
