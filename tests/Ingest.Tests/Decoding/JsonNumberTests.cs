using System.Globalization;
using System.Numerics;
using System.Text;
using FeatureStore.Ingest.Decoding;

namespace FeatureStore.Ingest.Tests.Decoding;

[TestClass]
public sealed unsafe class JsonNumberTests
{
    [TestMethod]
    public void Doubles_are_bit_equal_to_the_frameworks()
    {
        const int Seed = 754;
        Console.WriteLine($"seed {Seed}");
        var random = new Random(Seed);
        var fast = 0;
        Span<byte> text = stackalloc byte[1100];
        for (var i = 0; i < 1_000_000; i++)
        {
            var length = Write(random, i % 10, text);
            var expected = double.Parse(text[..length], NumberStyles.Float, CultureInfo.InvariantCulture);
            fixed (byte* start = text)
            {
                Assert.IsTrue(JsonNumber.Scan(start, start + length, out var number) == start + length);
                var fits = number.TryGetDouble(text[..length], out var value);
                if (fits != double.IsFinite(expected) || (fits && BitConverter.DoubleToInt64Bits(value) != BitConverter.DoubleToInt64Bits(expected)))
                    Assert.Fail($"{Encoding.UTF8.GetString(text[..length])} reads as {value:R}");
                fast += number is { IsCut: false, Mantissa: <= 1UL << 53, Exponent: >= -22 and <= 22 } ? 1 : 0;
            }
        }

        Assert.IsInRange(100_000, 900_000, fast, "Both paths are meant to be tried.");
    }

    [TestMethod]
    public void Integers_are_those_of_exact_arithmetic()
    {
        const int Seed = 64;
        Console.WriteLine($"seed {Seed}");
        var random = new Random(Seed);
        var whole = 0;
        Span<byte> text = stackalloc byte[64];
        for (var i = 0; i < 200_000; i++)
        {
            var length = Integer(random, text);
            var expected = Exact(Encoding.UTF8.GetString(text[..length]));
            fixed (byte* start = text)
            {
                Assert.IsTrue(JsonNumber.Scan(start, start + length, out var number) == start + length);
                var fits = number.TryGetInt64(out var value, out _);
                Assert.AreEqual(expected, fits ? value : null, Encoding.UTF8.GetString(text[..length]));
                whole += fits ? 1 : 0;
            }
        }

        Assert.IsInRange(20_000, 180_000, whole);
    }

    private static int Write(Random random, int shape, Span<byte> text)
    {
        var length = 0;
        var bits = BitConverter.Int64BitsToDouble(random.NextInt64(long.MinValue, long.MaxValue));
        switch (shape)
        {
            case 0 when double.IsFinite(bits):
                bits.TryFormat(text, out length, "R", CultureInfo.InvariantCulture);
                return length;
            case 1 when double.IsFinite(bits):
                bits.TryFormat(text, out length, "E20", CultureInfo.InvariantCulture);
                return length;
            case 2:
                (random.NextDouble() * 1000).TryFormat(text, out length, random.Next(2) == 0 ? "F2" : "F15", CultureInfo.InvariantCulture);
                return length;
            case 3:
                // Exactly half way between two doubles, or a digit beside it.
                return HalfWay(random, text);
            default:
                if (random.Next(2) == 0)
                    text[length++] = (byte)'-';
                length += Digits(random, text[length..], random.Next(1, shape == 4 ? 30 : 12));
                if (random.Next(4) > 0)
                {
                    text[length++] = (byte)'.';
                    for (var digits = random.Next(1, shape == 5 ? 900 : 12); digits > 0; digits--)
                        text[length++] = (byte)('0' + (random.Next(3) > 0 ? random.Next(10) : 0));
                }

                return random.Next(3) > 0 ? length : length + Exponent(random, text[length..], shape == 6 ? 400 : 30);
        }
    }

    private static int HalfWay(Random random, Span<byte> text)
    {
        var mantissa = (BigInteger)(random.NextInt64(1L << 52, 1L << 53) * 2 + 1);
        var exponent = random.Next(-70, 70);
        var digits = exponent >= 0 ? mantissa << exponent : mantissa * BigInteger.Pow(5, -exponent);
        digits += random.Next(-1, 2);
        return Encoding.UTF8.GetBytes(exponent >= 0 ? $"{digits}" : $"{digits}e{exponent}", text);
    }

    private static int Integer(Random random, Span<byte> text)
    {
        string[] edges = ["9223372036854775807", "9223372036854775808", "9223372036854775809", "18446744073709551616", "0", "1", "100"];
        var length = random.Next(2);
        text[0] = (byte)'-';
        length += random.Next(3) == 0 ? Encoding.UTF8.GetBytes(edges[random.Next(edges.Length)], text[length..]) : Digits(random, text[length..], random.Next(1, 22));
        if (random.Next(2) == 0)
        {
            text[length++] = (byte)'.';
            for (var digits = random.Next(1, 22); digits > 0; digits--)
                text[length++] = (byte)('0' + (random.Next(12) == 0 ? random.Next(10) : 0));
        }

        return random.Next(2) == 0 ? length : length + Exponent(random, text[length..], 24);
    }

    private static int Digits(Random random, Span<byte> text, int count)
    {
        for (var i = 0; i < count; i++)
            text[i] = (byte)('0' + (random.Next(4) > 0 ? random.Next(10) : 0));
        return text[0] == '0' ? 1 : count;
    }

    private static int Exponent(Random random, Span<byte> text, int exponentMax)
    {
        string[] marks = ["e", "E", "e+", "E-", "e-0", "e+00"];
        return Encoding.UTF8.GetBytes($"{marks[random.Next(marks.Length)]}{random.Next(exponentMax)}", text);
    }

    /// <summary>The value of a JSON number where it is an int64.</summary>
    internal static long? Exact(string text)
    {
        var parts = text.ToLowerInvariant().Split('e');
        var point = parts[0].IndexOf('.', StringComparison.Ordinal);
        var mantissa = BigInteger.Parse(parts[0].Replace(".", "", StringComparison.Ordinal), CultureInfo.InvariantCulture);
        if (mantissa.IsZero)
            return 0;
        var exponent = (parts.Length > 1 ? BigInteger.Parse(parts[1], CultureInfo.InvariantCulture) : 0) - (point < 0 ? 0 : parts[0].Length - point - 1);
        if (BigInteger.Abs(exponent) > 5000)
            return null;
        var power = BigInteger.Pow(10, (int)BigInteger.Abs(exponent));
        if (exponent.Sign < 0 && !(mantissa % power).IsZero)
            return null;
        var value = exponent.Sign < 0 ? mantissa / power : mantissa * power;
        return value < long.MinValue || value > long.MaxValue ? null : (long)value;
    }
}
