using FeatureStore.Core.Blocks.Sketches;
using FeatureStore.Core.Tests.Plans;

namespace FeatureStore.Core.Tests.Blocks.Sketches;

[TestClass]
public sealed class QuantileSketchTests : SketchContract<QuantileSketchTests, double>
{
    private static readonly double[] _quantiles = [0, 1e-9, 0.001, 0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999, 1];

    private protected override IEnumerable<ISketch> Sketches => [new QuantileSketch(), new QuantileSketch(0.002, 8), new QuantileSketch(0.5, 9), new QuantileSketch(0.02, 1000)];

    private protected override bool TryAdd(ISketch sketch, Span<byte> state, double input) => ((QuantileSketch)sketch).TryAdd(state, input);

    private protected override IEnumerable<double> Inputs(ISketch sketch, Random random)
    {
        var spread = random.Next(1, 300);
        for (var i = 0; i < 400; i++)
        {
            yield return random.Next(8) switch
            {
                0 => 0,
                1 => -0.0,
                2 => random.Next(-5, 5),
                3 => Math.ScaleB(1, random.Next(-1074, 1024)),
                4 => BitConverter.Int64BitsToDouble(random.NextInt64(1, 1L << 52)),
                _ => (random.NextDouble() - 0.5) * Math.Pow(10, random.Next(-spread, spread)),
            };
        }
    }

    private protected override double[] Results(ISketch sketch, ReadOnlySpan<byte> state)
    {
        var results = new List<double> { QuantileSketch.Count(state), ((QuantileSketch)sketch).ErrorOf(state) };
        foreach (var quantile in _quantiles)
        {
            var value = ((QuantileSketch)sketch).Quantile(state, quantile);
            Assert.IsTrue(double.IsFinite(value) || QuantileSketch.Count(state) == 0 && double.IsNaN(value));
            results.Add(value);
        }

        return [.. results];
    }

    private protected override void Use(ISketch sketch, Span<byte> state, double input)
    {
        var quantiles = (QuantileSketch)sketch;
        quantiles.Quantile(state, 0.5);
        quantiles.ErrorOf(state);
        if (quantiles.TryRemove(state, input))
            quantiles.TryAdd(state, input);
        while (quantiles.TryRemove(state, input) && QuantileSketch.Count(state) < 1000)
        {
        }
    }

    private static bool Take(QuantileSketch sketch, Span<byte> state, double value) => sketch.TryAdd(state, value);

    private static SketchState<QuantileSketch> StateOf(QuantileSketch sketch, IEnumerable<double> values) =>
        new SketchState<QuantileSketch>(sketch).AddAll<double>(Take, values);

    private static void CheckQuantiles(SketchState<QuantileSketch> state, IEnumerable<double> values, string name)
    {
        double[] sorted = [.. values];
        Array.Sort(sorted);
        Assert.AreEqual(sorted.Length, QuantileSketch.Count(state.Bytes));
        var error = state.Sketch.ErrorOf(state.Bytes);
        foreach (var quantile in _quantiles)
        {
            var exact = sorted[QuantileSketch.RankOf(quantile, sorted.Length) - 1];
            var value = state.Sketch.Quantile(state.Bytes, quantile);
            // What the logarithm and the exponential round, and half a least double.
            var bound = error * (1 + 1e-9) * Math.Abs(exact) + 1e-12 * Math.Abs(exact) + double.Epsilon;
            Assert.IsTrue(Math.Abs(value - exact) <= bound, $"{name}: quantile {quantile} of {sorted.Length} is {exact:r}, not {value:r}; error {error}");
        }
    }

