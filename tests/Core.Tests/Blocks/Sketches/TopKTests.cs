using System.Text;
using FeatureStore.Core.Blocks.Sketches;
using FeatureStore.Core.Tests.Plans;

namespace FeatureStore.Core.Tests.Blocks.Sketches;

[TestClass]
public sealed class TopKTests : SketchContract<TopKTests, long>
{
    private protected override IEnumerable<ISketch> Sketches =>
    [
        new TopK(5, TopKKey.Int64), new TopK(5, TopKKey.Double), new TopK(5, TopKKey.Text), new TopK(1, TopKKey.Int64, 1), new TopK(2, TopKKey.Text, 3), new TopK(40, TopKKey.Int64, 333),
    ];

    private protected override bool IsOrderIndependent => false;

    private protected override bool TryAdd(ISketch sketch, Span<byte> state, long input) => Take((TopK)sketch, state, input);

    /// <summary>Some keys come often; most come once.</summary>
    private protected override IEnumerable<long> Inputs(ISketch sketch, Random random)
    {
        for (var i = 0; i < 500; i++)
            yield return random.Next(2) == 0 ? random.Next(8) : random.Next(-1000, 1000);
    }

    private protected override double[] Results(ISketch sketch, ReadOnlySpan<byte> state)
    {
        var top = (TopK)sketch;
        return [top.ErrorMax(state), .. Read(top, state).SelectMany(entry => new double[] { entry.Key.GetHashCode(StringComparison.Ordinal), entry.Count, entry.Error })];
    }

    private protected override void Use(ISketch sketch, Span<byte> state, long input)
    {
        var top = (TopK)sketch;
        Span<int> places = stackalloc int[40];
        foreach (var place in places[..top.Top(state, places)])
            _ = top.CountOf(state, place) + top.ErrorOf(state, place) + top.KeyOf(state, place).Length + (long)top.NumberOf(state, place);
        top.ErrorMax(state);
    }

    private static bool Take(TopK sketch, Span<byte> state, long key)
    {
        if (sketch.CellBytes == 8)
            return sketch.TryAdd(state, (ulong)key);
        Span<byte> text = stackalloc byte[20];
        Span<byte> cell = stackalloc byte[64];
        key.TryFormat(text, out var length, provider: System.Globalization.CultureInfo.InvariantCulture);
        TopK.WriteCell(text[..length], cell);
        return sketch.TryAdd(state, cell);
    }

    private static SketchState<TopK> StateOf(TopK sketch, IEnumerable<long> keys) => new SketchState<TopK>(sketch).AddAll<long>(Take, keys);

    private static List<(string Key, long Count, long Error)> Read(TopK sketch, ReadOnlySpan<byte> state)
    {
        var places = new int[1000];
        var entries = new List<(string, long, long)>();
        foreach (var place in places[..sketch.Top(state, places)])
        {
            var key = sketch.KeyOf(state, place);
            entries.Add((sketch.CellBytes == 64 ? Encoding.UTF8.GetString(key) : BitConverter.ToInt64(key).ToString(System.Globalization.CultureInfo.InvariantCulture),
                sketch.CountOf(state, place), sketch.ErrorOf(state, place)));
        }

        return entries;
    }

    private static Dictionary<string, long> Exact(IEnumerable<long> keys) =>
        keys.CountBy(key => key).ToDictionary(pair => pair.Key.ToString(System.Globalization.CultureInfo.InvariantCulture), pair => (long)pair.Value);

    /// <summary>All that the type promises, of all keys and not only of the first k.</summary>
    private static void CheckBounds(SketchState<TopK> state, int counters, long[] keys, string name)
    {
        var sketch = new TopK(counters, state.Sketch.CellBytes == 8 ? TopKKey.Int64 : TopKKey.Text, counters);
        var exact = Exact(keys);
        var entries = Read(sketch, state.Full().Bytes);
        var errorMax = sketch.ErrorMax(state.Bytes);
        Assert.IsLessThanOrEqualTo(keys.Length / counters, errorMax, name);
        Assert.HasCount(entries.Count, entries.Select(entry => entry.Key).Distinct(), name);
        foreach (var (key, count, error) in entries)
        {
            var number = exact.GetValueOrDefault(key);
            Assert.IsTrue(number <= count && number >= count - error && error <= errorMax, $"{name}: {key} came {number} times, and has {count} with an error of {error} of at most {errorMax}");
            exact.Remove(key);
        }

        foreach (var (key, number) in exact)
            Assert.IsLessThanOrEqualTo(errorMax, number, $"{name}: {key}");
        if (entries.Count < counters)
            Assert.IsEmpty(exact);
        Assert.IsNull(state.Sketch.Check(state.Bytes));
    }

