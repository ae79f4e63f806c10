namespace FeatureStore.Runtime;

/// <summary>One slice's part in a <see cref="StreamAlignment"/>. One thread calls.</summary>
public sealed class SliceAlignment
{
    private readonly StreamAlignment _stream;
    private readonly Action _wake;

    /// <summary>By source, the others as last looked at.</summary>
    private readonly SlicePosition[] _others;

    /// <summary>By source, ticks: when it was held back last, and when it went on only since others were idle.</summary>
    private readonly long[] _heldAt;
    private readonly long[] _idleAt;

    internal SliceAlignment(StreamAlignment stream, int number, int sources, Action wake)
    {
        _stream = stream;
        _wake = wake;
        Number = number;
        Waits = new SliceWait[sources];
        Positions = new SlicePosition[sources];
        Array.Fill(Positions, SlicePosition.Unknown);
        _others = new SlicePosition[sources];
        Array.Fill(_others, SlicePosition.Unknown);
        _heldAt = new long[sources];
        _idleAt = new long[sources];
        Array.Fill(_heldAt, long.MinValue / 2);
        Array.Fill(_idleAt, long.MinValue / 2);
    }

    internal int Number { get; }

    /// <summary>By source; the stream guards it.</summary>
    internal SlicePosition[] Positions { get; }

    /// <summary>By source; the stream guards it.</summary>
    internal SliceWait[] Waits { get; }

    /// <summary>Latest event time, Unix ms, that the slice may let through before others move.</summary>
    /// <param name="source">Index of the source whose others hold it back.</param>
    /// <param name="timeMs">Event time that it would let through.</param>
    /// <param name="alignMs">How far ahead it may be.</param>
    /// <param name="isBehind">As of <see cref="SlicePosition.BoundMs"/>.</param>
    public long BoundMs(int source, long timeMs, long alignMs, bool? isBehind)
    {
        // What it saw last is mostly enough: others have only moved on since.
        var boundMs = Bound(_others[source].Certain);
        if (timeMs <= boundMs)
            return boundMs;
        var others = _others[source] = _stream.LeastBut(this, source);
        boundMs = Bound(others.Certain);
        if (timeMs <= boundMs)
            return boundMs;
        var now = _stream.NowTicks;
        if (others.Active > others.Certain)
        {
            _idleAt[source] = now;
            if (others.IdleAt >= now - StreamAlignment.IdleIsFresh.Ticks)
                boundMs = Bound(others.Active);
        }

        if (timeMs > boundMs)
            _heldAt[source] = now;
        return boundMs;

        long Bound(long place) => SlicePosition.BoundMs(place, Number, alignMs, isBehind);
    }

    /// <summary>Says where the slice is in a source, of what has taken effect. Times are Unix ms, as in <see cref="SlicePosition"/>.</summary>
    public void Report(int source, long certainMs, long activeMs, long idleAtTicks)
    {
        var position = new SlicePosition(SlicePosition.Place(certainMs, Number), SlicePosition.Place(activeMs, Number), idleAtTicks);
        if (position != Positions[source])
            _stream.Report(this, source, position);
    }

    /// <summary>Says that a round of reading is over, so that others learn whom they keep waiting.</summary>
    public void EndRound()
    {
        var now = _stream.NowTicks;
        for (var source = 0; source < Waits.Length; source++)
        {
            if (StreamAlignment.WaitOf(_heldAt[source], _idleAt[source], now) is var wait && wait != Waits[source])
                _stream.Wait(this, source, wait);
        }
    }

    /// <summary>Whether the slice was held back in a source not long ago.</summary>
    public bool IsHeld(int source) => Waits[source] == SliceWait.Held;

    /// <summary>Whether others wait for the slice in a source, or would but for its having nothing to read.</summary>
    public bool IsAwaited(int source) => _stream.IsAwaited(this, source);

    internal void Wake() => _wake();
}
