using FeatureStore.Core.Blocks.Cells;

namespace FeatureStore.Core.Blocks.Containers;

/// <summary>
/// State of windows over the events of one source that meet one condition: a slot of the block, with a part of the fixed section and, behind it, the data of
/// its stores. The object holds parameters only.
/// </summary>
/// <param name="place">Where it is.</param>
/// <param name="shape">What it holds and how.</param>
internal abstract class Container(ContainerPlace place, ContainerShape shape)
{
    public ContainerShape Shape => shape;

    /// <summary>Of its part within the fixed section.</summary>
    public int Offset => place.Offset;

    /// <summary>Bytes of its part of the fixed section; a multiple of 8.</summary>
    public abstract int FixedSize { get; }

    public abstract IReadOnlyList<Store> Stores { get; }

    /// <summary>How it takes over from containers of its kind and family, of older layouts, what they hold of the same; at least one.</summary>
    public abstract Transfer TransferFrom(IReadOnlyList<Container> olders);

    /// <summary>Prepares a zeroed part.</summary>
    public virtual void Initialize(Span<byte> block, int fixedOffset)
    {
        foreach (var store in Stores)
            store.Initialize(block, fixedOffset);
    }

    /// <summary>Learns that an event of the source came, and where it meets the condition sees to it that it finds room; then its time may be the newest by now.</summary>
    /// <returns>False where a store wants another size first.</returns>
    public abstract bool Reserve(Span<byte> block, int fixedOffset, long timeMs, bool isTaken);

    /// <summary>Takes in an event, for which room was reserved.</summary>
    /// <returns>False where a store wants another size first; then the same event comes again.</returns>
    public abstract bool TryAdd(Span<byte> block, int fixedOffset, long timeMs, ReadOnlySpan<byte> inputs);

    /// <summary>Whether an event that <see cref="CanRemove"/> allows to take back is there, or was and is not covered any more; where single events are not kept, whether it may be.</summary>
    public abstract bool Holds(ReadOnlySpan<byte> block, int fixedOffset, long timeMs, ReadOnlySpan<byte> inputs);

    /// <summary>Takes an event back.</summary>
    /// <returns>False where it was not there.</returns>
    public abstract bool TryRemove(Span<byte> block, int fixedOffset, long timeMs, ReadOnlySpan<byte> inputs);

    /// <summary>Whether an event of a time can still be taken back.</summary>
    public virtual bool CanRemove(ReadOnlySpan<byte> block, int fixedOffset, long timeMs) => true;

    /// <summary>The row of cells that a feature is finished from.</summary>
    public abstract ReadOnlySpan<byte> Row(in BlockReading reading, FeatureState feature);

    /// <summary>The time that a row is as of.</summary>
    public abstract long AsOfMs(in BlockReading reading, ReadOnlySpan<byte> row);

    /// <summary>Events left out because more came than a limit.</summary>
    public virtual long Overflowed(ReadOnlySpan<byte> block, int fixedOffset) => 0;

    /// <summary>Asks the processor for what an event about now, and a read after it, will touch behind the fixed section.</summary>
    public virtual void Prefetch(ReadOnlySpan<byte> block, int fixedOffset)
    {
    }

    /// <summary>Says what is wrong with a part from outside, its stores aside.</summary>
    public virtual string? Check(ReadOnlySpan<byte> block, int fixedOffset) => null;

    /// <summary>
    /// Whether every event of a time that was applied, and that the container covers, is in it: what was defined while there was state already may not know older ones,
    /// and must not keep others from taking them back.
    /// </summary>
    public bool KnowsAll(ReadOnlySpan<byte> block, int fixedOffset, long timeMs) => place.UnknownOffset < 0 || timeMs > UnknownMs(block, fixedOffset);

    /// <summary>Events up to this time may be missing; <see cref="long.MinValue"/> where none are. Only where events are taken back.</summary>
    public ref long UnknownMs(ReadOnlySpan<byte> block, int fixedOffset) => ref Memory.At<long>(block, fixedOffset + place.UnknownOffset);

    public bool CountsUnknown => place.UnknownOffset >= 0;

    /// <summary>Event time of the newest event that ever met the condition.</summary>
    protected long NewestMs(ReadOnlySpan<byte> block, int fixedOffset) => Memory.At<long>(block, fixedOffset + place.NewestOffset);

    /// <summary>The oldest time at which an event may still come or be taken back; <see cref="long.MinValue"/> where none came yet.</summary>
    protected long FrontierMs(ReadOnlySpan<byte> block, int fixedOffset, long disorderMs) =>
        NewestMs(block, fixedOffset) is var newestMs and not long.MinValue ? newestMs - disorderMs : long.MinValue;
}

/// <summary>Where a container is.</summary>
/// <param name="Offset">Of its part within the fixed section.</param>
/// <param name="NewestOffset">Of the time of the newest event that met the condition, within the fixed section.</param>
/// <param name="UnknownOffset">Of the time up to which events may be missing, within the fixed section; −1: there is none, for events are never taken back.</param>
internal readonly record struct ContainerPlace(int Offset, int NewestOffset, int UnknownOffset = -1);

/// <summary>A block as it is read.</summary>
internal readonly ref struct BlockReading(ReadOnlySpan<byte> block, long asOfMs, Scratch? scratch)
{
    /// <summary>Bounds of a time with which windows can be computed.</summary>
    private const long TimeMax = long.MaxValue / 4;

    public readonly ReadOnlySpan<byte> Block = block;
    public readonly int FixedOffset = block.IsEmpty ? 0 : BlockHeader.FixedOffset(block);
    public readonly long AsOfMs = Math.Clamp(asOfMs, -TimeMax, TimeMax);
    private readonly Scratch? _scratch = scratch;

    /// <summary>Where states are put together; there is none where nothing has to be.</summary>
    public Scratch Scratch => _scratch!;
}

/// <summary>Where a feature's cells are.</summary>
/// <param name="Container">The container.</param>
/// <param name="Window">Index of its window there.</param>
/// <param name="Cells">Cells of the row that <see cref="Container.Row"/> gives.</param>
/// <param name="First">Index of its cell in the row; −1: none.</param>
/// <param name="Second">Index of its second cell.</param>
internal sealed record FeatureState(Container Container, int Window, CellRow Cells, int First, int Second)
{
    /// <summary>Where a row that the container folds stays during a reading: its number in the thread's memory, and its offset; −1: nowhere.</summary>
    public (int Index, int Offset) Fold { get; init; } = (-1, 0);
}
