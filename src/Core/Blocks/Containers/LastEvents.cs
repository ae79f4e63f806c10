namespace FeatureStore.Core.Blocks.Containers;

/// <summary>
/// Windows of the newest n events as of a time: the newest n of those before which none comes or goes any more, and all after them.
/// Fixed section: the store's head, then the number of events left out at the limit (int64).
/// </summary>
internal sealed partial class LastEvents : Container
{
    private readonly int[] _windows;
    private readonly EventStore _events;
    private readonly int _countMax;
    private readonly long _disorderMs;

    /// <param name="place">Where it is.</param>
    /// <param name="shape">See <see cref="Container"/>.</param>
    /// <param name="windows">Numbers of events.</param>
    /// <param name="columns">Inputs kept with each event.</param>
    /// <param name="disorderMs">How far behind the source's newest event another may come.</param>
    public LastEvents(ContainerPlace place, ContainerShape shape, IReadOnlyList<int> windows, IReadOnlyList<InputSlot> columns, long disorderMs)
        : base(place, shape)
    {
        _windows = [.. windows];
        _countMax = _windows.Max();
        _disorderMs = disorderMs;
        _events = new EventStore(Offset, columns, LimitOf(_countMax));
        Stores = [_events];
    }

    public override int FixedSize => StoreHead.Size + sizeof(long);

    public override IReadOnlyList<Store> Stores { get; }

    /// <summary>Most events kept for windows of up to n.</summary>
    public static int LimitOf(int n) => n + Definitions.WindowDefinition.LimitDefault;

    public override bool Reserve(Span<byte> block, int fixedOffset, long timeMs, bool isTaken)
    {
        if (!isTaken)
            return true;
        var settled = EventStore.Seek(_events.Times(block, fixedOffset), 0, NewestMs(block, fixedOffset) - _disorderMs - 1);
        if (settled > _countMax)
            _events.DropOldest(block, fixedOffset, settled - _countMax);
        return _events.Reserve(block, fixedOffset);
    }

    public override bool TryAdd(Span<byte> block, int fixedOffset, long timeMs, ReadOnlySpan<byte> inputs)
    {
        if (_events.Count(block, fixedOffset) == _events.Limit)
        {
            Overflow(block, fixedOffset)++;
            CoreInstruments.EventsOverflowed.Add(1);
            if (timeMs < _events.Times(block, fixedOffset)[0])
                return true;
            _events.DropOldest(block, fixedOffset, 1);
        }

        _events.Insert(block, fixedOffset, timeMs, inputs);
        return true;
    }

    public override bool TryRemove(Span<byte> block, int fixedOffset, long timeMs, ReadOnlySpan<byte> inputs)
    {
        var row = _events.Find(block, fixedOffset, timeMs, inputs);
        if (row >= 0)
            _events.RemoveAt(block, fixedOffset, row);
        return row >= 0;
    }

    public override bool CanRemove(ReadOnlySpan<byte> block, int fixedOffset, long timeMs) => timeMs >= FrontierMs(block, fixedOffset, _disorderMs);

    public override bool Holds(ReadOnlySpan<byte> block, int fixedOffset, long timeMs, ReadOnlySpan<byte> inputs)
    {
        var times = _events.Times(block, fixedOffset);
        return (Overflow(block, fixedOffset) > 0 && (times.IsEmpty || timeMs <= times[0])) || _events.Find(block, fixedOffset, timeMs, inputs) >= 0;
    }

    public override ReadOnlySpan<byte> Row(in BlockReading reading, FeatureState feature)
    {
        var times = _events.Times(reading.Block, reading.FixedOffset);
        var end = EventStore.Seek(times, times.Length, reading.AsOfMs);
        var first = Math.Max(0, end - _windows[feature.Window]);
        return _events.Fold(reading, feature, first, end - first);
    }

    public override long AsOfMs(in BlockReading reading, ReadOnlySpan<byte> row) => reading.AsOfMs;

    public override long Overflowed(ReadOnlySpan<byte> block, int fixedOffset) => Overflow(block, fixedOffset);

    public override void Prefetch(ReadOnlySpan<byte> block, int fixedOffset) => _events.PrefetchRow(block, fixedOffset, _events.Count(block, fixedOffset));

    private ref long Overflow(ReadOnlySpan<byte> block, int fixedOffset) => ref Memory.At<long>(block, fixedOffset + Offset + StoreHead.Size);
}
