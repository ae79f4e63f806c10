namespace FeatureStore.Core.Blocks.Containers;

/// <summary>Memory of a thread in which states are put together for reading. Grows to what the largest plan needs, and stays.</summary>
internal sealed class Scratch
{
    [ThreadStatic]
    private static Scratch? _ofThread;

    private byte[] _bytes = [];
    private byte[] _transient = [];
    private long[] _folded = [];
    private double[] _numbers = [];
    private long _reading;

    /// <summary>Begins a reading: nothing is folded yet.</summary>
    /// <param name="bytes">Bytes needed.</param>
    /// <param name="folds">Number of rows that may be folded.</param>
    public static Scratch Begin(int bytes, int folds)
    {
        var scratch = _ofThread ??= new Scratch();
        scratch._reading++;
        if (scratch._bytes.Length < bytes)
            scratch._bytes = GC.AllocateUninitializedArray<byte>(bytes);
        if (scratch._folded.Length < folds)
            Array.Resize(ref scratch._folded, folds);
        return scratch;
    }

    /// <summary>Room that stays during a reading.</summary>
    public Span<byte> Bytes(int offset, int length) => _bytes.AsSpan(offset, length);

    /// <summary>Room until the next is asked for.</summary>
    public Span<byte> Transient(int length)
    {
        if (_transient.Length < length)
            _transient = GC.AllocateUninitializedArray<byte>(length);
        return _transient.AsSpan(0, length);
    }

    /// <summary>Whether a row was folded in this reading; from now on it is.</summary>
    public bool IsFolded(int index)
    {
        var isFolded = _folded[index] == _reading;
        _folded[index] = _reading;
        return isFolded;
    }

    /// <summary>Room for numbers, whatever is being read.</summary>
    public static Span<double> NumbersOfThread(int count)
    {
        var scratch = _ofThread ??= new Scratch();
        if (scratch._numbers.Length < count)
            scratch._numbers = GC.AllocateUninitializedArray<double>(count);
        return scratch._numbers.AsSpan(0, count);
    }
}
