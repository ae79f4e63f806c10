using System.Diagnostics;
using System.Runtime.InteropServices;
using FeatureStore.Core.Definitions;
using FeatureStore.Core.Plans;
using FeatureStore.Core.Tests.Plans;

namespace FeatureStore.Core.Tests.Oracle;

/// <summary>
/// Blocks from outside may be anything: what the check accepts is read and written on, for ever, without an exception, without a look outside and in bounded time.
/// </summary>
[TestClass]
public sealed class BlockFuzzTests
{
    private const int MutationsPerBlock = 50;

    /// <summary>A call takes microseconds; only one that takes long whenever it is tried is at fault, not the thread that waited for its turn.</summary>
    private static readonly TimeSpan _callMax = TimeSpan.FromSeconds(1);
    private const int CallTriesMax = 5;

    private static readonly long[] _nastyWords =
        [0, -1, 1, long.MaxValue, long.MinValue, int.MaxValue, int.MinValue, uint.MaxValue, 1L << 32, 0x7ff8_0000_0000_0000, 0x7ff0_0000_0000_0000, 0x7fef_ffff_ffff_ffff];

    [TestMethod]
    [Timeout(300_000)]
    public void ADamagedBlockIsRefusedOrUsedInBounds() => Fuzz(20_000);

    [TestMethod]
    [TestCategory("Soak")]
    public void AMillionDamagedBlocksAreRefusedOrUsedInBounds() => Fuzz(1_500_000);

    /// <summary>Blocks that were accepted once and should not have been.</summary>
    [TestMethod]
    [DataRow(1456, DisplayName = "a tile of a coarse size that begins within one")]
    [DataRow(10426, DisplayName = "the same, with changes of rows")]
    public void AKnownDamageIsRefusedOrUsedInBounds(int seed) => Fuzz([seed]);

    [TestMethod]
    public void EveryTruncatedOrExtendedBlockIsRefused()
    {
        foreach (var seed in Seeds.Of(40))
        {
            var (definition, block, _) = Filled(seed);
            Assert.IsNull(definition.Plan.Check(block), $"FEATURESTORE_SEED={seed}");
            var step = Math.Max(1, block.Length / 500);
            for (var length = 0; length <= block.Length + 64; length += length < block.Length - 64 ? step : 1)
            {
                if (length == block.Length)
                    continue;
                var forged = new byte[length];
                block.AsSpan(0, Math.Min(length, block.Length)).CopyTo(forged);
                Refused(definition, forged, seed);
                // Even where the length it says is made to fit.
                if (length >= 8)
                    BitConverter.TryWriteBytes(forged.AsSpan(4), length);
                Refused(definition, forged, seed);
            }
        }

        static void Refused(RandomDefinition definition, byte[] forged, int seed) =>
            Assert.IsFalse(string.IsNullOrWhiteSpace(definition.Plan.Check(forged)), $"FEATURESTORE_SEED={seed}, {forged.Length} bytes");
    }

    [TestMethod]
    public void RandomBytesAreRefused()
    {
        var random = new Random(1);
        var (definition, block, _) = Filled(4);
        for (var round = 0; round < 10_000; round++)
        {
            var bytes = new byte[random.Next(2 * block.Length)];
            random.NextBytes(bytes);
            Assert.IsNotNull(definition.Plan.Check(bytes));
        }
    }

    [TestMethod]
    [DataRow(0, "does not begin as a block of this version")]
    [DataRow(4, "bytes and says")]
    [DataRow(8, "has another layout than the definitions")]
    [DataRow(24, "has an impossible key length")]
    [DataRow(28, "has an impossible key length")]
    public void TheRefusalSaysWhatIsWrong(int offset, string problem)
    {
        var (definition, block, _) = Filled(4);
        block[offset] ^= 0x40;
        StringAssert.Contains(definition.Plan.Check(block), problem);
    }

    private static (RandomDefinition Definition, byte[] Block, List<TestEvent> Events) Filled(int seed)
    {
        var definition = new RandomDefinition(seed);
        var block = new EngineBlock(definition.Plan);
        var events = new RandomStream(definition, 0).Disordered();
        events.ForEach(block.Apply);
        return (definition, block.Bytes.ToArray(), events);
    }

