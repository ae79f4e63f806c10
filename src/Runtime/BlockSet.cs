namespace FeatureStore.Runtime;

/// <summary>Byte strings in reusable buffers, of any size together: keys to look up, the blocks found, or all that a checkpoint holds.</summary>
public sealed class BlockSet
{
    private const int ChunkBytesMin = 256;
    private const int ChunkBytesMax = 64 << 20;

    /// <summary>Buffers, each about as large as all before it. An entry lies in one of them.</summary>
    private readonly List<byte[]> _chunks = [];
    private Entry[] _entries = [];
    private int _chunk = -1;
    private int _chunkLength;

    public int Count { get; private set; }

    /// <summary>Bytes of all entries.</summary>
    public long TotalLength { get; private set; }

    public ReadOnlySpan<byte> this[int index] => Memory(index).Span;

    /// <summary>The entry, for calls that cannot take a span. Valid until the set is cleared.</summary>
    public ReadOnlyMemory<byte> Memory(int index)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)index, (uint)Count, nameof(index));
        ref readonly var entry = ref _entries[index];
        return _chunks[entry.Chunk].AsMemory(entry.Start, entry.Length);
    }

    /// <summary>Appends an entry.</summary>
    public void Add(ReadOnlySpan<byte> bytes) => bytes.CopyTo(Add(bytes.Length));

    /// <summary>Appends an entry of a length, for the caller to fill.</summary>
    public Span<byte> Add(int length)
    {
        while (_chunk < 0 || length > _chunks[_chunk].Length - _chunkLength)
            NextChunk(length);
        if (Count == _entries.Length)
            Array.Resize(ref _entries, Math.Max(16, Count * 2));
        _entries[Count++] = new Entry(_chunk, _chunkLength, length);
        _chunkLength += length;
        TotalLength += length;
        return _chunks[_chunk].AsSpan(_chunkLength - length, length);
    }

    /// <summary>Empties the set and keeps its memory.</summary>
    public void Clear()
    {
        Count = 0;
        TotalLength = 0;
        _chunk = -1;
        _chunkLength = 0;
    }

    /// <summary>Goes on in the next buffer, which may still be too small; after the last comes a new one that is not.</summary>
    private void NextChunk(int length)
    {
        _chunk++;
        _chunkLength = 0;
        if (_chunk == _chunks.Count)
            _chunks.Add(GC.AllocateUninitializedArray<byte>(Math.Max(length, (int)Math.Clamp(_chunks.Sum(chunk => (long)chunk.Length), ChunkBytesMin, ChunkBytesMax))));
    }

    private readonly record struct Entry(int Chunk, int Start, int Length);
}
