using System.Runtime.InteropServices;
using FeatureStore.Core.Blocks.Sketches;

namespace FeatureStore.Core.Tests.Blocks.Sketches;

internal delegate bool TryTake<TSketch, TInput>(TSketch sketch, Span<byte> state, TInput input);

/// <summary>A state that grows as it must, between words that must stay as they are.</summary>
internal sealed class SketchState<TSketch>
    where TSketch : ISketch
{
    private const long Guard = 0x5a5a_5a5a_5a5a_5a5a;

    private readonly long[] _words;
    private int _size;

    public SketchState(TSketch sketch, int size = 0)
    {
        Sketch = sketch;
        _words = new long[sketch.SizeMax / 8 + 2];
        _size = size == 0 ? sketch.SizeMin : size;
        PutGuards();
    }

    public SketchState(TSketch sketch, ReadOnlySpan<byte> state)
        : this(sketch, state.Length) => state.CopyTo(Bytes);

    public TSketch Sketch { get; }

    public Span<byte> Bytes => MemoryMarshal.AsBytes(_words.AsSpan(1)).Slice(0, _size);

    public void Add<TInput>(TryTake<TSketch, TInput> tryAdd, TInput input)
    {
        while (!tryAdd(Sketch, Bytes, input))
        {
            if (_size == Sketch.SizeMax)
                Assert.Fail("The greatest state refused a value.");
            Grow(Sketch.SizeNext(_size));
        }

        CheckGuards();
    }

    public SketchState<TSketch> AddAll<TInput>(TryTake<TSketch, TInput> tryAdd, IEnumerable<TInput> inputs)
    {
        foreach (var input in inputs)
            Add(tryAdd, input);
        return this;
    }

    public void Grow(int size)
    {
        var before = Bytes.ToArray();
        _words.AsSpan().Clear();
        _size = size;
        PutGuards();
        Sketch.Grow(before, Bytes);
        CheckGuards();
    }

    public SketchState<TSketch> Full()
    {
        if (_size != Sketch.SizeMax)
            Grow(Sketch.SizeMax);
        return this;
    }

    public SketchState<TSketch> Merge(ReadOnlySpan<byte> from)
    {
        Full();
        Sketch.Merge(Bytes, from);
        CheckGuards();
        return this;
    }

    public void CheckGuards()
    {
        if (_words[0] != Guard || _words[1 + _size / 8] != Guard)
            Assert.Fail("It wrote outside its place.");
    }

    private void PutGuards() => (_words[0], _words[1 + _size / 8]) = (Guard, Guard);
}
