using FeatureStore.Core.Blocks.Sketches;
using FeatureStore.Core.Tests.Plans;

namespace FeatureStore.Core.Tests.Blocks.Sketches;

[TestClass]
public sealed class DistinctCountsTests : SketchContract<DistinctCountsTests, UInt128>
{
    private const int Distinct = 100;

    private static readonly bool[] _both = [false, true];

    private protected override IEnumerable<ISketch> Sketches =>
        from wide in _both from counted in _both from limit in new[] { Distinct, 1000 } select new DistinctCounts(wide, counted, limit);

    private protected override bool TryAdd(ISketch sketch, Span<byte> state, UInt128 input) => ((DistinctCounts)sketch).TryAdd(state, input);

    /// <summary>Zero among them, and such as differ in one half alone.</summary>
    private protected override IEnumerable<UInt128> Inputs(ISketch sketch, Random random)
    {
        for (var i = 0; i < 400; i++)
            yield return Value(random.Next(Distinct));
    }

    private static UInt128 Value(int i) => i < 20 ? (UInt128)i : i < 40 ? (UInt128)(ulong.MaxValue - (ulong)i) : StableHash.Of128((ulong)i);

    private protected override double[] Results(ISketch sketch, ReadOnlySpan<byte> state) => [DistinctCounts.Count(state), DistinctCounts.IsTruncated(state) ? 1 : 0];

    private protected override void Use(ISketch sketch, Span<byte> state, UInt128 input)
    {
        var counts = (DistinctCounts)sketch;
        if (counts.TryRemove(state, input))
            counts.TryAdd(state, input);
        for (var i = 0; i < 100 && counts.TryRemove(state, input); i++)
        {
        }
    }

    private static SketchState<DistinctCounts> StateOf(DistinctCounts sketch, IEnumerable<UInt128> values) =>
        new SketchState<DistinctCounts>(sketch).AddAll(static (sketch, state, value) => sketch.TryAdd(state, value), values);

    [TestMethod]
    public void TheNumberIsExact()
    {
        foreach (DistinctCounts sketch in Sketches)
        {
            foreach (var seed in Seeds.Of(10))
            {
                var state = new SketchState<DistinctCounts>(sketch);
                var seen = new HashSet<UInt128>();
                foreach (var value in Inputs(sketch, new Random(seed)))
                {
                    state.Add(static (sketch, state, value) => sketch.TryAdd(state, value), value);
                    seen.Add(value);
                    Assert.AreEqual(seen.Count, DistinctCounts.Count(state.Bytes));
                }

                Assert.IsFalse(DistinctCounts.IsTruncated(state.Bytes));
            }
        }
    }

    /// <summary>A random run of additions and removals, next to a dictionary.</summary>
    [TestMethod]
    public void RemovalUndoes()
    {
        foreach (var sketch in Sketches.Cast<DistinctCounts>().Where(sketch => sketch.TryRemove(StateOf(sketch, [7]).Bytes, 7)))
        {
            foreach (var seed in Seeds.Of(10))
            {
                var random = new Random(seed);
                var state = new SketchState<DistinctCounts>(sketch);
                var counts = new Dictionary<UInt128, int>();
                for (var i = 0; i < 1000; i++)
                {
                    var value = Value(random.Next(Distinct));
                    var count = counts.GetValueOrDefault(value);
                    if (random.Next(2) == 0)
                    {
                        state.Add(static (sketch, state, value) => sketch.TryAdd(state, value), value);
                        counts[value] = count + 1;
                    }
                    else
                    {
                        Assert.AreEqual(count > 0, sketch.TryRemove(state.Bytes, value));
                        state.CheckGuards();
                        counts[value] = Math.Max(0, count - 1);
                    }

                    Assert.AreEqual(counts.Values.Count(left => left > 0), DistinctCounts.Count(state.Bytes), $"FEATURESTORE_SEED={seed}");
                }

                Assert.IsNull(sketch.Check(state.Bytes));
                var rest = counts.SelectMany(pair => Enumerable.Repeat(pair.Key, pair.Value));
                CollectionAssert.AreEqual(StateOf(sketch, rest).Full().Bytes.ToArray(), state.Full().Bytes.ToArray(), $"FEATURESTORE_SEED={seed}");
            }
        }
    }

    [TestMethod]
    public void WithoutCountsNothingIsRemoved()
    {
        var sketch = new DistinctCounts(wide: false, counted: false);
        var state = StateOf(sketch, [1]);
        Assert.IsFalse(sketch.TryRemove(state.Bytes, 1));
        Assert.AreEqual(1, DistinctCounts.Count(state.Bytes));
    }

