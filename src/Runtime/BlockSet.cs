namespace FeatureStore.Runtime;

/// <summary>Byte strings one after the other in one reusable buffer: keys to look up, or the blocks found.</summary>
public sealed class BlockSet
{
    private byte[] _bytes = [];
    private int[] _ends = [];

    public int Count { get; private set; }

    /// <summary>Bytes of all entries.</summary>
    public int TotalLength => Count == 0 ? 0 : _ends[Count - 1];

    public ReadOnlySpan<byte> this[int index] => Memory(index).Span;

    /// <summary>The entry, for calls that cannot take a span. Valid until the set is cleared or grows.</summary>
    public ReadOnlyMemory<byte> Memory(int index)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(index, Count);
        var start = index == 0 ? 0 : _ends[index - 1];
        return _bytes.AsMemory(start, _ends[index] - start);
    }

    /// <summary>Appends an entry.</summary>
    public void Add(ReadOnlySpan<byte> bytes) => bytes.CopyTo(Add(bytes.Length));

    /// <summary>Appends an entry of a length, for the caller to fill.</summary>
    public Span<byte> Add(int length)
    {
        var start = Count == 0 ? 0 : _ends[Count - 1];
        if (start + length > _bytes.Length)
            Array.Resize(ref _bytes, Math.Max(start + length, Math.Max(256, _bytes.Length * 2)));
        if (Count == _ends.Length)
            Array.Resize(ref _ends, Math.Max(16, Count * 2));
        _ends[Count++] = start + length;
        return _bytes.AsSpan(start, length);
    }

    /// <summary>Empties the set and keeps its memory.</summary>
    public void Clear() => Count = 0;
}