    private static void Fuzz(int mutationsMax) => Fuzz(Seeds.Of(mutationsMax / MutationsPerBlock));

    private static void Fuzz(IEnumerable<int> seeds)
    {
        var mutations = 0;
        var accepted = 0;
        Parallel.ForEach(seeds, seed =>
        {
            var random = new Random(seed);
            var (definition, block, events) = Filled(seed);
            if (events.Count == 0)
                events.Add(new TestEvent(definition.Features[0].Source, definition.StartMs));
            for (var mutation = 0; mutation < MutationsPerBlock; mutation++)
            {
                var damaged = block.ToArray();
                Damage(random, damaged);
                Interlocked.Increment(ref mutations);
                var name = $"FEATURESTORE_SEED={seed}, mutation {mutation}";
                var use = random.Next();
                for (var tries = 1; ; tries++)
                {
                    try
                    {
                        // What lies around the block is different: whoever looks at it says something different.
                        var first = Use(definition, damaged, events, new Random(use), 0);
                        Assert.AreEqual(first, Use(definition, damaged, events, new Random(use), 0x5a));
                        if (first is not null)
                            Interlocked.Increment(ref accepted);
                        break;
                    }
                    catch (TimeoutException) when (tries < CallTriesMax)
                    {
                    }
                    catch (Exception exception)
                    {
                        throw new AssertFailedException($"{name}: {exception.Message}{Environment.NewLine}{definition}", exception);
                    }
                }
            }
        });
        Console.WriteLine($"{mutations} mutations, {accepted} accepted");
        // Most damage is to values, which may be anything.
        Assert.IsTrue(Seeds.IsOne || (accepted > mutations / 20 && accepted < mutations), $"{mutations} mutations, {accepted} accepted");
    }

    private static void Damage(Random random, byte[] block)
    {
        if (random.Next(20) == 0)
        {
            // The header is right, so that the check has to look at all the rest.
            random.NextBytes(block.AsSpan(40 + random.Next(block.Length - 40)));
            return;
        }

        for (var change = random.Next(1, 4); change > 0; change--)
        {
            // Heads of state come first.
            var reach = random.Next(2) == 0 ? block.Length : Math.Min(block.Length, 512);
            switch (random.Next(4))
            {
                case 0:
                    block[random.Next(reach)] ^= (byte)(1 << random.Next(8));
                    break;
                case 1:
                    BitConverter.TryWriteBytes(block.AsSpan(random.Next(reach / 4) * 4), (int)_nastyWords[random.Next(_nastyWords.Length)]);
                    break;
                case 2:
                    BitConverter.TryWriteBytes(block.AsSpan(random.Next(reach / 8) * 8), random.Next(2) == 0 ? random.NextInt64() : _nastyWords[random.Next(_nastyWords.Length)]);
                    break;
                default:
                    var at = random.Next(reach / 4) * 4;
                    BitConverter.TryWriteBytes(block.AsSpan(at), BitConverter.ToInt32(block, at) + random.Next(-3, 4));
                    break;
            }
        }
    }

