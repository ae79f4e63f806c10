using FeatureStore.Core.Blocks.Sketches;
using FeatureStore.Core.Tests.Plans;

namespace FeatureStore.Core.Tests.Blocks.Sketches;

/// <summary>What every sketch keeps to, whatever it sums up.</summary>
public abstract class SketchContract<TSketch, TInput>
    where TSketch : class
{
    private const int DamagedStates = 30_000;

    private protected abstract IEnumerable<ISketch> Sketches { get; }

    /// <summary>Whether the state is the same in every order; a merge then equals adding all.</summary>
    private protected virtual bool IsOrderIndependent => true;

    private protected abstract bool TryAdd(ISketch sketch, Span<byte> state, TInput input);

    private protected abstract IEnumerable<TInput> Inputs(ISketch sketch, Random random);

    private protected abstract double[] Results(ISketch sketch, ReadOnlySpan<byte> state);

    /// <summary>Calls every reader and writer but TryAdd, Grow and Merge. Allocates nothing.</summary>
    private protected abstract void Use(ISketch sketch, Span<byte> state, TInput input);

    private SketchState<ISketch> StateOf(ISketch sketch, IEnumerable<TInput> inputs) => new SketchState<ISketch>(sketch).AddAll<TInput>(TryAdd, inputs);

    private static List<int> SizesOf(ISketch sketch)
    {
        List<int> sizes = [sketch.SizeMin];
        while (sizes[^1] < sketch.SizeMax)
            sizes.Add(sketch.SizeNext(sizes[^1]));
        return sizes;
    }

    [TestMethod]
    public void SizesRiseInStepsOfAboutTwo()
    {
        foreach (var sketch in Sketches)
        {
            var sizes = SizesOf(sketch);
            Assert.AreEqual(sketch.SizeMax, sizes[^1]);
            Assert.AreEqual(sketch.SizeMax, sketch.SizeNext(sketch.SizeMax));
            Assert.IsTrue(sizes.All(size => size % 8 == 0));
            foreach (var (size, next) in sizes.Zip(sizes.Skip(1)))
                Assert.IsTrue(next >= 1.25 * size && next <= 2.5 * size, $"{size} to {next}");
        }
    }

    [TestMethod]
    public void ZerosOfEverySizeAreTheEmptyState()
    {
        foreach (var sketch in Sketches)
        {
            var empty = Results(sketch, new byte[sketch.SizeMin]);
            var input = Inputs(sketch, new Random(1)).First();
            var one = Results(sketch, StateOf(sketch, [input]).Bytes);
            foreach (var size in SizesOf(sketch))
            {
                var state = new SketchState<ISketch>(sketch, size);
                Assert.IsNull(sketch.Check(state.Bytes));
                CollectionAssert.AreEqual(empty, Results(sketch, state.Bytes));
                CollectionAssert.AreEqual(new byte[sketch.SizeMax], new SketchState<ISketch>(sketch, sketch.SizeMax).Merge(state.Bytes).Bytes.ToArray());
                Assert.IsTrue(TryAdd(sketch, state.Bytes, input));
                CollectionAssert.AreEqual(one, Results(sketch, state.Bytes));
            }
        }
    }

    [TestMethod]
    public void GrowthKeepsTheResultAndIsAsIfTheStateHadAlwaysBeenLarge()
    {
        foreach (var sketch in Sketches)
        {
            foreach (var seed in Seeds.Of(5))
            {
                var grown = new SketchState<ISketch>(sketch);
                var large = new SketchState<ISketch>(sketch, sketch.SizeMax);
                foreach (var input in Inputs(sketch, new Random(seed)))
                {
                    while (!TryAdd(sketch, grown.Bytes, input))
                    {
                        var results = Results(sketch, grown.Bytes);
                        var size = grown.Bytes.Length;
                        Assert.IsLessThan(sketch.SizeMax, size);
                        foreach (var larger in SizesOf(sketch).Where(larger => larger > size))
                        {
                            var copy = new SketchState<ISketch>(sketch, grown.Bytes);
                            copy.Grow(larger);
                            Assert.IsNull(sketch.Check(copy.Bytes));
                            if (sketch is not HyperLogLog || larger < sketch.SizeMax)
                                CollectionAssert.AreEqual(results, Results(sketch, copy.Bytes), $"FEATURESTORE_SEED={seed}, {size} to {larger}");
                        }

                        grown.Grow(sketch.SizeNext(size));
                    }

                    large.Add<TInput>(TryAdd, input);
                }

                Assert.IsNull(sketch.Check(grown.Bytes));
                CollectionAssert.AreEqual(large.Bytes.ToArray(), grown.Full().Bytes.ToArray(), $"FEATURESTORE_SEED={seed}");
            }
        }
    }

    [TestMethod]
    public void ARefusedValueLeavesTheStateAsItWas()
    {
        foreach (var sketch in Sketches.Where(sketch => sketch.SizeMin < sketch.SizeMax))
        {
            var state = new SketchState<ISketch>(sketch);
            var refused = 0;
            foreach (var input in Inputs(sketch, new Random(1)))
            {
                var before = state.Bytes.ToArray();
                if (TryAdd(sketch, state.Bytes, input))
                    continue;
                refused++;
                CollectionAssert.AreEqual(before, state.Bytes.ToArray());
            }

            Assert.IsGreaterThan(0, refused);
        }
    }

    [TestMethod]
    public void TheStateDoesNotDependOnTheOrder()
    {
        if (!IsOrderIndependent)
            return;
        foreach (var sketch in Sketches)
        {
            foreach (var seed in Seeds.Of(10))
            {
                var random = new Random(seed);
                TInput[] inputs = [.. Inputs(sketch, random)];
                var state = StateOf(sketch, inputs).Bytes.ToArray();
                random.Shuffle(inputs);
                CollectionAssert.AreEqual(state, StateOf(sketch, inputs).Bytes.ToArray(), $"FEATURESTORE_SEED={seed}");
            }
        }
    }

    [TestMethod]
    public void RowsMergedAtOnceAreThoseMergedOneByOne()
    {
        foreach (var sketch in Sketches)
        {
            foreach (var seed in Seeds.Of(20))
            {
                // Rows of one size, some of them empty, in which more lies behind each state; now and then of inputs much like each other.
                var random = new Random(seed);
                var narrow = random.Next(2) == 0 ? Inputs(sketch, random).Take(40).ToArray() : null;
                var parts = Enumerable.Range(0, random.Next(1, 12)).Select(_ => StateOf(sketch, (narrow ?? Inputs(sketch, random)).Take(random.Next(60)))).ToArray();
                var size = parts.Max(part => part.Bytes.Length);
                var stride = size + 8 * random.Next(3);
                var rows = new byte[stride * parts.Length];
                random.NextBytes(rows);
                foreach (var (row, part) in parts.Index())
                {
                    if (part.Bytes.Length < size)
                        part.Grow(size);
                    part.Bytes.CopyTo(rows.AsSpan(row * stride));
                }

                var before = StateOf(sketch, Inputs(sketch, random).Take(random.Next(3) * 20)).Full().Bytes.ToArray();
                var atOnce = new SketchState<ISketch>(sketch, before);
                sketch.MergeRows(atOnce.Bytes, rows, stride, size, parts.Length);
                atOnce.CheckGuards();
                var oneByOne = new SketchState<ISketch>(sketch, before);
                foreach (var part in parts.Reverse())
                    oneByOne.Merge(part.Bytes);
                CollectionAssert.AreEqual(oneByOne.Bytes.ToArray(), atOnce.Bytes.ToArray(), $"FEATURESTORE_SEED={seed}, {parts.Length} rows of {size} bytes");
            }
        }
    }

    [TestMethod]
    public void AMergeOfPartsIsTheStateOfAll()
    {
        if (!IsOrderIndependent)
            return;
        foreach (var sketch in Sketches)
        {
            foreach (var seed in Seeds.Of(20))
            {
                var random = new Random(seed);
                TInput[] inputs = [.. Inputs(sketch, random)];
                var merged = new SketchState<ISketch>(sketch, sketch.SizeMax);
                for (var start = 0; start < inputs.Length;)
                {
                    var end = Math.Min(inputs.Length, start + 1 + random.Next(random.Next(3) == 0 ? inputs.Length : 20));
                    merged.Merge(StateOf(sketch, inputs[start..end]).Bytes);
                    start = end;
                }

                Assert.IsNull(sketch.Check(merged.Bytes));
                CollectionAssert.AreEqual(StateOf(sketch, inputs).Full().Bytes.ToArray(), merged.Bytes.ToArray(), $"FEATURESTORE_SEED={seed}");
            }
        }
    }

    [TestMethod]
    public void NothingAllocates()
    {
        foreach (var sketch in Sketches)
        {
            TInput[] inputs = [.. Inputs(sketch, new Random(1))];
            var buffers = SizesOf(sketch).Select(size => new byte[size]).ToArray();
            var other = StateOf(sketch, inputs).Bytes.ToArray();
            long allocated = 0;
            for (var round = 0; round < 3; round++)
            {
                foreach (var buffer in buffers)
                    buffer.AsSpan().Clear();
                var before = GC.GetAllocatedBytesForCurrentThread();
                var at = 0;
                foreach (var input in inputs)
                {
                    while (!TryAdd(sketch, buffers[at], input))
                    {
                        sketch.Grow(buffers[at], buffers[at + 1]);
                        at++;
                    }
                }

                sketch.Check(buffers[at]);
                if (at < buffers.Length - 1)
                    sketch.Grow(buffers[at], buffers[^1]);
                sketch.Merge(buffers[^1], other);
                Use(sketch, buffers[^1], inputs[0]);
                allocated = GC.GetAllocatedBytesForCurrentThread() - before;
            }

            Assert.AreEqual(0, allocated);
        }
    }

    [TestMethod]
    public void AStateOfAnotherLengthIsRefused()
    {
        foreach (var sketch in Sketches)
        {
            var sizes = SizesOf(sketch);
            for (var length = 0; length < Math.Min(sketch.SizeMax + 100, 5000); length++)
                Assert.AreEqual(sizes.Contains(length), sketch.Check(new byte[length]) is null, $"{length} bytes");
        }
    }

    /// <summary>Bits flipped, words replaced, pieces of random bytes, all of them random: what passes the check can be used, and nothing outside is touched.</summary>
    [TestMethod]
    public void ADamagedStateIsRefusedOrUsedInBounds()
    {
        long[] nastyWords = [0, -1, 1, 2, 7, long.MaxValue, long.MinValue, int.MaxValue, int.MinValue, uint.MaxValue, 1L << 32, 0x7ff8_0000_0000_0000];
        ISketch[] sketches = [.. Sketches];
        var (accepted, refused) = (0, 0);
        foreach (var seed in Seeds.Of(20))
        {
            var random = new Random(seed);
            foreach (var sketch in sketches)
            {
                TInput[] inputs = [.. Inputs(sketch, random)];
                var sound = StateOf(sketch, inputs.Take(random.Next(inputs.Length + 1))).Bytes.ToArray();
                for (var round = 0; round < DamagedStates / 20 / sketches.Length; round++)
                {
                    var state = new SketchState<ISketch>(sketch, sound);
                    Damage(state.Bytes, random, nastyWords);
                    if (sketch.Check(state.Bytes) is { } problem)
                    {
                        Assert.IsNotEmpty(problem);
                        refused++;
                        continue;
                    }

                    accepted++;
                    try
                    {
                        UseAll(sketch, state, inputs, sound, random);
                    }
                    catch (Exception exception) when (exception is not AssertFailedException)
                    {
                        throw new InvalidOperationException($"FEATURESTORE_SEED={seed}, round {round}: {exception.Message}", exception);
                    }
                }
            }
        }

        Console.WriteLine($"{accepted} accepted, {refused} refused");
        Assert.IsGreaterThan(100, accepted);
        Assert.IsGreaterThan(100, refused);
    }

    private static void Damage(Span<byte> state, Random random, long[] nastyWords)
    {
        switch (random.Next(5))
        {
            case 0:
                random.NextBytes(state);
                break;
            case 1:
                // The header stays, so that the rest has to be looked at.
                random.NextBytes(state[Math.Min(8, state.Length)..]);
                break;
            case 2:
                random.NextBytes(state[random.Next(state.Length)..]);
                break;
            case 3:
                BitConverter.TryWriteBytes(state[(random.Next(state.Length / 4 - 1) * 4)..], nastyWords[random.Next(nastyWords.Length)]);
                break;
            default:
                for (var flips = random.Next(1, 4); flips > 0; flips--)
                    state[random.Next(state.Length)] ^= (byte)(1 << random.Next(8));
                break;
        }
    }

    private void UseAll(ISketch sketch, SketchState<ISketch> state, TInput[] inputs, byte[] sound, Random random)
    {
        var damaged = state.Bytes.ToArray();
        Results(sketch, state.Bytes);
        Use(sketch, state.Bytes, inputs[random.Next(inputs.Length)]);
        for (var i = 0; i < 20; i++)
            state.Add<TInput>(TryAdd, inputs[random.Next(inputs.Length)]);
        state.CheckGuards();
        var other = new SketchState<ISketch>(sketch, sound).Merge(damaged);
        Results(sketch, other.Bytes);
        Use(sketch, other.Bytes, inputs[random.Next(inputs.Length)]);
        state.Merge(sound).Merge(damaged).Merge(other.Bytes);
        Results(sketch, state.Bytes);
        Use(sketch, state.Bytes, inputs[random.Next(inputs.Length)]);
        state.CheckGuards();
        other.CheckGuards();
    }
}
