using System.Buffers.Binary;
using FeatureStore.Core.Plans;
using FeatureStore.Runtime.Local;
using Microsoft.Extensions.Logging.Abstractions;

namespace FeatureStore.Runtime.Tests;

/// <summary>
/// Random schedules of batches, checkpoints, publications, erasures, failing stores and crashes. At any time the state of an entity is that of the events
/// after its erasure, whatever was read again meanwhile; and in the end the entity store and the hot store say the same.
/// </summary>
[TestClass]
public sealed class ErasingSimulationTests
{
    [TestMethod]
    public void ErasedEventsNeverComeBack()
    {
        var (erasures, crashes) = (0, 0);
        for (var seed = 0; seed < 50; seed++)
        {
            using var simulation = new Simulation(seed);
            try
            {
                simulation.Run(steps: 120);
            }
            catch (Exception exception)
            {
                throw new AssertFailedException($"Seed {seed}: {exception.Message}", exception);
            }

            erasures += simulation.Erasures;
            crashes += simulation.Crashes;
        }

        Console.WriteLine($"{erasures} erasures, {crashes} crashes");
        Assert.IsGreaterThan(500, erasures);
        Assert.IsGreaterThan(300, crashes);
    }

    private sealed class Simulation : IDisposable
    {
        private const int Customers = 6;
        private const int Partitions = 3;

        private readonly Random _random;
        private readonly ManualTime _time = new();
        private readonly FakeStore _store;
        private readonly List<(long TimeMs, long Customer, double Amount)> _log = [];

        /// <summary>Of each customer, the places in the log from which events may count: one, unless an erasure's end was not seen.</summary>
        private readonly HashSet<int>[] _countFrom = [.. Enumerable.Range(0, Customers).Select(_ => new HashSet<int> { 0 })];
        private readonly Dictionary<long, (long Incarnation, long Sequence, byte[] Block)> _hot = [];
        private readonly Queue<(BlockSet Keys, List<long> Sequences, BlockSet Blocks)> _rounds = [];
        private readonly List<LocalRuntime> _runtimes = [];
        private LocalRuntime _runtime = null!;
        private Checkpointer _checkpointer = null!;
        private TaskCompletionSource? _published;

        /// <summary>Events of the log that the runtime has applied; and that it had applied before the last crash.</summary>
        private int _applied;
        private int _reached;

        public Simulation(int seed)
        {
            _random = new Random(seed);
            _store = new FakeStore(_time);
            Start();
        }

        public int Erasures { get; private set; }

        public int Crashes { get; private set; }

        public void Run(int steps)
        {
            for (var step = 0; step < steps; step++)
            {
                switch (_random.Next(20))
                {
                    case < 9:
                        ApplySome();
                        break;
                    case < 11:
                        if (_published is null)
                            BeginCheckpoint();
                        break;
                    case < 13:
                        CompleteCheckpoint();
                        break;
                    case < 16:
                        Erase();
                        break;
                    case < 17:
                        TakeRound();
                        break;
                    case < 18:
                        DeliverRound();
                        break;
                    default:
                        Crash();
                        break;
                }

                if (_applied == _reached)
                    Check();
            }

            while (_applied < _reached)
                ApplySome();
            CompleteCheckpoint();
            BeginCheckpoint();
            CompleteCheckpoint();
            Check();
            CheckStores();
        }

        public void Dispose() => _runtimes.ForEach(runtime => runtime.Dispose());

        private void Start()
        {
            _runtime = Runtimes.New(_random.Next(1, 4), tracksPublishing: true);
            _runtimes.Add(_runtime);
            _checkpointer = new Checkpointer(TestProject.Plan, _runtime, _store, new CheckpointOptions(), _time, NullLogger<Checkpointer>.Instance);
            _checkpointer.Restore();
            _applied = _checkpointer.Last is { } last ? (int)last.Partitions.Where(partition => partition.Topic == "payments").Sum(partition => partition.NextOffset) : 0;
            var ends = Enumerable.Range(0, Partitions).Select(partition => OffsetOf(partition, _reached)).ToArray();
            _runtime.BeginSource(TestProject.Payments, new long[Partitions], ends);
            _runtime.BeginSource(TestProject.Logins, [], []);
            _published = null;
        }

        private void ApplySome()
        {
            var batch = new TestBatch(TestProject.Plan, TestProject.Payments);
            var end = _applied < _reached ? Math.Min(_reached, _applied + _random.Next(1, 20)) : _applied + _random.Next(1, 20);
            for (; _applied < end; _applied++)
            {
                if (_applied == _log.Count)
                    _log.Add((TestProject.StartMs + _log.Count * 300, _random.Next(Customers), _random.Next(1000)));
                Add(batch, _applied);
            }

            batch.ResetVectors();
            _runtime.Apply(batch);
            _reached = Math.Max(_reached, _applied);
        }

        private void Add(TestBatch batch, int index)
        {
            var (timeMs, customer, amount) = _log[index];
            batch.Add(timeMs, customer, null, amount);
            batch.Events[batch.Events.Count - 1].Partition = index % Partitions;
            batch.Events[batch.Events.Count - 1].Offset = index / Partitions;
        }

