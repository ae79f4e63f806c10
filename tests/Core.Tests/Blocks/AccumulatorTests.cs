using System.Numerics;
using FeatureStore.Core.Blocks;
using FeatureStore.Core.Tests.Plans;

namespace FeatureStore.Core.Tests.Blocks;

[TestClass]
public sealed class AccumulatorTests
{
    private const int Offset = 16;

    [TestMethod]
    public void ASumMayPassWhatAFixedPointHolds()
    {
        // 2^43 · 2^64 · 3,000,000 is more than 2^127.
        var largest = Math.BitDecrement(FixedPoint.MagnitudeMax);
        var sum = new State(AccumulatorKind.Sum);
        for (var i = 0; i < 3_000_000; i++)
            sum.Add(largest);
        Assert.AreEqual(3_000_000, sum.Count);
        Assert.AreEqual(3e6 * largest, sum.Sum, 1e-12 * 3e6 * largest);
        for (var i = 0; i < 3_000_000; i++)
            sum.Add(-largest);
        sum.Add(0.25);
        Assert.AreEqual(0.25, sum.Sum, 1e-12 * 6e6 * largest);
    }

    [TestMethod]
    public void NothingIsLeftOfWhatWentInAndOut()
    {
        var sum = new State(AccumulatorKind.Sum);
        foreach (var value in new[] { 1e300, 0.1, double.Epsilon, -1e300, 12.34, double.MaxValue, 1e-300, -double.MaxValue })
            sum.Add(value);
        Assert.AreEqual(12.44, sum.Sum, 1e-15);
    }

    [TestMethod]
    public void ASumOverflowsOnlyWhereItsTrueValueDoes()
    {
        var sum = new State(AccumulatorKind.Sum);
        for (var i = 0; i < 100; i++)
            sum.Add(double.MaxValue);
        Assert.AreEqual(double.PositiveInfinity, sum.Sum);
        for (var i = 0; i < 99; i++)
            sum.Add(-double.MaxValue);
        Assert.AreEqual(double.MaxValue, sum.Sum);
        sum.Add(-double.MaxValue);
        Assert.AreEqual(0, sum.Sum);
        sum.Add(-double.MaxValue);
        sum.Add(-double.MaxValue);
        Assert.AreEqual(double.NegativeInfinity, sum.Sum);
    }

    [TestMethod]
    public void SumsOfAllMagnitudesAreThoseOfIntegersOfAnySize()
    {
        const int Seed = 5;
        Console.WriteLine($"seed {Seed}");
        var random = new Random(Seed);
        for (var round = 0; round < 500; round++)
        {
            var sum = new State(AccumulatorKind.Sum);
            var (exact, magnitude) = (BigInteger.Zero, BigInteger.Zero);
            var spread = random.Next(1, 300);
            for (var i = 0; i < 100; i++)
            {
                var value = (random.NextDouble() - 0.5) * Math.Pow(10, random.Next(-spread, spread));
                sum.Add(value);
                exact += ExactSum.Of(value);
                magnitude += ExactSum.Of(Math.Abs(value));
                Assert.AreEqual(ExactSum.ToDouble(exact), sum.Sum, 1e-15 * ExactSum.ToDouble(magnitude));
            }
        }
    }

    [TestMethod]
    public void ACompensatedSumKeepsWhatAPlainOneLoses()
    {
        var sum = default(CompensatedSum);
        foreach (var value in new[] { 1, 1e100, 1, -1e100 })
            sum.Add(value);
        Assert.AreEqual(2, sum.Total);

        sum = default;
        for (var i = 0; i < 1_000_000; i++)
            sum.Add(0.1);
        Assert.AreEqual(100_000, sum.Total, 1e-10);

        sum = default;
        sum.Add(double.MaxValue);
        sum.Add(double.MaxValue);
        Assert.AreEqual(double.PositiveInfinity, sum.Total);
    }

    [TestMethod]
    public void NullIsSkippedExceptWhereEventsAreCounted()
    {
        foreach (var kind in Enum.GetValues<AccumulatorKind>())
        {
            var state = new State(kind);
            state.Add(double.NaN);
            if (kind is AccumulatorKind.Events or AccumulatorKind.Sum)
                Assert.AreEqual(kind is AccumulatorKind.Events ? 1 : 0, state.Count);
            else
                Assert.AreEqual(double.NaN, state.Value);
        }
    }

    [TestMethod]
    public void TheLastIsTheNewestAndOfOneTimeTheLatest()
    {
        var last = new State(AccumulatorKind.Last);
        last.Add(1, timeMs: 10);
        last.Add(2, timeMs: 9);
        Assert.AreEqual(1, last.Value);
        last.Add(3, timeMs: 10);
        Assert.AreEqual(3, last.Value);
    }

    /// <summary>An accumulator somewhere in a block, whose neighbours must stay as they are.</summary>
    private sealed class State
    {
        private const byte Guard = 0xa5;

        private readonly Accumulator _accumulator;
        private readonly byte[] _block;
        private readonly int _end;

        public State(AccumulatorKind kind)
        {
            _accumulator = new Accumulator(kind, 8);
            _end = Offset + 8 + Accumulator.SizeOf(kind);
            Assert.AreEqual(0, Accumulator.SizeOf(kind) % 8);
            _block = new byte[_end + 8];
            _block.AsSpan().Fill(Guard);
            _block.AsSpan(Offset + 8, Accumulator.SizeOf(kind)).Clear();
            _accumulator.Initialize(_block, Offset);
        }

        public long Count => _accumulator.Count(_block, Offset);

        public double Sum => _accumulator.Sum(_block, Offset);

        public double Value => _accumulator.Value(_block, Offset);

        public void Add(double value, long timeMs = 0)
        {
            _accumulator.Add(_block, Offset, timeMs, value);
            if (_block[Offset + 7] != Guard || _block[_end] != Guard)
                Assert.Fail("It wrote outside its place.");
        }
    }
}
