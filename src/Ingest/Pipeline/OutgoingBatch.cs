using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;
using FeatureStore.Runtime;

namespace FeatureStore.Ingest.Pipeline;

/// <summary>Encoded predictions and dead letters of a batch, in native memory that stays as it is until the commit that holds them. Reused.</summary>
internal sealed unsafe class OutgoingBatch : IDisposable
{
    private const int ChunkBytesMax = 1 << 20;

    /// <summary>A quiet stream has many batches of few records under way.</summary>
    private const int ChunkBytesMin = 32 << 10;
    private const string CutHeader = "value-bytes";

    private readonly List<(nint Memory, int Length)> _chunks = [];
    private readonly Dictionary<string, Records> _records = new(StringComparer.Ordinal);
    private readonly List<(string Topic, DeadLetterRecord Record)> _deadLetters = [];
    private int _chunk;
    private int _used;

    public long Sequence { get; set; }

    public long ReadAt { get; set; }

    /// <summary>Bytes of keys and values.</summary>
    public long Bytes { get; private set; }

    /// <summary>Number of predictions.</summary>
    public int RecordCount { get; private set; }

    /// <summary>Cursor P after the batch.</summary>
    public List<(string Topic, int Partition, long NextOffset)> Positions { get; } = [];

    public IReadOnlyList<(string Topic, DeadLetterRecord Record)> DeadLetters => _deadLetters;

    public IEnumerable<string> Topics => _records.Keys;

    public ReadOnlySpan<OutgoingRecord> RecordsOf(string topic) => _records[topic].Span;

    /// <summary>Room for a record; what is used of it is said by <see cref="Add"/>.</summary>
    public Span<byte> Reserve(int length)
    {
        while (_chunk < _chunks.Count && _chunks[_chunk].Length - _used < length)
        {
            _chunk++;
            _used = 0;
        }

        if (_chunk == _chunks.Count)
        {
            var size = Math.Max(Math.Min(ChunkBytesMax, ChunkBytesMin << Math.Min(_chunks.Count, 16)), length);
            _chunks.Add(((nint)NativeMemory.Alloc((nuint)size), size));
        }

        var (memory, end) = _chunks[_chunk];
        return new Span<byte>((byte*)memory + _used, end - _used);
    }

    /// <summary>Adds the record that was written to the room reserved: its value, then its key.</summary>
    public void Add(string topic, int valueLength, int keyLength)
    {
        var at = (byte*)_chunks[_chunk].Memory + _used;
        ref var records = ref CollectionsMarshal.GetValueRefOrAddDefault(_records, topic, out _);
        (records ??= new Records()).Add(new OutgoingRecord { Value = at, ValueLength = valueLength, Key = at + valueLength, KeyLength = keyLength });
        _used += valueLength + keyLength;
        Bytes += valueLength + keyLength;
        RecordCount++;
    }

    public void AddDeadLetter(string topic, DeadLetterRecord record)
    {
        _deadLetters.Add((topic, record));
        Bytes += (record.Key?.Length ?? 0) + (record.Value?.Length ?? 0);
    }

    /// <summary>Cuts longer values of dead letters to a length; a header <c>value-bytes</c> says how long a value was.</summary>
    public void CutDeadLetters(int valueBytesMax)
    {
        foreach (ref var letter in CollectionsMarshal.AsSpan(_deadLetters))
        {
            if (letter.Record.Value is not { } value || value.Length <= valueBytesMax)
                continue;
            var headers = letter.Record.Headers;
            if (headers[^1].Key != CutHeader)
                headers = [.. headers, new(CutHeader, Encoding.UTF8.GetBytes(value.Length.ToString(CultureInfo.InvariantCulture)))];
            letter.Record = letter.Record with { Value = value[..valueBytesMax], Headers = headers };
        }
    }

    public void Clear()
    {
        _chunk = 0;
        _used = 0;
        Bytes = 0;
        RecordCount = 0;
        Positions.Clear();
        _deadLetters.Clear();
        foreach (var records in _records.Values)
            records.Count = 0;
    }

    public void Dispose()
    {
        foreach (var (memory, _) in _chunks)
            NativeMemory.Free((void*)memory);
        _chunks.Clear();
    }

    private sealed class Records
    {
        private OutgoingRecord[] _records = new OutgoingRecord[256];

        public int Count { get; set; }

        public ReadOnlySpan<OutgoingRecord> Span => _records.AsSpan(0, Count);

        public void Add(in OutgoingRecord record)
        {
            if (Count == _records.Length)
                Array.Resize(ref _records, Count * 2);
            _records[Count++] = record;
        }
    }
}