    [TestMethod]
    public void BeyondTheLimitNothingNewIsTakenIn()
    {
        foreach (var wide in _both)
        {
            foreach (var limit in new[] { 1, 2, 10, 77 })
            {
                var sketch = new DistinctCounts(wide, counted: true, limit);
                IEnumerable<UInt128> values = [.. Enumerable.Range(0, limit).Select(i => (UInt128)(ulong)(i * 2))];
                var state = StateOf(sketch, values);
                Assert.AreEqual((limit, false), (DistinctCounts.Count(state.Bytes), DistinctCounts.IsTruncated(state.Bytes)));
                state = StateOf(sketch, [.. values, .. values]);
                Assert.IsFalse(DistinctCounts.IsTruncated(state.Bytes));
                Assert.AreEqual(sketch.SizeMax, state.Bytes.Length);

                var before = state.Bytes.ToArray();
                Assert.IsTrue(sketch.TryAdd(state.Bytes, 1));
                Assert.AreEqual((limit, true), (DistinctCounts.Count(state.Bytes), DistinctCounts.IsTruncated(state.Bytes)));
                CollectionAssert.AreEqual(before[8..], state.Bytes[8..].ToArray());
                Assert.IsFalse(sketch.TryRemove(state.Bytes, 1));

                // What was taken in can still go, and makes room; the mark stays.
                Assert.IsTrue(sketch.TryRemove(state.Bytes, 0) && sketch.TryRemove(state.Bytes, 0) && !sketch.TryRemove(state.Bytes, 0));
                Assert.AreEqual((limit - 1, true), (DistinctCounts.Count(state.Bytes), DistinctCounts.IsTruncated(state.Bytes)));
                Assert.IsTrue(sketch.TryAdd(state.Bytes, 1) && sketch.TryRemove(state.Bytes, 1));
            }
        }
    }

    [TestMethod]
    public void AMergeBeyondTheLimitStopsAtIt()
    {
        foreach (var wide in _both)
        {
            foreach (var counted in _both)
            {
                var sketch = new DistinctCounts(wide, counted, 50);
                var left = StateOf(sketch, Enumerable.Range(0, 30).Select(i => (UInt128)(ulong)i));
                var right = StateOf(sketch, Enumerable.Range(25, 40).Select(i => (UInt128)(ulong)i));
                left.Merge(right.Bytes);
                Assert.AreEqual((50, true), (DistinctCounts.Count(left.Bytes), DistinctCounts.IsTruncated(left.Bytes)));
                Assert.IsNull(sketch.Check(left.Bytes));
                // A truncated part makes the whole truncated, even if it would fit.
                var whole = StateOf(sketch, [1]).Merge(left.Bytes);
                Assert.AreEqual((50, true), (DistinctCounts.Count(whole.Bytes), DistinctCounts.IsTruncated(whole.Bytes)));
                if (counted)
                    Assert.IsTrue(sketch.TryRemove(left.Bytes, 27) && sketch.TryRemove(left.Bytes, 27) && !sketch.TryRemove(left.Bytes, 27));
            }
        }
    }

    [TestMethod]
    public void ACountThatIsFullStaysFull()
    {
        var sketch = new DistinctCounts(wide: false, counted: true, 10);
        var state = StateOf(sketch, [5]).Full();
        for (var i = 0; i < 40; i++)
            sketch.Merge(state.Bytes, state.Bytes.ToArray());
        for (var i = 0; i < 10; i++)
            Assert.IsTrue(sketch.TryRemove(state.Bytes, 5));
        Assert.AreEqual(uint.MaxValue, BitConverter.ToUInt32(state.Bytes[(8 + 10 * 8)..]));
        Assert.AreEqual(1, DistinctCounts.Count(state.Bytes));
    }

    [TestMethod]
    public void RealTerminalsOfACustomer()
    {
        var sketch = new DistinctCounts(wide: false, counted: true);
        foreach (var customer in Transactions.Rows.GroupBy(row => row.Customer).Take(500))
        {
            var state = StateOf(sketch, customer.Select(row => (UInt128)(ulong)row.Terminal));
            Assert.AreEqual(customer.Select(row => row.Terminal).Distinct().Count(), DistinctCounts.Count(state.Bytes));
        }

        var all = StateOf(sketch, Transactions.Rows.Select(row => (UInt128)(ulong)row.Terminal));
        Assert.AreEqual((1000, true), (DistinctCounts.Count(all.Bytes), DistinctCounts.IsTruncated(all.Bytes)));
    }

    [TestMethod]
    public void ADamagedStateIsRefusedWithItsReason()
    {
        var sketch = new DistinctCounts(wide: false, counted: true, 10);
        var state = StateOf(sketch, [3, 4]).Full().Bytes.ToArray();
        foreach (var (offset, value, problem) in new (int, byte, string)[]
        {
            (0, 11, "cannot hold 11 values"), (3, 0x80, "cannot hold"), (4, 2, "neither truncated nor complete"), (8, 4, "do not ascend"), (8 + 10 * 8, 0, "has no count"),
        })
        {
            var damaged = state.ToArray();
            damaged[offset] = value;
            StringAssert.Contains(sketch.Check(damaged), problem);
        }
    }

    [TestMethod]
    public void ImpossibleParametersAreRefused()
    {
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => new DistinctCounts(false, false, 0));
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => new DistinctCounts(false, false, DistinctCounts.LimitMax + 1));
    }
}
