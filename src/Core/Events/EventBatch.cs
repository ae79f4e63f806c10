namespace FeatureStore.Core.Events;

/// <summary>
/// Events of one source, decoded, in the order in which they take effect. Pooled and reused: memory is allocated when it grows, not per event.
/// One writer at a time; any number of readers once it is filled.
/// </summary>
public sealed unsafe class EventBatch
{
    private readonly int _stride;
    private long[] _slots;
    private ulong[] _present;
    private EventHeader[] _headers;
    private byte[] _heap = [];
    private int _heapLength;

    public EventBatch(RowSchema schema, int capacity = 256)
    {
        ArgumentNullException.ThrowIfNull(schema);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(capacity);
        Schema = schema;
        _stride = schema.Count;
        _slots = new long[capacity * _stride];
        _present = new ulong[capacity];
        _headers = new EventHeader[capacity];
    }

    public RowSchema Schema { get; }

    public int Count { get; private set; }

    public ref EventHeader this[int row] => ref _headers[row];

    public FieldRow Row(int row) =>
        new(_slots.AsSpan(row * _stride, _stride), _present[row], _headers[row].Value, _heap);

    /// <summary>Appends an event whose fields are all null.</summary>
    /// <returns>Its row.</returns>
    public int Add(in EventHeader header)
    {
        var row = Count;
        if (row == _headers.Length)
            Grow();
        _headers[row] = header;
        _present[row] = 0;
        Count = row + 1;
        return row;
    }

    /// <summary>Takes back the newest row.</summary>
    public void RemoveLast() => Count--;

    public void SetInt64(int row, int field, long value) => Set(row, field, value);

    public void SetDouble(int row, int field, double value) => Set(row, field, BitConverter.DoubleToInt64Bits(value));

    /// <summary>A text that lies in the event's raw value as it is.</summary>
    public void SetRawText(int row, int field, int offset, int length) => Set(row, field, new TextSlot(false, offset, length).Bits);

    /// <summary>Copies a text into the batch.</summary>
    public void SetText(int row, int field, ReadOnlySpan<byte> utf8)
    {
        utf8.CopyTo(ReserveHeap(utf8.Length));
        Set(row, field, new TextSlot(true, _heapLength - utf8.Length, utf8.Length).Bits);
    }

    public void SetNull(int row, int field) => _present[row] &= ~(1UL << field);

    /// <summary>Appends a copy of another batch's row; the raw value is shared.</summary>
    public void AddCopy(EventBatch from, int fromRow)
    {
        ArgumentNullException.ThrowIfNull(from);
        var row = Add(from._headers[fromRow]);
        _present[row] = from._present[fromRow];
        var source = from._slots.AsSpan(fromRow * _stride, _stride);
        var target = _slots.AsSpan(row * _stride, _stride);
        source.CopyTo(target);
        if (from._heapLength == 0)
            return;
        for (var field = 0; field < _stride; field++)
        {
            if (Schema.Fields[field].Type == Definitions.FieldType.String && (_present[row] >> field & 1) != 0 && new TextSlot(target[field]).InHeap)
                SetText(row, field, from.Row(fromRow).Text(field));
        }
    }

    /// <summary>Empties the batch and keeps its memory.</summary>
    public void Clear()
    {
        Count = 0;
        _heapLength = 0;
    }

    private void Set(int row, int field, long bits)
    {
        _slots[row * _stride + field] = bits;
        _present[row] |= 1UL << field;
    }

    private Span<byte> ReserveHeap(int length)
    {
        if (_heapLength + length > _heap.Length)
            Array.Resize(ref _heap, Math.Max(_heapLength + length, Math.Max(4096, _heap.Length * 2)));
        _heapLength += length;
        return _heap.AsSpan(_heapLength - length, length);
    }

    private void Grow()
    {
        var capacity = _headers.Length * 2;
        Array.Resize(ref _headers, capacity);
        Array.Resize(ref _present, capacity);
        Array.Resize(ref _slots, capacity * _stride);
    }
}

/// <summary>Where an event came from, and its raw bytes. The owner of the batch keeps these alive until the batch is cleared.</summary>
public unsafe struct EventHeader
{
    /// <summary>Event time, Unix milliseconds.</summary>
    public long TimeMs;
    public long Offset;
    public int Partition;
    public int KeyLength;

    /// <summary>Whether the row takes back an earlier event of the same time and fields, in place of being one.</summary>
    public bool IsRetraction;

    /// <summary>Whether the row is half of an update: what was, or what is now.</summary>
    public bool IsUpdate;

    /// <summary>Raw key; null where the record has none.</summary>
    public byte* Key;

    /// <summary>Raw value.</summary>
    public byte* Value;
    public int ValueLength;

    /// <summary>What the source knows the record by.</summary>
    public nint Handle;

    /// <summary>Of a joined event: index of the source of the record that made it.</summary>
    public int Origin;

    /// <summary>Of a joined event: which of those that the record made, from 1; 0: the record's event by itself, with no partner. That one has no raw bytes.</summary>
    public int Ordinal;

    public readonly ReadOnlySpan<byte> RawKey => new(Key, KeyLength);

    public readonly ReadOnlySpan<byte> RawValue => new(Value, ValueLength);
}
