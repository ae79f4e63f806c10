using System.Numerics;
using System.Text;
using FeatureStore.Core.Blocks.Sketches;

namespace FeatureStore.Core.Tests.Blocks.Sketches;

[TestClass]
public sealed class StableHashTests
{
    /// <summary>Blocks keep these numbers; whoever changes the hash loses what they count.</summary>
    [TestMethod]
    public void TheHashIsWhatItAlwaysWas()
    {
        var actual = new StringBuilder();
        foreach (var number in new[] { 0UL, 1UL, 596UL, ulong.MaxValue })
            actual.Append($"{StableHash.Of(number):x16} {StableHash.Of128(number):x32}\n");
        foreach (var text in new string[] { "", "a", "ab", "abc", "abcd", "héllo", "12345678", "123456789", "1234567890123456", "12345678901234567", new string('x', 100) })
            actual.Append($"{StableHash.Of(Encoding.UTF8.GetBytes(text)):x16} {StableHash.Of128(Encoding.UTF8.GetBytes(text)):x32}\n");
        Assert.AreEqual(
            """
            121ed621dbe3e644 02d111439cdfca7a121ed621dbe3e644
            623b41447a8b8989 7e102d6d173dd2c9623b41447a8b8989
            dedf5f92390119e7 e2431fdd583ecbb9dedf5f92390119e7
            e639cbecc954393c ef5c386e7877c5a2e639cbecc954393c
            121ed621dbe3e644 02d111439cdfca7a121ed621dbe3e644
            7b6c4cc522bb21a0 c612ce51cc186b3c7b6c4cc522bb21a0
            898a6f1dc7fb355d 2ce38d976cc0d69c898a6f1dc7fb355d
            05e1db1438db7bd3 b5281196604d5a6605e1db1438db7bd3
            8206792d516fb55a e5189bc5ade040298206792d516fb55a
            1d13dc3cd21dcd8e 4151946bdc13286b1d13dc3cd21dcd8e
            4a5b76efcfb7457f 57c6933953764ecd4a5b76efcfb7457f
            c217cb20d69262d1 b44cea6296608d2fc217cb20d69262d1
            7c7e69549b9f7db7 bfa986a7700f26a57c7e69549b9f7db7
            49e470e2a939212b 554089793a1aa48949e470e2a939212b
            2aa0dcf400a4c629 7ee17500cbe75b2e2aa0dcf400a4c629
            """.ReplaceLineEndings("\n") + "\n", actual.ToString());
    }

    /// <summary>Each bit of the input turns each bit of the hash in half of the cases, also for small numbers.</summary>
    [TestMethod]
    [DataRow(false)]
    [DataRow(true)]
    public void EveryBitDependsOnEveryBit(bool areSmall)
    {
        const int Samples = 8_000;
        var random = new Random(7);
        Avalanche(64, 192, Samples, areSmall ? 1.0 : 0, (turned, sample) =>
        {
            var number = areSmall ? (ulong)sample : (ulong)random.NextInt64(long.MinValue, long.MaxValue);
            return Bits(Hashes(number), Hashes(turned < 0 ? number : number ^ 1UL << turned));
        });

        static (UInt128, ulong) Hashes(ulong number) => (StableHash.Of128(number), StableHash.Of(number));
    }

    [TestMethod]
    [DataRow(3)]
    [DataRow(7)]
    [DataRow(8)]
    [DataRow(15)]
    [DataRow(16)]
    [DataRow(17)]
    [DataRow(30)]
    public void EveryBitDependsOnEveryByte(int length)
    {
        const int Samples = 2_000;
        var random = new Random(7);
        var bytes = new byte[length];
        Avalanche(8 * length, 192, Samples, 0, (turned, _) =>
        {
            random.NextBytes(bytes);
            var before = (StableHash.Of128(bytes), StableHash.Of(bytes));
            bytes[turned / 8] ^= (byte)(1 << turned % 8);
            return Bits(before, (StableHash.Of128(bytes), StableHash.Of(bytes)));
        });
    }

