using System.Runtime.CompilerServices;

namespace FeatureStore.Core.Blocks.Containers;

/// <summary>
/// Data of variable size behind the block's fixed section, found through a <see cref="StoreHead"/> in it. What it wants to have room for is written down in
/// the head; <see cref="Plans.EntityPlan.Resize"/> then copies the block into one that has it.
/// </summary>
/// <param name="headOffset">Of the head within the fixed section.</param>
internal abstract class Store(int headOffset)
{
    public int HeadOffset => headOffset;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public ref StoreHead Head(ReadOnlySpan<byte> block, int fixedOffset) => ref Memory.At<StoreHead>(block, fixedOffset + headOffset);

    public int Count(ReadOnlySpan<byte> block, int fixedOffset) => Head(block, fixedOffset).Count;

    public bool IsWanting(ReadOnlySpan<byte> block, int fixedOffset)
    {
        ref readonly var head = ref Head(block, fixedOffset);
        return head.CapacityWanted != head.Capacity || head.RowBytesWanted != head.RowBytes;
    }

    /// <summary>Bytes of data at the size wanted.</summary>
    public long BytesWanted(ReadOnlySpan<byte> block, int fixedOffset)
    {
        ref readonly var head = ref Head(block, fixedOffset);
        return BytesOf(head.CapacityWanted, head.RowBytesWanted);
    }

    /// <summary>Moves the data to a place in a new block whose fixed section is already a copy of the old one.</summary>
    /// <returns>Where the data end.</returns>
    public int Copy(ReadOnlySpan<byte> from, Span<byte> to, int fixedOffset, int dataOffset)
    {
        ref readonly var old = ref Head(from, fixedOffset);
        ref var head = ref Head(to, fixedOffset);
        head.DataOffset = dataOffset;
        head.Capacity = old.CapacityWanted;
        head.RowBytes = old.RowBytesWanted;
        head.DataBytes = (int)BytesOf(head.Capacity, head.RowBytes);
        head.Start = 0;
        CopyRows(from, old, to, head);
        return dataOffset + head.DataBytes;
    }

    /// <summary>Says what is wrong with data from outside; null where every access that they allow stays inside the block.</summary>
    public string? Check(ReadOnlySpan<byte> block, int fixedOffset, ref int dataOffset)
    {
        ref readonly var head = ref Head(block, fixedOffset);
        if (head.Capacity < 0 || head.Capacity > CapacityMax || !HasRowBytes(head.RowBytes) || head.Start < 0 || head.Count < 0 || head.Start > head.Capacity - head.Count ||
            head.DataOffset != dataOffset || head.DataBytes != BytesOf(head.Capacity, head.RowBytes) || head.DataBytes > block.Length - dataOffset)
            return "has data outside their bounds";
        if (IsWanting(block, fixedOffset))
            return "waits for room";
        dataOffset += head.DataBytes;
        return CheckRows(block, head);
    }

    public void Initialize(Span<byte> block, int fixedOffset)
    {
        ref var head = ref Head(block, fixedOffset);
        head.DataOffset = block.Length;
        head.RowBytes = head.RowBytesWanted = RowBytesFirst;
    }

    /// <summary>Most rows that there is room for.</summary>
    protected abstract int CapacityMax { get; }

    /// <summary>Bytes of a row of an empty store.</summary>
    protected abstract int RowBytesFirst { get; }

    protected abstract bool HasRowBytes(int rowBytes);

    protected abstract long BytesOf(int capacity, int rowBytes);

    protected abstract void CopyRows(ReadOnlySpan<byte> from, in StoreHead old, Span<byte> to, in StoreHead head);

    protected abstract string? CheckRows(ReadOnlySpan<byte> block, in StoreHead head);
}

/// <summary>Where data are, and how much room there is and should be.</summary>
internal struct StoreHead
{
    public static readonly int Size = Unsafe.SizeOf<StoreHead>();

    /// <summary>From the block's first byte.</summary>
    public int DataOffset;
    public int DataBytes;
    public int Capacity;
    public int CapacityWanted;
    public int RowBytes;
    public int RowBytesWanted;

    /// <summary>The first row in use.</summary>
    public int Start;
    public int Count;
}
