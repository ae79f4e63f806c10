using FeatureStore.Core.Blocks.Sketches;

namespace FeatureStore.Core.Tests.Blocks.Sketches;

[TestClass]
public sealed class HyperLogLogTests : SketchContract<HyperLogLogTests, ulong>
{
    private static readonly int[] _precisions = [.. Enumerable.Range(HyperLogLog.PrecisionMin, HyperLogLog.PrecisionMax - HyperLogLog.PrecisionMin + 1)];

    private protected override IEnumerable<ISketch> Sketches => new[] { 4, 5, 6, 9, 11, 14 }.Select(precision => new HyperLogLog(precision));

    private protected override bool TryAdd(ISketch sketch, Span<byte> state, ulong input) => ((HyperLogLog)sketch).TryAdd(state, input);

    /// <summary>Hashes of all shapes, also those that look the same from the front.</summary>
    private protected override IEnumerable<ulong> Inputs(ISketch sketch, Random random)
    {
        for (var i = 0; i < 1000; i++)
        {
            yield return (i % 10) switch
            {
                0 => 0UL,
                1 => 1UL << random.Next(64),
                2 => ulong.MaxValue << random.Next(64),
                3 => ulong.MaxValue >> random.Next(64),
                4 => (ulong)random.Next(4) << 38 | 1UL << random.Next(38),
                _ => (ulong)random.NextInt64(long.MinValue, long.MaxValue),
            };
        }
    }

    private protected override double[] Results(ISketch sketch, ReadOnlySpan<byte> state)
    {
        var estimate = ((HyperLogLog)sketch).Estimate(state);
        Assert.IsTrue(double.IsFinite(estimate) && estimate >= 0);
        return [estimate];
    }

    private protected override void Use(ISketch sketch, Span<byte> state, ulong input) => ((HyperLogLog)sketch).Estimate(state);

    private static SketchState<HyperLogLog> StateOf(HyperLogLog sketch, IEnumerable<ulong> hashes) =>
        new SketchState<HyperLogLog>(sketch).AddAll(static (sketch, state, hash) => sketch.TryAdd(state, hash), hashes);

    [TestMethod]
    public void RegistersAreThoseOfTheDefinition()
    {
        foreach (var precision in _precisions)
        {
            var sketch = new HyperLogLog(precision);
            ulong[] hashes = [.. Inputs(sketch, new Random(precision))];
            var registers = new int[1 << precision];
            foreach (var hash in hashes)
            {
                var rank = 1;
                while (rank <= 64 - precision && (hash >> (64 - precision - rank) & 1) == 0)
                    rank++;
                ref var register = ref registers[hash >> (64 - precision)];
                register = Math.Max(register, rank);
            }

            // By way of the small sizes, so also what they keep is right.
            var state = StateOf(sketch, hashes).Full().Bytes;
            for (var i = 0; i < registers.Length; i++)
            {
                var bit = 6 * i;
                var value = (state[bit / 8] | (bit / 8 + 1 < state.Length ? state[bit / 8 + 1] << 8 : 0)) >> bit % 8 & 63;
                Assert.AreEqual(registers[i], value, $"precision {precision}, register {i}");
            }
        }
    }

    [TestMethod]
    public void SmallNumbersAreExact()
    {
        var sketch = new HyperLogLog();
        var state = new SketchState<HyperLogLog>(sketch);
        for (var n = 1; n <= 255; n++)
        {
            for (var repeat = 0; repeat < 3; repeat++)
                state.Add(static (sketch, state, hash) => sketch.TryAdd(state, hash), StableHash.Of((ulong)n));
            Assert.AreEqual(n, sketch.Estimate(state.Bytes));
        }

        Assert.IsLessThan(sketch.SizeMax, state.Bytes.Length);
    }

