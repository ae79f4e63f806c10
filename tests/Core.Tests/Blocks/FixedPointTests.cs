using System.Numerics;
using FeatureStore.Core.Blocks;
using FeatureStore.Core.Tests.Plans;

namespace FeatureStore.Core.Tests.Blocks;

/// <summary>Fixed-point numbers against integers of any size.</summary>
[TestClass]
public sealed class FixedPointTests
{
    private const int Seed = 3;

    [TestMethod]
    public void TakesExactlyTheDoublesItSaysItTakes()
    {
        Console.WriteLine($"seed {Seed}");
        var random = new Random(Seed);
        double[] edges =
        [
            0, -0.0, 1, -1, 0.1, 1L << 43, Math.BitDecrement(1L << 43), Math.ScaleB(1, -64), Math.ScaleB(1, -65), Math.ScaleB(3, -65), Math.ScaleB(3, -64),
            Math.ScaleB(1, -12), Math.BitIncrement(Math.ScaleB(1, -12)), Math.BitIncrement(Math.ScaleB(1, -13)), Math.BitDecrement(Math.ScaleB(1, -12)),
            double.Epsilon, 2.2250738585072014e-308, double.MaxValue, 1e300,
        ];
        var taken = 0;
        for (var round = 0; round < 200_000; round++)
        {
            var value = round < edges.Length ? edges[round] : round < 2 * edges.Length ? -edges[round - edges.Length] : Any(random);
            var fits = FixedPoint.TryFrom(value, out var number);
            Assert.AreEqual(ExactSum.IsFixedPoint(value), fits, $"{value:R}");
            if (!fits)
                continue;
            taken++;
            Assert.AreEqual(ExactSum.Of(value), (BigInteger)number << (1074 - 64), $"{value:R}");
            Assert.AreEqual(value, FixedPoint.ToDouble(number));
        }

        Assert.IsGreaterThan(50_000, taken);
    }

    [TestMethod]
    [DataRow(double.NaN)]
    [DataRow(double.PositiveInfinity)]
    [DataRow(double.NegativeInfinity)]
    public void RefusesWhatIsNoNumber(double value) => Assert.IsFalse(FixedPoint.TryFrom(value, out _));

    [TestMethod]
    public void GivesTheNearestDouble()
    {
        Console.WriteLine($"seed {Seed}");
        var random = new Random(Seed);
        for (var round = 0; round < 200_000; round++)
        {
            // Of every length, and often half-way between two doubles.
            var number = (Int128)new UInt128((ulong)random.NextInt64(), (ulong)random.NextInt64() << 1 | 1) >> random.Next(127);
            if (random.Next(2) == 0 && Int128.LeadingZeroCount(number) is var zeros && zeros < 73)
                number = (number >> (int)(74 - zeros) << 1 | 1) << (int)(73 - zeros);
            if (random.Next(2) == 0)
                number = -number;
            Assert.AreEqual(ExactSum.ToDouble((BigInteger)number << (1074 - 64)), FixedPoint.ToDouble(number), $"{number}");
        }
    }

    [TestMethod]
    public void AMillionOfTheLargestDoNotOverflow()
    {
        Assert.IsTrue(FixedPoint.TryFrom(Math.BitDecrement(FixedPoint.MagnitudeMax), out var largest));
        Assert.IsLessThan((BigInteger)Int128.MaxValue, (BigInteger)largest * Core.Definitions.DefinitionLimits.WindowEventsMax);
    }

    private static double Any(Random random) => random.Next(4) switch
    {
        0 => BitConverter.Int64BitsToDouble(random.NextInt64(0x7ff0L << 48)) * (random.Next(2) * 2 - 1),
        1 => random.Next(-10_000_000, 10_000_000) / 100.0,
        2 => Math.ScaleB(random.NextInt64(1L << random.Next(1, 53)), random.Next(-70, 45)),
        _ => Math.ScaleB(random.NextDouble() - 0.5, random.Next(-20, 50)),
    };
}