        private void BeginCheckpoint()
        {
            // A checkpoint waits until it is published: it may take long.
            _published = new TaskCompletionSource();
            _checkpointer.Begin("cluster", [.. Enumerable.Range(0, Partitions).Select(partition => new PartitionCheckpoint
            {
                Topic = "payments",
                Partition = partition,
                NextOffset = OffsetOf(partition, _applied),
                NewestMs = 0,
                WitnessOffset = -1,
                WitnessTimestampMs = -1,
                WitnessHash = 0,
                SeenIds = [],
            })], _published.Task);
        }

        private void CompleteCheckpoint()
        {
            if (_published is null)
                return;
            _published.SetResult();
            Wait.Until(() => _checkpointer.CompleteAsync().IsCompleted, "the checkpoint ends");
            _checkpointer.CompleteAsync().GetAwaiter().GetResult();
            _published = null;
        }

        private void Erase()
        {
            Erasures++;
            var customer = _random.Next(Customers);
            var fails = _random.Next(4) == 0;
            if (fails)
                _store.EraseFailures.Enqueue(new IOException("disk full"));
            try
            {
                _runtime.EraseAsync(TestProject.Customer, Key(customer), CancellationToken.None).AsTask().GetAwaiter().GetResult();
                Assert.IsFalse(fails, "An erasure is said to be durable, and is not.");
                _countFrom[customer].Clear();
            }
            catch (EraseException) when (fails)
            {
                // It may come back with a crash: or not.
            }

            _countFrom[customer].Add(_reached);
        }

        private void TakeRound()
        {
            var round = (new BlockSet(), new List<long>(), new BlockSet());
            _runtime.ToPublish.Take(TestProject.Customer, _random.Next(1, 10), round.Item1, round.Item2, round.Item3);
            if (_random.Next(4) == 0)
                _runtime.ToPublish.PutBack(TestProject.Customer, round.Item1, round.Item2, round.Item3);
            _rounds.Enqueue(round);
        }

        /// <summary>As Redis does it: never an older one over a newer one.</summary>
        private void DeliverRound()
        {
            if (!_rounds.TryDequeue(out var round))
                return;
            for (var index = 0; index < round.Keys.Count; index++)
            {
                var customer = BinaryPrimitives.ReadInt64BigEndian(round.Keys[index]);
                if (!_hot.TryGetValue(customer, out var old) || round.Sequences[index] >= old.Sequence)
                    _hot[customer] = (0, round.Sequences[index], round.Blocks[index].ToArray());
            }
        }

        private void Crash()
        {
            Crashes++;
            // The process that is thought dead may still deliver what it took; its store takes nothing any more.
            _checkpointer.DisposeAsync().AsTask().Wait();
            Start();
        }

        private void Check()
        {
            for (var customer = 0; customer < Customers; customer++)
            {
                var actual = _runtime.Read([(TestProject.Customer, Convert.ToHexString(Key(customer)))]).Single().Value;
                var expected = _countFrom[customer].Select(from => Expected(customer, from)).ToList();
                Assert.IsTrue(expected.Any(block => SameState(block, actual)), $"Customer {customer} has another state than that of the events from {string.Join(" or ", _countFrom[customer])}, of {_applied}.");
            }
        }

        private void CheckStores()
        {
            TakeAndDeliverAll();
            for (var customer = 0; customer < Customers; customer++)
            {
                var id = (TestProject.Customer, Convert.ToHexString(Key(customer)));
                var live = _runtime.Read([id]).Single().Value;
                Assert.IsTrue(live.AsSpan().SequenceEqual(_store.Blocks.GetValueOrDefault(id, [])), $"The entity store has another block of customer {customer}.");
                Assert.IsTrue(live.AsSpan().SequenceEqual(_hot.GetValueOrDefault(customer, (0, 0, [])).Block), $"The hot store has another block of customer {customer}.");
            }
        }

        private void TakeAndDeliverAll()
        {
            while (_runtime.Unpublished > 0)
            {
                var round = (new BlockSet(), new List<long>(), new BlockSet());
                _runtime.ToPublish.Take(TestProject.Customer, 100, round.Item1, round.Item2, round.Item3);
                _rounds.Enqueue(round);
            }

            while (_rounds.Count > 0)
                DeliverRound();
        }

        private byte[] Expected(int customer, int from)
        {
            var plain = new PlainRuntime(TestProject.Plan);
            var batch = new TestBatch(TestProject.Plan, TestProject.Payments);
            for (var index = from; index < _applied; index++)
            {
                if (_log[index].Customer == customer)
                    Add(batch, index);
            }

            batch.ResetVectors();
            plain.Apply(batch);
            return plain.Blocks.Values.SingleOrDefault() ?? [];
        }

        /// <summary>All but the sequence.</summary>
        private static bool SameState(byte[] left, byte[] right)
        {
            var (first, second) = (left.ToArray(), right.ToArray());
            foreach (var block in new[] { first, second })
            {
                if (block.Length > 0)
                    EntityPlan.SetSequence(block, 0);
            }

            return first.AsSpan().SequenceEqual(second);
        }

        private static byte[] Key(long customer)
        {
            var key = new byte[8];
            BinaryPrimitives.WriteInt64BigEndian(key, customer);
            return key;
        }

        private static long OffsetOf(int partition, int index) => (index + Partitions - 1 - partition) / Partitions;
    }
}
