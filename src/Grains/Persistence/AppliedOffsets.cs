using System.Buffers.Binary;

namespace FeatureStore.Grains.Persistence;

/// <summary>
/// Offset of the first record not applied, of each source partition that has fed an entity; the others are absent. Few, and so a list that is searched.
/// Offsets are of a generation of their partition, which begins anew when its topic was recreated.
/// As bytes: 24 an entry, source (uint64), partition, generation (int32 each), next offset (int64).
/// </summary>
internal sealed class AppliedOffsets
{
    private const int EntryBytes = 24;
    private Entry[] _entries = [];
    private int _count;

    public int Length => _count * EntryBytes;

    public static AppliedOffsets Read(ReadOnlySpan<byte> bytes)
    {
        var offsets = new AppliedOffsets { _entries = new Entry[bytes.Length / EntryBytes] };
        for (; bytes.Length >= EntryBytes; bytes = bytes[EntryBytes..])
        {
            offsets._entries[offsets._count++] = new Entry(
                BinaryPrimitives.ReadUInt64LittleEndian(bytes), BinaryPrimitives.ReadInt32LittleEndian(bytes[8..]),
                BinaryPrimitives.ReadInt32LittleEndian(bytes[12..]), BinaryPrimitives.ReadInt64LittleEndian(bytes[16..]));
        }

        return offsets;
    }

    /// <summary>Asks the processor for the entries.</summary>
    public void Prefetch() => ObjectPrefetch.Lines(_entries, 1);

    /// <summary>Offset of the first record not applied; 0 where none was.</summary>
    public long Next(ulong source, int partition, int generation)
    {
        foreach (ref readonly var entry in _entries.AsSpan(0, _count))
        {
            if (entry.Source == source && entry.Partition == partition)
                return entry.Generation == generation ? entry.Next : 0;
        }

        return 0;
    }

    public void Advance(ulong source, int partition, int generation, long next)
    {
        foreach (ref var entry in _entries.AsSpan(0, _count))
        {
            if (entry.Source != source || entry.Partition != partition)
                continue;
            entry.Next = entry.Generation == generation ? Math.Max(entry.Next, next) : next;
            entry.Generation = generation;
            return;
        }

        if (_count == _entries.Length)
            Array.Resize(ref _entries, _count + 1);
        _entries[_count++] = new Entry(source, partition, generation, next);
    }

    /// <summary>Takes in the later of both.</summary>
    public void Advance(AppliedOffsets other)
    {
        foreach (ref readonly var entry in other._entries.AsSpan(0, other._count))
            Advance(entry.Source, entry.Partition, entry.Generation, entry.Next);
    }

    public void CopyFrom(AppliedOffsets other)
    {
        if (_entries.Length < other._count)
            _entries = new Entry[other._count];
        other._entries.AsSpan(0, other._count).CopyTo(_entries);
        _count = other._count;
    }

    public byte[] ToArray()
    {
        var bytes = new byte[Length];
        Write(bytes);
        return bytes;
    }

    public void Write(Span<byte> bytes)
    {
        foreach (ref readonly var entry in _entries.AsSpan(0, _count))
        {
            BinaryPrimitives.WriteUInt64LittleEndian(bytes, entry.Source);
            BinaryPrimitives.WriteInt32LittleEndian(bytes[8..], entry.Partition);
            BinaryPrimitives.WriteInt32LittleEndian(bytes[12..], entry.Generation);
            BinaryPrimitives.WriteInt64LittleEndian(bytes[16..], entry.Next);
            bytes = bytes[EntryBytes..];
        }
    }

    private record struct Entry(ulong Source, int Partition, int Generation, long Next);
}