    private static IEnumerable<(string Name, long[] Keys)> Adversaries()
    {
        const int Seed = 5;
        var random = new Random(Seed);
        IEnumerable<int> numbers = Enumerable.Range(0, 4000);
        yield return ("all equal", [.. numbers.Select(_ => 7L)]);
        yield return ("all different", [.. numbers.Select(i => (long)i)]);
        yield return ("round and round, one more than fit", [.. numbers.Select(i => (long)(i % 41))]);
        yield return ("sorted", [.. numbers.Select(i => (long)(i / 10))]);
        yield return ("few, then many once", [.. numbers.Select(i => i < 1000 ? i % 5 : (long)i)]);
        yield return ("many once, then few", [.. numbers.Select(i => i < 3000 ? i : (long)(i % 5 - 10))]);
        yield return ("alternating", [.. numbers.Select(i => i % 2 == 0 ? 0 : (long)i)]);
        yield return ("powers of two", [.. numbers.Select(i => (long)System.Numerics.BitOperations.TrailingZeroCount(i + 1))]);
        yield return ("Zipf", [.. numbers.Select(_ => (long)(1 / (1 - random.NextDouble())))]);
        yield return ("evenly random", [.. numbers.Select(_ => random.NextInt64(200))]);
    }

    [TestMethod]
    public void CountsAreWithinTheirErrors()
    {
        foreach (var (kind, counters) in new[] { (TopKKey.Int64, 40), (TopKKey.Text, 40), (TopKKey.Int64, 1), (TopKKey.Text, 7) })
        {
            foreach (var (name, keys) in Adversaries())
                CheckBounds(StateOf(new TopK(1, kind, counters), keys), counters, keys, $"{name}, {counters} counters");
        }
    }

    /// <summary>Parts of all lengths, merged one after the other or as a tree; added to after the merge.</summary>
    [TestMethod]
    public void TheBoundsHoldAfterMerges()
    {
        foreach (var counters in new[] { 40, 7, 1 })
        {
            var sketch = new TopK(1, TopKKey.Int64, counters);
            foreach (var (name, keys) in Adversaries())
            {
                foreach (var seed in Seeds.Of(10))
                {
                    var random = new Random(seed);
                    var parts = new List<long[]>();
                    for (var start = 0; start < keys.Length;)
                    {
                        var end = Math.Min(keys.Length, start + 1 + random.Next(random.Next(2) == 0 ? 1000 : 50));
                        parts.Add(keys[start..end]);
                        start = end;
                    }

                    List<SketchState<TopK>> states = [.. parts.Select(part => StateOf(sketch, part))];
                    while (states.Count > 1)
                    {
                        var (left, right) = seed % 2 == 0 ? (0, 1) : (random.Next(states.Count - 1), states.Count - 1);
                        states[left].Merge(states[right].Bytes);
                        states.RemoveAt(right);
                    }

                    CheckBounds(states[0], counters, keys, $"{name}, {counters} counters, FEATURESTORE_SEED={seed}");
                    states[0].AddAll<long>(Take, keys.Take(500));
                    CheckBounds(states[0], counters, [.. keys, .. keys.Take(500)], $"{name}, {counters} counters, FEATURESTORE_SEED={seed}, added");
                }
            }
        }
    }

    [TestMethod]
    public void AllIsExactWhileTheKeysFit()
    {
        foreach (var kind in new[] { TopKKey.Int64, TopKKey.Text })
        {
            var sketch = new TopK(3, kind);
            foreach (var seed in Seeds.Of(20))
            {
                var random = new Random(seed);
                long[] keys = [.. Enumerable.Range(0, 300).Select(_ => (long)random.Next(-16, 16) * random.Next(2))];
                var expected = Exact(keys).OrderByDescending(pair => pair.Value).ThenBy(pair => kind is TopKKey.Int64 ? pair.Key.PadLeft(4, '+') : "", Comparer<string>.Create(Compare))
                    .ThenBy(pair => pair.Key, StringComparer.Ordinal).Take(3).Select(pair => (pair.Key, pair.Value, 0L)).ToList();
                CollectionAssert.AreEqual(expected, Read(sketch, StateOf(sketch, keys).Bytes), $"FEATURESTORE_SEED={seed}");
                CollectionAssert.AreEqual(expected, Read(sketch, StateOf(sketch, keys[..100]).Merge(StateOf(sketch, keys[100..]).Bytes).Bytes), $"FEATURESTORE_SEED={seed}");
                random.Shuffle(keys);
                CollectionAssert.AreEqual(expected, Read(sketch, StateOf(sketch, keys).Bytes), $"FEATURESTORE_SEED={seed}");
            }
        }

        static int Compare(string? left, string? right) => left is "" or null || right is "" or null ? 0
            : long.Parse(left.Trim('+'), System.Globalization.CultureInfo.InvariantCulture).CompareTo(long.Parse(right.Trim('+'), System.Globalization.CultureInfo.InvariantCulture));
    }

