namespace FeatureStore.Core.Events;

/// <summary>
/// The fields of one event or request: one 8-byte slot a field, in the order of its <see cref="RowSchema"/>. int64, bool (0 or 1) and
/// timestamp (Unix ms) as themselves, double as its bits, text as a <see cref="TextSlot"/>. A view: valid as long as the batch it points into.
/// </summary>
public readonly unsafe ref struct FieldRow
{
    private readonly ReadOnlySpan<long> _slots;
    private readonly ReadOnlySpan<byte> _heap;
    private readonly byte* _raw;
    private readonly ulong _present;

    internal FieldRow(ReadOnlySpan<long> slots, ulong present, byte* raw, ReadOnlySpan<byte> heap)
    {
        _slots = slots;
        _present = present;
        _raw = raw;
        _heap = heap;
    }

    /// <summary>Whether the field has a value; a missing field and a JSON null do not.</summary>
    public bool Has(int field) => (_present >> field & 1) != 0;

    /// <summary>Whether all fields of a mask, one bit a field, have values.</summary>
    public bool HasAll(ulong fields) => (_present & fields) == fields;

    public long Int64(int field) => _slots[field];

    public double Double(int field) => BitConverter.Int64BitsToDouble(_slots[field]);

    public bool Bool(int field) => _slots[field] != 0;

    /// <summary>UTF-8 text of the field.</summary>
    public ReadOnlySpan<byte> Text(int field)
    {
        var slot = new TextSlot(_slots[field]);
        return slot.InHeap ? _heap.Slice(slot.Offset, slot.Length) : new ReadOnlySpan<byte>(_raw + slot.Offset, slot.Length);
    }
}

/// <summary>Where a text is: in the event's raw value (no copy), or in the batch's heap where it had to be unescaped.</summary>
public readonly record struct TextSlot(long Bits)
{
    private const long HeapBit = 1L << 62;

    public TextSlot(bool inHeap, int offset, int length)
        : this((inHeap ? HeapBit : 0) | (long)offset << 31 | (uint)length)
    {
    }

    public bool InHeap => (Bits & HeapBit) != 0;

    public int Offset => (int)(Bits >> 31) & int.MaxValue;

    public int Length => (int)Bits & int.MaxValue;
}