    private static (UInt128, ulong) Bits((UInt128 Long, ulong Short) left, (UInt128 Long, ulong Short) right) => (left.Long ^ right.Long, left.Short ^ right.Short);

    private static void Avalanche(int inputBits, int outputBits, int samples, double extra, Func<int, int, (UInt128 Long, ulong Short)> difference)
    {
        var worst = 0.0;
        for (var bit = 0; bit < inputBits; bit++)
        {
            var turned = new int[outputBits];
            for (var sample = 0; sample < samples; sample++)
            {
                var (wide, narrow) = difference(bit, sample);
                var (low, high) = ((ulong)wide, (ulong)(wide >> 64));
                for (var i = 0; i < 64; i++)
                {
                    turned[i] += (int)(low >> i & 1);
                    turned[64 + i] += (int)(high >> i & 1);
                    turned[128 + i] += (int)(narrow >> i & 1);
                }
            }

            worst = Math.Max(worst, turned.Max(count => Math.Abs(2.0 * count / samples - 1)));
        }

        // Of so many counts the greatest is about 5 standard deviations of 1/√samples away by chance.
        Console.WriteLine($"worst bias {worst:P2}");
        Assert.IsLessThan((6 + extra) / Math.Sqrt(samples), worst);
    }

    /// <summary>In the upper and in the lower half of the hash, as many are equal as chance makes.</summary>
    [TestMethod]
    public void StructuredInputsCollideNoMoreThanChance()
    {
        const int Count = 1 << 18;
        var texts = new Func<int, byte[]>[]
        {
            i => Encoding.UTF8.GetBytes($"{i}"),
            i => Encoding.UTF8.GetBytes($"customer-{i:d12}"),
            i => Encoding.UTF8.GetBytes($"{i:d20}-{i:d20}"),
            i => BitConverter.GetBytes((long)i << 40),
            i => [.. BitConverter.GetBytes((long)i), .. new byte[8], .. BitConverter.GetBytes((long)-i)],
            i => new byte[i % 4096],
        };
        foreach (var text in texts)
        {
            byte[][] inputs = [.. Enumerable.Range(0, Count).Select(text).DistinctBy(Convert.ToHexString)];
            Expect(inputs.Select(bytes => StableHash.Of(bytes)));
            Expect(inputs.Select(bytes => (ulong)StableHash.Of128(bytes)));
            Expect(inputs.Select(bytes => (ulong)(StableHash.Of128(bytes) >> 64)));
        }

        foreach (var number in new Func<int, ulong>[] { i => (ulong)i, i => (ulong)i << 20, i => (ulong)i << 46, i => (ulong)-i, i => BitConverter.DoubleToUInt64Bits(i), i => BitOperations.RotateLeft((ulong)i, 50) })
        {
            Expect(Enumerable.Range(0, Count).Select(i => StableHash.Of(number(i))));
            Expect(Enumerable.Range(0, Count).Select(i => (ulong)(StableHash.Of128(number(i)) >> 64)));
        }

        static void Expect(IEnumerable<ulong> hashes)
        {
            ulong[] all = [.. hashes];
            Assert.HasCount(all.Length, all.Distinct());
            foreach (var part in new Func<ulong, uint>[] { hash => (uint)hash, hash => (uint)(hash >> 32) })
            {
                // n²/2³³ pairs on average; a Poisson number.
                var expected = Math.Pow(all.Length, 2) / Math.Pow(2, 33);
                var collisions = all.Length - all.Select(part).Distinct().Count();
                Assert.IsLessThan(expected + 6 * Math.Sqrt(expected) + 6, collisions);
                if (expected > 4)
                    Assert.IsGreaterThan(expected - 6 * Math.Sqrt(expected) - 6, collisions);
            }
        }
    }

    [TestMethod]
    public void TextsThatOnlyDifferByLengthDiffer()
    {
        var bytes = new byte[200];
        Assert.HasCount(201, Enumerable.Range(0, 201).Select(length => StableHash.Of128(bytes.AsSpan(0, length))).Distinct());
    }
}