    private static IEnumerable<(string Name, IEnumerable<double> Values)> Adversaries()
    {
        const int Seed = 11;
        var random = new Random(Seed);
        IEnumerable<int> numbers = Enumerable.Range(0, 5000);
        var gamma = 1.01 / 0.99;
        yield return ("all equal", numbers.Select(_ => 57.16));
        yield return ("all zero", numbers.Select(i => i % 2 == 0 ? 0.0 : -0.0));
        yield return ("sorted", numbers.Select(i => (double)i));
        yield return ("reversed", numbers.Select(i => (double)-i));
        yield return ("geometric", numbers.Select(i => Math.Pow(1.1, i % 700)));
        yield return ("geometric below 1", numbers.Select(i => -Math.Pow(0.9, i % 700)));
        yield return ("alternating signs", numbers.Select(i => (i % 2 == 0 ? 1 : -1) * (i + 0.5)));
        yield return ("powers of two", Enumerable.Range(-1074, 2098).Select(i => Math.ScaleB(1, i)));
        yield return ("powers of two of both signs", Enumerable.Range(-1074, 2098).SelectMany(i => new[] { Math.ScaleB(1, i), -Math.ScaleB(1, i) }));
        yield return ("next to the ends of buckets", numbers.SelectMany(i => new[] { Math.Pow(gamma, i % 200), Math.BitIncrement(Math.Pow(gamma, i % 200)), Math.BitDecrement(Math.Pow(gamma, i % 200)) }));
        yield return ("one bucket", numbers.Select(_ => 1 + random.NextDouble() * (gamma - 1)));
        yield return ("heavy tail", numbers.Select(_ => Math.Pow(1 - random.NextDouble(), -3)));
        yield return ("heavier tail", numbers.Select(_ => Math.Pow(1 - random.NextDouble(), -25)));
        yield return ("least doubles", numbers.Select(i => i * double.Epsilon));
        yield return ("subnormal", numbers.Select(_ => BitConverter.Int64BitsToDouble(random.NextInt64(1L << 52))));
        yield return ("ends", new[] { 1e-300, 1e300, -1e300, -1e-300, double.MaxValue, double.MinValue, double.Epsilon, -double.Epsilon, 0, 2.2250738585072014e-308 });
        yield return ("any bits", numbers.Select(_ => BitConverter.Int64BitsToDouble(random.NextInt64(long.MinValue, long.MaxValue))).Where(double.IsFinite));
    }

    [TestMethod]
    public void AnswersAreWithinTheStatedError()
    {
        foreach (QuantileSketch sketch in Sketches)
        {
            foreach (var (name, values) in Adversaries())
            {
                double[] all = [.. values];
                var state = StateOf(sketch, all);
                CheckQuantiles(state, all, name);
                // So that errors stated at a high level are not the reason why all is well.
                if (name is "all equal" or "all zero" or "one bucket")
                    Assert.AreEqual(sketch.ErrorOf(new byte[sketch.SizeMin]), sketch.ErrorOf(state.Bytes), name);
            }
        }
    }

    [TestMethod]
    public void OneBucketsOneValueHasTheBestError()
    {
        var sketch = new QuantileSketch();
        Assert.AreEqual(0.01, sketch.ErrorOf(new byte[sketch.SizeMin]), 1e-15);
        foreach (var seed in Seeds.Of(2000))
        {
            var random = new Random(seed);
            var value = BitConverter.Int64BitsToDouble(random.NextInt64());
            if (!double.IsFinite(value))
                continue;
            var state = StateOf(sketch, [value]);
            Assert.AreEqual(value, sketch.Quantile(state.Bytes, 0.5), 0.01 * value + double.Epsilon, $"FEATURESTORE_SEED={seed}");
        }
    }

    /// <summary>The level is the least at which the values fit: as many collapses as the definition needs, and an error that follows from it.</summary>
    [TestMethod]
    public void ThereAreNoMoreCollapsesThanMust()
    {
        foreach (QuantileSketch sketch in Sketches)
        {
            foreach (var (name, values) in Adversaries())
            {
                double[] all = [.. values];
                var state = StateOf(sketch, all).Bytes;
                var level = BitConverter.ToInt32(state);
                var alpha = sketch.ErrorOf(new byte[sketch.SizeMin]);
                var logGamma = Math.Log((1 + alpha) / (1 - alpha));
                for (var i = 0; i < level; i++)
                    alpha = 2 * alpha / (1 + alpha * alpha);
                Assert.AreEqual(alpha, sketch.ErrorOf(state), 1e-12, name);
                if (level == 0)
                    continue;
                // One level below, there are too many buckets. Values at a bucket's end may fall to either side.
                var buckets = all.Select(value => (Math.Sign(value), value == 0 ? 0 : Math.Ceiling(Math.Log(Math.Abs(value)) / logGamma / (1 << (level - 1))))).Distinct().Count();
                Assert.IsGreaterThan((sketch.SizeMax - 8) / 8, buckets + (name.StartsWith("next", StringComparison.Ordinal) ? 200 : 0), $"{name}, level {level}");
            }
        }
    }