    /// <summary>Does with a block all that a runtime may; null where it is refused, else all that was seen.</summary>
    private static string? Use(RandomDefinition definition, byte[] damaged, List<TestEvent> events, Random random, byte around)
    {
        var plan = definition.Plan;
        var room = new Room(damaged.Length, around);
        damaged.CopyTo(room.Block);
        var seen = new System.Text.StringBuilder();
        if (plan.Check(room.Block) is { } problem)
        {
            Assert.IsFalse(string.IsNullOrWhiteSpace(problem));
            Migrate(definition, damaged, 0, seen);
            return null;
        }

        var batch = TestEvent.NewBatch();
        var last = events[^1];
        var newestMs = events.Max(e => e.TimeMs);
        TestEvent[] changes = [last with { TimeMs = newestMs + random.Next(100) }, events[random.Next(events.Count)], last with { TimeMs = random.NextInt64() >> random.Next(64) }];
        foreach (var change in changes)
        {
            See(plan, room.Block, change.TimeMs, seen);
            See(plan, room.Block, random.Next(2) == 0 ? random.NextInt64(long.MinValue, long.MaxValue) : newestMs + random.Next(1000) * definition.UnitMs, seen);
            batch.Clear();
            var row = batch.Row(change.AddTo(batch));
            var isRetraction = random.Next(3) == 0 && definition.Sources[change.Source].Envelope == EventEnvelope.Debezium && plan.CanRetract(room.Block, change.Source, change.TimeMs);
            for (var attempt = 0; ; attempt++)
            {
                var start = Stopwatch.GetTimestamp();
                var wanted = isRetraction ? plan.Retract(room.Block, change.Source, row, change.TimeMs) : plan.Apply(room.Block, change.Source, row, change.TimeMs);
                InTime(start, isRetraction ? "Retract" : "Apply");
                room.Check();
                if (wanted == 0)
                    break;
                Assert.IsTrue(attempt < 20 && wanted is > 0 and < 50_000_000 && wanted % 8 == 0, $"The plan asks for {wanted} bytes when the block has {room.Block.Length}, time {attempt}.");
                var resized = new Room(wanted, around);
                plan.Resize(room.Block, resized.Block);
                resized.Check();
                room = resized;
            }

            // What it made of the block is a block.
            Assert.IsNull(plan.Check(room.Block), isRetraction ? "Retract" : "Apply");
        }

        See(plan, room.Block, newestMs, seen);
        Migrate(definition, damaged, newestMs, seen);
        return seen.ToString();
    }

    /// <summary>The damaged block under other definitions is a block, or is refused.</summary>
    private static void Migrate(RandomDefinition definition, byte[] damaged, long newestMs, System.Text.StringBuilder seen)
    {
        try
        {
            var migrated = new EngineBlock(definition.Grown.Value, PlanFixture.Migrate(definition.Grown.Value, definition.Plan.Layout, damaged));
            Assert.IsNull(definition.Grown.Value.Check(migrated.Bytes), "Migrate");
            See(definition.Grown.Value, migrated.Bytes, newestMs, seen);
        }
        catch (InvalidDataException exception)
        {
            seen.Append(exception.Message);
        }
    }

    private static void See(EntityPlan plan, ReadOnlySpan<byte> block, long asOfMs, System.Text.StringBuilder seen)
    {
        var start = Stopwatch.GetTimestamp();
        var values = new double[plan.Features.Count];
        plan.Read(block, asOfMs, [.. Enumerable.Range(0, values.Length)], values);
        Assert.IsFalse(values.Any(double.IsInfinity));
        foreach (var value in values)
            seen.Append(BitConverter.DoubleToInt64Bits(double.IsNaN(value) ? double.NaN : value)).Append(' ');
        for (var feature = 0; feature < values.Length; feature++)
            seen.Append(EngineBlock.Json(plan, block, asOfMs, feature).GetRawText()).Append(' ').Append(plan.NewestMs(block, feature));
        seen.Append(plan.Overflowed(block)).Append(EntityPlan.Key(block).Length).Append(EntityPlan.Sequence(block));
        InTime(start, "Reading");
    }

    private static void InTime(long start, string what)
    {
        if (Stopwatch.GetElapsedTime(start) > _callMax)
            throw new TimeoutException($"{what} takes long.");
    }

    /// <summary>A block, aligned as in a runtime, with bytes around it that must stay as they are.</summary>
    private sealed class Room
    {
        private const int WordsAround = 64;

        private readonly long[] _words;
        private readonly byte _around;

        public Room(int length, byte around)
        {
            _around = around;
            Length = length;
            _words = new long[2 * WordsAround + length / 8];
            MemoryMarshal.AsBytes(_words.AsSpan()).Fill(around);
            Block.Clear();
        }

        public Span<byte> Block => MemoryMarshal.AsBytes(_words.AsSpan()).Slice(8 * WordsAround, Length);

        private int Length { get; }

        public void Check()
        {
            var bytes = MemoryMarshal.AsBytes(_words.AsSpan());
            Assert.IsTrue(!bytes[..(8 * WordsAround)].ContainsAnyExcept(_around) && !bytes[(8 * WordsAround + Length)..].ContainsAnyExcept(_around), "A byte outside the block was written.");
        }
    }
}