    [TestMethod]
    public void EqualCountsAreOrderedByKey()
    {
        var numbers = new TopK(4, TopKKey.Int64);
        CollectionAssert.AreEqual(new[] { "-5", "-1", "0", "3" }, Read(numbers, StateOf(numbers, [3, -1, 7, -5, 0]).Bytes).ConvertAll(entry => entry.Key));

        var doubles = new TopK(5, TopKKey.Double);
        double[] values = [2.5, -0.0, -1e300, 0.0, -2, 1e-300];
        var state = StateOf(doubles, values.Select(BitConverter.DoubleToInt64Bits));
        var places = new int[5];
        var count = doubles.Top(state.Bytes, places);
        var ordered = new List<double>();
        foreach (var place in places[..count])
            ordered.Add(BitConverter.UInt64BitsToDouble(doubles.NumberOf(state.Bytes, place)));
        CollectionAssert.AreEqual(new[] { 0, -1e300, -2, 1e-300, 2.5 }, ordered);

        var texts = new TopK(6, TopKKey.Text);
        var textState = new SketchState<TopK>(texts).AddAll(static (sketch, state, text) =>
        {
            var cell = new byte[64];
            TopK.WriteCell(Encoding.UTF8.GetBytes(text), cell);
            return sketch.TryAdd(state, cell);
        }, new[] { "b", "", "ab", "é", "a", "B" });
        CollectionAssert.AreEqual(new[] { "", "B", "a", "ab", "b", "é" }, Read(texts, textState.Bytes).ConvertAll(entry => entry.Key));
    }

    [TestMethod]
    public void OfEqualLeastCountersTheOneAtTheLowestPlaceGoes()
    {
        var sketch = new TopK(3, TopKKey.Int64, 3);
        var state = StateOf(sketch, [10, 20, 20, 30, 40]);
        CollectionAssert.AreEqual(new[] { ("20", 2L, 0L), ("40", 2L, 1L), ("30", 1L, 0L) }, Read(sketch, state.Bytes));
        Assert.AreEqual(1, sketch.ErrorMax(state.Bytes));
    }

    [TestMethod]
    public void NoMoreThanAskedForIsGiven()
    {
        var sketch = new TopK(3, TopKKey.Int64);
        var state = StateOf(sketch, [1, 1, 2, 2, 2, 3, 4]).Bytes;
        var places = new int[10];
        Assert.AreEqual(3, sketch.Top(state, places));
        Assert.AreEqual(1, sketch.Top(state, places.AsSpan(0, 1)));
        Assert.AreEqual(2UL, sketch.NumberOf(state, places[0]));
        Assert.AreEqual(0, sketch.Top(state, default));
    }

    [TestMethod]
    [DataRow("", "")]
    [DataRow("abc", "abc")]
    [DataRow("123456789012345678901234567890123456789012345678901234567890123", "123456789012345678901234567890123456789012345678901234567890123")]
    [DataRow("1234567890123456789012345678901234567890123456789012345678901234", "123456789012345678901234567890123456789012345678901234567890123")]
    [DataRow("12345678901234567890123456789012345678901234567890123456789012é", "12345678901234567890123456789012345678901234567890123456789012")]
    [DataRow("123456789012345678901234567890123456789012345678901234567890😀", "123456789012345678901234567890123456789012345678901234567890")]
    [DataRow("1234567890123456789012345678901234567890123456789012345678é€", "1234567890123456789012345678901234567890123456789012345678é€")]
    public void ALongTextIsCutAfterACharacter(string text, string key)
    {
        var cell = new byte[64];
        cell.AsSpan().Fill(0xff);
        TopK.WriteCell(Encoding.UTF8.GetBytes(text), cell);
        Assert.AreEqual(key, Encoding.UTF8.GetString(cell.AsSpan(1, cell[0])));
        Assert.IsTrue(cell.AsSpan(1 + cell[0]).IndexOfAnyExcept((byte)0) < 0);
    }

    [TestMethod]
    public void RealTerminals()
    {
        long[] amounts = [.. Transactions.Rows.Select(row => (long)row.Amount)];
        var sketch = new TopK(10, TopKKey.Int64);
        var state = StateOf(sketch, amounts);
        CheckBounds(state, 80, amounts, "amounts");
        Console.WriteLine($"{amounts.Length} amounts, {amounts.Distinct().Count()} different, error at most {sketch.ErrorMax(state.Bytes)}");

        foreach (var customer in Transactions.Rows.GroupBy(row => row.Customer).Take(300))
        {
            long[] terminals = [.. customer.Select(row => row.Terminal)];
            var half = terminals.Length / 2;
            CheckBounds(StateOf(sketch, terminals[..half]).Merge(StateOf(sketch, terminals[half..]).Bytes), 80, terminals, $"customer {customer.Key}");
        }
    }

    [TestMethod]
    public void ADamagedTextIsRefused()
    {
        var sketch = new TopK(5, TopKKey.Text);
        var state = StateOf(sketch, [1, 2, 3]).Full().Bytes.ToArray();
        var cells = 8 + 3 * 8 * 40;
        foreach (var (offset, value, problem) in new (int, byte, string)[]
        {
            (0, 41, "cannot hold 41 counters"), (4, 1, "left a key out while it had room"), (cells, 64, "is no text"), (cells + 1, 0xff, "is no text"),
            (8 + 8 * 40, 0, "cannot be at 0 with an error of 0"), (8 + 16 * 40, 1, "cannot be at 1 with an error of 1"),
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
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => new TopK(0, TopKKey.Int64));
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => new TopK(5, TopKKey.Int64, 4));
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => new TopK(5, TopKKey.Int64, 8193));
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => new TopK(8193, TopKKey.Int64));
    }
}