    /// <summary>
    /// Root mean square error and bias over many sets, at numbers below, in and above the range where plain estimators are biased. The bounds leave room
    /// for the chance of so many sets: the error of an error of 200 sets is 5 %, that of a bias is 7 % of the standard error.
    /// </summary>
    [TestMethod]
    public void TheErrorIsTheStatedOneAtEverySize()
    {
        const int Sets = 200;
        foreach (var precision in new[] { 4, 8, 11 })
        {
            var sketch = new HyperLogLog(precision);
            var registers = 1 << precision;
            int[] sizes = [registers / 4, registers / 2, registers, 2 * registers, 3 * registers, 5 * registers, 10 * registers, 30 * registers];
            var (squares, sums) = (new double[sizes.Length], new double[sizes.Length]);
            for (var set = 0; set < Sets; set++)
            {
                var state = new byte[sketch.SizeMax];
                var number = 0;
                for (var i = 0; i < sizes.Length; i++)
                {
                    // Neighbouring numbers: the hash has to do the mixing.
                    for (; number < sizes[i]; number++)
                        sketch.TryAdd(state, StableHash.Of(((ulong)set << 32) + (ulong)number));
                    var error = sketch.Estimate(state) / sizes[i] - 1;
                    squares[i] += error * error;
                    sums[i] += error;
                }
            }

            for (var i = 0; i < sizes.Length; i++)
            {
                var (rms, bias) = (Math.Sqrt(squares[i] / Sets), sums[i] / Sets);
                Console.WriteLine($"precision {precision}, {sizes[i]} values: error {rms:P2}, bias {bias:P2}, stated {sketch.StandardError:P2}");
                // With 16 registers, the bias and whole numbers count, too.
                var slack = precision == 4 ? 1.35 : 1.2;
                Assert.IsLessThan(slack * sketch.StandardError, rms, $"precision {precision}, {sizes[i]} values");
                Assert.IsLessThan(1.1 / registers + 0.3 * sketch.StandardError, Math.Abs(bias), $"precision {precision}, {sizes[i]} values");
            }
        }
    }

    /// <summary>Up to 2⁵⁰ values, made by setting the registers as so many values would.</summary>
    [TestMethod]
    [DataRow(1e6)]
    [DataRow(1e9)]
    [DataRow(1e12)]
    [DataRow(1e15)]
    public void HugeNumbersAreWithinTheError(double values)
    {
        const int Seed = 3;
        var random = new Random(Seed);
        var sketch = new HyperLogLog();
        var (sum, rounds) = (0.0, 20);
        for (var round = 0; round < rounds; round++)
        {
            var state = new byte[sketch.SizeMax];
            var perRegister = values / 2048;
            for (var register = 0UL; register < 2048; register++)
            {
                // The greatest rank of n values is at most r with probability (1 − 2⁻ʳ)ⁿ.
                var u = random.NextDouble();
                var rank = 1;
                while (rank < 54 && Math.Exp(perRegister * Math.Log(1 - Math.ScaleB(1, -rank))) < u)
                    rank++;
                sketch.TryAdd(state, register << 53 | (rank == 54 ? 0 : 1UL << (53 - rank)));
            }

            var error = sketch.Estimate(state) / values - 1;
            Assert.IsLessThan(5 * sketch.StandardError, Math.Abs(error));
            sum += error;
        }

        Assert.IsLessThan(sketch.StandardError, Math.Abs(sum / rounds));
    }

    [TestMethod]
    public void RealKeysAreWithinTheError()
    {
        var sketch = new HyperLogLog();
        var rows = Transactions.Rows;
        foreach (var keys in new[] { rows.Select(row => row.Customer), rows.Select(row => row.Terminal), rows.Select(row => BitConverter.DoubleToInt64Bits(row.Amount)) })
        {
            var state = StateOf(sketch, keys.Select(key => StableHash.Of((ulong)key)));
            var distinct = keys.Distinct().Count();
            Console.WriteLine($"{distinct}: {sketch.Estimate(state.Bytes)}");
            Assert.AreEqual(distinct, sketch.Estimate(state.Bytes), 3 * sketch.StandardError * distinct);
        }
    }

    [TestMethod]
    public void ValuesThatAllLandInOneRegisterCrashNothing()
    {
        var sketch = new HyperLogLog();
        var state = StateOf(sketch, Enumerable.Range(0, 10_000).Select(i => (ulong)i));
        // The bound of what a chosen input can do: one register of all.
        Assert.IsLessThan(10.0, sketch.Estimate(state.Full().Bytes));
    }

    [TestMethod]
    public void RegistersThatNoHashCanReachCountAsTheGreatest()
    {
        var sketch = new HyperLogLog();
        var state = new byte[sketch.SizeMax];
        state.AsSpan().Fill(0xff);
        Assert.IsNull(sketch.Check(state));
        Assert.AreEqual(Math.Pow(2, 64), sketch.Estimate(state));
    }

    [TestMethod]
    public void ADamagedSmallStateIsRefused()
    {
        var sketch = new HyperLogLog();
        var state = StateOf(sketch, [1UL << 40, 1UL << 50]).Bytes.ToArray();
        var crowded = state.ToArray();
        crowded[0] = 8;
        StringAssert.Contains(sketch.Check(crowded), "of 32 bytes cannot hold 8 entries");
        state.AsSpan(8, 4).CopyTo(state.AsSpan(4));
        StringAssert.Contains(sketch.Check(state), "do not ascend");
        StringAssert.Contains(sketch.Check(new byte[40]), "precision 11 never has 40 bytes");
    }

    [TestMethod]
    public void AnImpossiblePrecisionIsRefused()
    {
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => new HyperLogLog(3));
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => new HyperLogLog(15));
    }
}
