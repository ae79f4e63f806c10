using System.Diagnostics;
using System.Runtime.InteropServices;
using FeatureStore.Core.Plans;

namespace FeatureStore.Core.Tests.Plans;

/// <summary>Blocks from outside may be anything: what the check accepts is read, and written on, without an exception and without a look outside.</summary>
[TestClass]
public sealed class BlockCheckTests
{
    private const int Mutations = 200_000;
    private const int MutationsPerBlock = 1000;
    private static readonly TimeSpan _timeMax = TimeSpan.FromSeconds(5);

    private static readonly long[] _nastyWords = [0, -1, 1, long.MaxValue, long.MinValue, int.MaxValue, int.MinValue, uint.MaxValue, 1L << 32, 0x7ff8_0000_0000_0000, 0x7fef_ffff_ffff_ffff];

    private static (RandomEntity Entity, byte[] Block, long NewestMs) Filled(int seed)
    {
        var entity = new RandomEntity(new Random(seed));
        var block = new TestBlock(entity.Plan);
        var events = entity.Disordered(entity.SortedStream());
        events.ForEach(block.Apply);
        return (entity, block.Bytes.ToArray(), events.Count == 0 ? 0 : events.Max(e => e.TimeMs));
    }

    [TestMethod]
    public void EveryTruncatedBlockIsRefused()
    {
        foreach (var seed in Seeds.Of(50))
        {
            var (entity, block, _) = Filled(seed);
            Assert.IsNull(entity.Plan.Check(block));
            for (var length = 0; length < block.Length; length++)
            {
                Assert.IsNotNull(entity.Plan.Check(block.AsSpan(0, length)), $"FEATURESTORE_SEED={seed}, {length} of {block.Length} bytes");
                // Even where the length it says is made to fit.
                var forged = block.AsSpan(0, length).ToArray();
                if (length >= 8)
                    BitConverter.TryWriteBytes(forged.AsSpan(4), length);
                Assert.IsNotNull(entity.Plan.Check(forged), $"FEATURESTORE_SEED={seed}, {length} of {block.Length} bytes");
            }

            Assert.IsNotNull(entity.Plan.Check([.. block, 0]));
        }
    }

    [TestMethod]
    public void ADamagedBlockIsRefusedOrReadInBounds()
    {
        var accepted = 0;
        var mutations = Fuzz((random, block) =>
        {
            for (var change = random.Next(1, 4); change > 0; change--)
            {
                if (random.Next(2) == 0)
                    block[random.Next(block.Length)] ^= (byte)(1 << random.Next(8));
                else
                    BitConverter.TryWriteBytes(block.AsSpan(random.Next(block.Length / 4) * 4), random.Next(2) == 0 ? random.NextInt64() : _nastyWords[random.Next(_nastyWords.Length)]);
            }
        }, ref accepted);
        // Most damage is to values, which may be anything.
        Assert.IsGreaterThan(mutations / 10, accepted);
        Assert.IsLessThan(mutations, accepted);
    }

    [TestMethod]
    public void RandomBytesAreRefused()
    {
        var random = new Random(1);
        var (entity, block, _) = Filled(4);
        for (var round = 0; round < 10_000; round++)
        {
            var bytes = new byte[random.Next(2 * block.Length)];
            random.NextBytes(bytes);
            Assert.IsNotNull(entity.Plan.Check(bytes));
        }
    }

    /// <summary>The header and the first words are right, so that the check has to look at all the rest.</summary>
    [TestMethod]
    public void ABlockOfRandomStateIsRefusedOrReadInBounds()
    {
        var accepted = 0;
        Fuzz((random, block) =>
        {
            for (var at = 40 + random.Next(block.Length - 40); at < block.Length; at++)
                block[at] = (byte)random.Next(256);
        }, ref accepted);
        Assert.IsGreaterThan(0, accepted);
    }

    [TestMethod]
    [DataRow(0, "does not begin as a block of this version")]
    [DataRow(4, "bytes and says")]
    [DataRow(8, "has another layout than the definitions")]
    [DataRow(24, "has an impossible key length")]
    [DataRow(28, "has an impossible key length")]
    public void TheRefusalSaysWhatIsWrong(int offset, string problem)
    {
        var (entity, block, _) = Filled(4);
        block[offset] ^= 0x40;
        StringAssert.Contains(entity.Plan.Check(block), problem);
    }

    private static int Fuzz(Action<Random, byte[]> mutate, ref int accepted)
    {
        var start = Stopwatch.GetTimestamp();
        var mutations = 0;
        foreach (var seed in Seeds.Of(Mutations / MutationsPerBlock))
        {
            var random = new Random(seed);
            var (entity, block, newestMs) = Filled(seed);
            // Words after the block that must stay as they are, and a block that is aligned as in a runtime.
            var words = new long[block.Length / 8 + 1];
            var bytes = MemoryMarshal.AsBytes(words.AsSpan())[..block.Length];
            var damaged = new byte[block.Length];
            var @event = new TestEvent(entity.Features[0].Source, newestMs + random.Next(100)) { A = 1, B = 2, C = 3, F = true, S = "s" };
            for (var mutation = 0; mutation < MutationsPerBlock && Stopwatch.GetElapsedTime(start) < _timeMax; mutation++)
            {
                mutations++;
                block.CopyTo(damaged, 0);
                mutate(random, damaged);
                damaged.CopyTo(bytes);
                words[^1] = 0x5a5a;
                try
                {
                    if (entity.Plan.Check(bytes) is not null)
                        continue;
                    accepted++;
                    Use(entity.Plan, bytes, @event, random);
                    Assert.AreEqual(0x5a5a, words[^1]);
                }
                catch (Exception exception) when (exception is not AssertFailedException)
                {
                    throw new InvalidOperationException($"FEATURESTORE_SEED={seed}, mutation {mutation}", exception);
                }
            }
        }

        Console.WriteLine($"{mutations} mutations, {accepted} accepted");
        return mutations;
    }

    private static void Use(EntityPlan plan, Span<byte> block, TestEvent @event, Random random)
    {
        var values = new double[plan.Features.Count];
        int[] features = [.. Enumerable.Range(0, values.Length)];
        foreach (var asOfMs in new[] { @event.TimeMs, random.NextInt64(), 0 })
        {
            plan.Read(block, asOfMs, features, values);
            Assert.IsFalse(values.Any(double.IsInfinity));
        }

        _ = plan.NewestMs(block, 0) + plan.Overflowed(block) + EntityPlan.Key(block).Length + EntityPlan.Sequence(block);
        var batch = TestEvent.NewBatch();
        @event.AddTo(batch);
        if (plan.Apply(block, @event.Source, batch.Row(0), @event.TimeMs) is > 0 and var wanted)
        {
            var resized = MemoryMarshal.AsBytes(new long[wanted / 8].AsSpan());
            plan.Resize(block, resized);
            Assert.AreEqual(0, plan.Apply(resized, @event.Source, batch.Row(0), @event.TimeMs));
            Assert.IsNull(plan.Check(resized));
        }
    }
}
