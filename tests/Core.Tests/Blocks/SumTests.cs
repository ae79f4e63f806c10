using System.Numerics;
using FeatureStore.Core.Blocks;
using FeatureStore.Core.Tests.Plans;

namespace FeatureStore.Core.Tests.Blocks;

[TestClass]
public sealed class SumTests
{
    [TestMethod]
    public void ASumMayPassWhatAFixedPointHolds()
    {
        // 2^43 · 2^64 · 3,000,000 is more than 2^127.
        var largest = Math.BitDecrement(FixedPoint.MagnitudeMax);
        var sum = new State();
        for (var i = 0; i < 3_000_000; i++)
            sum.Add(largest);
        Assert.AreEqual(3e6 * largest, sum.Sum, 1e-12 * 3e6 * largest);
        for (var i = 0; i < 3_000_000; i++)
            sum.Add(-largest);
        sum.Add(0.25);
        Assert.AreEqual(0.25, sum.Sum, 1e-12 * 6e6 * largest);
    }

    [TestMethod]
    public void NothingIsLeftOfWhatWentInAndOut()
    {
        var sum = new State();
        foreach (var value in new[] { 1e300, 0.1, double.Epsilon, -1e300, 12.34, double.MaxValue, 1e-300, -double.MaxValue })
            sum.Add(value);
        Assert.AreEqual(12.44, sum.Sum, 1e-15);
    }

    [TestMethod]
    public void ASumOverflowsOnlyWhereItsTrueValueDoes()
    {
        var sum = new State();
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
            var sum = new State();
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

    private sealed class State
    {
        private InputSum _sum;

        public double Sum => _sum.Total;

        public void Add(double value) => _sum.Add(value);
    }
}
