using System.Globalization;
using System.Text;
using FeatureStore.Ingest.Predictions;

namespace FeatureStore.Ingest.Tests.Predictions;

[TestClass]
public sealed unsafe class JsonWritingTests
{
    [TestMethod]
    [DataRow(0.0, "0")]
    [DataRow(-0.0, "-0.0")]
    [DataRow(57.16, "57.16")]
    [DataRow(-1.5, "-1.5")]
    [DataRow(0.000001, "0.000001")]
    [DataRow(0.0000001, "1e-7")]
    [DataRow(1.25e-7, "1.25e-7")]
    [DataRow(0.1f, "0.10000000149011612")]
    [DataRow(9007199254740992.0, "9007199254740992")]
    [DataRow(1e15 / 3, "333333333333333.3")]
    [DataRow(123456789012345680000.0, "123456789012345680000")]
    [DataRow(1e21, "1e21")]
    [DataRow(1e22, "1e22")]
    [DataRow(5e-324, "5e-324")]
    [DataRow(double.MaxValue, "1.7976931348623157e308")]
    [DataRow(2.2250738585072014e-308, "2.2250738585072014e-308")]
    [DataRow(double.NaN, "null")]
    [DataRow(double.NegativeInfinity, "null")]
    public void Writes_doubles(double value, string text) => Assert.AreEqual(text, Write(value));

    [TestMethod]
    public void Doubles_read_back_and_are_as_short_as_can_be()
    {
        const int Seed = 20260;
        Console.WriteLine($"seed {Seed}");
        var random = new Random(Seed);
        var bytes = stackalloc byte[JsonWriting.NumberBytesMax];
        Span<byte> shortest = stackalloc byte[32];
        for (var i = 0; i < 1_000_000; i++)
        {
            var value = Shape(random, i % 10);
            if (!double.IsFinite(value))
                continue;
            var length = (int)(JsonWriting.Double(bytes, value) - bytes);
            var text = new ReadOnlySpan<byte>(bytes, length);
            if (!double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var read) || BitConverter.DoubleToInt64Bits(read) != BitConverter.DoubleToInt64Bits(value))
                Assert.Fail($"{value:R} was written as {Encoding.UTF8.GetString(text)}");
            Assert.IsTrue(value.TryFormat(shortest, out var shortestLength, "R", CultureInfo.InvariantCulture));
            if (Digits(text) != Digits(shortest[..shortestLength]))
                Assert.Fail($"{value:R} was written as {Encoding.UTF8.GetString(text)}");
        }
    }

    [TestMethod]
    public void Every_power_of_two_and_its_neighbours_read_back()
    {
        for (var exponent = -1074; exponent < 1024; exponent++)
        {
            var power = Math.ScaleB(1, exponent);
            foreach (var value in new[] { power, Math.BitIncrement(power), Math.BitDecrement(power) })
                Assert.AreEqual(value, double.Parse(Write(value), CultureInfo.InvariantCulture));
        }
    }

    private static double Shape(Random random, int shape) => shape switch
    {
        0 or 1 => BitConverter.Int64BitsToDouble(random.NextInt64(long.MinValue, long.MaxValue)),
        2 => random.NextSingle(),
        3 => Math.Round(random.NextDouble() * 1000, random.Next(8)),
        4 => random.Next(1000) / (double)random.Next(1, 1000),
        5 => random.NextInt64(1L << 54) * (random.Next(2) * 2 - 1),
        6 => Math.ScaleB(random.Next(), random.Next(-1100, 1000)),
        7 => random.NextInt64(1_000_000_000_000_000) / Math.Pow(10, random.Next(20)),
        8 => double.Parse($"{random.NextInt64(100_000)}e{random.Next(-320, 300)}", CultureInfo.InvariantCulture),
        _ => BitConverter.Int64BitsToDouble(random.NextInt64(1L << 53)),
    };

    /// <summary>The digits that count, as one number.</summary>
    private static ulong Digits(ReadOnlySpan<byte> text)
    {
        var digits = 0UL;
        var zeros = 0;
        foreach (var character in text)
        {
            if ((character | 0x20) == 'e')
                break;
            if (!char.IsAsciiDigit((char)character))
                continue;
            if (character == '0')
            {
                zeros++;
                continue;
            }

            for (; digits != 0 && zeros > 0; zeros--)
                digits *= 10;
            zeros = 0;
            digits = digits * 10 + character - '0';
        }

        return digits;
    }

    private static string Write(double value)
    {
        var bytes = stackalloc byte[JsonWriting.NumberBytesMax];
        return Encoding.UTF8.GetString(bytes, (int)(JsonWriting.Double(bytes, value) - bytes));
    }
}