    [TestMethod]
    public void RemovalUndoes()
    {
        var sketch = new QuantileSketch();
        foreach (var seed in Seeds.Of(30))
        {
            var random = new Random(seed);
            double[] stay = [.. Enumerable.Range(0, 300).Select(_ => Math.Exp(2 * random.NextDouble()) * random.Next(-1, 2))];
            double[] go = [.. Enumerable.Range(0, 300).Select(_ => Math.Exp(2 * random.NextDouble()) * random.Next(-1, 2))];
            var state = StateOf(sketch, stay.Concat(go));
            random.Shuffle(go);
            foreach (var value in go)
                Assert.IsTrue(sketch.TryRemove(state.Bytes, value));
            state.CheckGuards();
            Assert.AreEqual(0, BitConverter.ToInt32(state.Bytes), "All values fit at level 0.");
            CollectionAssert.AreEqual(StateOf(sketch, stay).Full().Bytes.ToArray(), state.Full().Bytes.ToArray(), $"FEATURESTORE_SEED={seed}");
            Assert.IsFalse(sketch.TryRemove(state.Bytes, 1e100));
        }
    }

    [TestMethod]
    public void RemovalAfterCollapsesLeavesTheOthersWithinTheError()
    {
        foreach (QuantileSketch sketch in Sketches)
        {
            foreach (var seed in Seeds.Of(20))
            {
                var random = new Random(seed);
                double[] values = [.. Inputs(sketch, random)];
                random.Shuffle(values);
                var half = values.Length / 2;
                var state = StateOf(sketch, values);
                foreach (var value in values[..half])
                    Assert.IsTrue(sketch.TryRemove(state.Bytes, value));
                Assert.IsNull(sketch.Check(state.Bytes));
                CheckQuantiles(state, values[half..], $"FEATURESTORE_SEED={seed}");
                foreach (var value in values[half..])
                    Assert.IsTrue(sketch.TryRemove(state.Bytes, value));
                Assert.IsTrue(double.IsNaN(sketch.Quantile(state.Bytes, 0.5)));
                Assert.IsFalse(sketch.TryRemove(state.Bytes, values[0]));
                Assert.IsTrue(state.Bytes[4..].IndexOfAnyExcept((byte)0) < 0, "Nothing but the level is left.");
            }
        }
    }

    [TestMethod]
    public void ARemovalOfWhatIsNotThereChangesNothing()
    {
        var sketch = new QuantileSketch();
        var state = StateOf(sketch, [1, 2, 3, -5]);
        var before = state.Bytes.ToArray();
        foreach (var value in new[] { 0, 5, -1, 1e300, double.Epsilon, 1.5 })
            Assert.IsFalse(sketch.TryRemove(state.Bytes, value));
        CollectionAssert.AreEqual(before, state.Bytes.ToArray());
    }

    [TestMethod]
    [DataRow(0.5, 0, 1)]
    [DataRow(0.0, 10, 1)]
    [DataRow(1.0, 10, 10)]
    [DataRow(0.5, 10, 5)]
    [DataRow(0.51, 10, 6)]
    [DataRow(0.07, 100, 7)]
    [DataRow(0.29, 100, 29)]
    [DataRow(0.95, 20, 19)]
    [DataRow(0.999, 1000, 999)]
    [DataRow(1.0, 1L << 60, 1L << 60)]
    public void TheRankIsTheNearest(double quantile, long count, long rank) => Assert.AreEqual(rank, QuantileSketch.RankOf(quantile, count), Math.Max(0, rank >> 50));

    [TestMethod]
    public void CountsStayAtTheirGreatest()
    {
        var sketch = new QuantileSketch();
        var state = StateOf(sketch, [1, 2]).Full();
        for (var i = 0; i < 60; i++)
            sketch.Merge(state.Bytes, state.Bytes.ToArray());
        var count = QuantileSketch.Count(state.Bytes);
        Assert.AreEqual(2 * ((1L << 44) - 1), count);
        Assert.IsTrue(sketch.TryAdd(state.Bytes, 1) && sketch.TryRemove(state.Bytes, 1));
        Assert.AreEqual(count, QuantileSketch.Count(state.Bytes));
        Assert.IsNull(sketch.Check(state.Bytes));
    }

    [TestMethod]
    public void RealAmountsAreWithinTheError()
    {
        var sketch = new QuantileSketch();
        double[] amounts = [.. Transactions.Rows.Select(row => row.Amount)];
        var state = StateOf(sketch, amounts);
        CheckQuantiles(state, amounts, "amounts");
        Console.WriteLine($"{state.Bytes.Length} bytes, error {sketch.ErrorOf(state.Bytes)}");
        // A level more than none: from 0 cents to 20,000 is a range of 10⁶, and of 0.02 each that is 690 buckets.
        Assert.IsLessThan(0.05, sketch.ErrorOf(state.Bytes));

        foreach (var customer in Transactions.Rows.GroupBy(row => row.Customer).Take(500))
        {
            double[] values = [.. customer.Select(row => row.Amount)];
            CheckQuantiles(StateOf(sketch, values), values, $"customer {customer.Key}");
        }
    }

    [TestMethod]
    public void TheLogarithmIsTheNaturalOne()
    {
        var random = new Random(1);
        for (var i = 0; i < 200_000; i++)
        {
            var value = BitConverter.Int64BitsToDouble(random.NextInt64(1, 0x7ff0_0000_0000_0000));
            var log = Math.Log(value);
            Assert.AreEqual(log, StableLog.Of(value), 4e-16 * Math.Abs(log) + 3e-16);
        }

        Assert.AreEqual(0.0, StableLog.Of(1));
        // The buckets of blocks depend on it.
        Assert.AreEqual(0x4002_6bb1_bbb5_5515, BitConverter.DoubleToInt64Bits(StableLog.Of(10)));
        Assert.AreEqual(0x3f94_7b0e_059d_057d, BitConverter.DoubleToInt64Bits(StableLog.Of(1.01 / 0.99)));
    }

    [TestMethod]
    public void ADamagedStateIsRefusedWithItsReason()
    {
        var sketch = new QuantileSketch();
        var state = StateOf(sketch, [1e10, 1e20]).Bytes.ToArray();
        foreach (var (offset, value, problem) in new (int, ulong, string)[]
        {
            (0, 19 | 2UL << 32, "has no level 19"), (0, 2UL << 32 | 1UL << 31, "has no level -2147483648"), (0, 4UL << 32, "cannot hold 4 buckets"), (0, 255UL << 56, "cannot hold"),
            // At the last level such buckets could be too many, and no collapse would make room.
            (0, 18 | 2UL << 32, "level 18 of a quantile sketch has no bucket"),
            (8, BitConverter.ToUInt64(state, 16), "do not ascend"), (8, BitConverter.ToUInt64(state, 8) & ~((1UL << 44) - 1), "is empty"),
        })
        {
            var damaged = state.ToArray();
            BitConverter.TryWriteBytes(damaged.AsSpan(offset), value);
            StringAssert.Contains(sketch.Check(damaged), problem);
        }
    }

    [TestMethod]
    public void ImpossibleParametersAreRefused()
    {
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => new QuantileSketch(0.001));
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => new QuantileSketch(double.NaN));
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => new QuantileSketch(0.01, 7));
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => new QuantileSketch(0.01, 4097));
    }
}
