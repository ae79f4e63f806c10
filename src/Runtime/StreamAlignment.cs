namespace FeatureStore.Runtime;

/// <summary>Whether slices wait for others in a source, or would.</summary>
public enum SliceWait
{
    /// <summary>They are not ahead.</summary>
    None,

    /// <summary>They go on only since others have nothing to read: the ends of partitions should stay known.</summary>
    Idle,

    /// <summary>They are held back, or were not long ago: that others have moved is news.</summary>
    Held,
}

/// <summary>
/// Where the slices of a stream are that one process consumes, and the least of all others as far as it has been told: by it each keeps within the sources' alignment
/// of the slowest one, as partitions of one slice do among themselves. Any thread may call.
/// <para>
/// That a slice had nothing to read counts for <see cref="IdleIsFresh"/>: what others read meanwhile can be that much newer than what has reached it.
/// </para>
/// <para>
/// Nobody waits for ever. The next event in the order of time, source, slice and partition is let through once the positions of all others are known. They become known, unless a topic is out of reach: each slice says its own after each round, and looks for the ends of its
/// partitions where others wait. Those that stay behind P until their slice has reached it hold nobody whom it waits for. No thread waits here, so that a slice that is held back comes to cuts; one that waits at a cut stands still, but all others come there too.
/// </para>
/// </summary>
public sealed class StreamAlignment
{
    private static readonly long _waitIsRecentTicks = TimeSpan.FromMilliseconds(500).Ticks;

    private readonly Lock _gate = new();
    private readonly int _sources;
    private readonly TimeProvider _time;
    private readonly Action _news;
    private readonly List<SliceAlignment> _slices = [];
    private readonly SlicePosition[] _others;
    private readonly SliceWait[] _awaited;

    /// <summary>By source, what others were told last.</summary>
    private readonly SlicePosition[] _told;
    private readonly SliceWait[] _toldWaits;

    /// <param name="sources">How many there are.</param>
    /// <param name="time">The clock.</param>
    /// <param name="news">Called when other processes should be told at once; it returns at once. Null: there are none.</param>
    public StreamAlignment(int sources, TimeProvider time, Action? news)
    {
        _sources = sources;
        _time = time;
        _news = news ?? (() => { });
        _others = new SlicePosition[sources];
        Array.Fill(_others, news is null ? SlicePosition.None : SlicePosition.Unknown);
        _awaited = new SliceWait[sources];
        _told = new SlicePosition[sources];
        Array.Fill(_told, SlicePosition.Unknown);
        _toldWaits = new SliceWait[sources];
    }

    /// <summary>How long it counts that a slice had nothing to read.</summary>
    public static TimeSpan IdleIsFresh { get; } = TimeSpan.FromMilliseconds(500);

    /// <summary>What the clock shows, ticks.</summary>
    internal long NowTicks => _time.GetElapsedTime(0).Ticks;

    /// <summary>Adds a slice of this process; before any of them begins to read.</summary>
    /// <param name="slice">Its number.</param>
    /// <param name="wake">Called when there is something to do for it; it returns at once.</param>
    public SliceAlignment Add(int slice, Action wake)
    {
        var added = new SliceAlignment(this, slice, _sources, wake);
        lock (_gate)
            _slices.Add(added);
        return added;
    }

    /// <summary>Takes in where the slices of other processes are.</summary>
    /// <param name="others">By source, the least of them; <see cref="SlicePosition.IdleAt"/> by this process's clock.</param>
    /// <param name="awaited">By source, whether any of them waits.</param>
    public void Follow(ReadOnlySpan<SlicePosition> others, ReadOnlySpan<SliceWait> awaited)
    {
        var (isNews, wakes) = (false, false);
        lock (_gate)
        {
            for (var source = 0; source < _sources; source++)
            {
                wakes |= others[source] != _others[source] && _slices.Exists(slice => slice.Waits[source] == SliceWait.Held) || awaited[source] > _awaited[source];
                (_others[source], _awaited[source]) = (others[source], awaited[source]);
                isNews |= IsNews(source);
            }
        }

        if (wakes)
            _slices.ForEach(slice => slice.Wake());
        if (isNews)
            _news();
    }

    /// <summary>What other processes are to be told.</summary>
    /// <returns>By slice, the position in each source (<see cref="SlicePosition.Write"/>); by source, whether any of these slices waits.</returns>
    public (Dictionary<int, long[]> Positions, SliceWait[] Waits) Tell()
    {
        lock (_gate)
        {
            Dictionary<int, long[]> positions = [];
            foreach (var slice in _slices)
            {
                var values = positions[slice.Number] = new long[_sources * SlicePosition.Length];
                for (var source = 0; source < _sources; source++)
                    slice.Positions[source].Write(values, source);
            }

            for (var source = 0; source < _sources; source++)
                (_told[source], _toldWaits[source]) = (LeastOwn(source), Waits(source));
            return (positions, [.. _toldWaits]);
        }
    }

    internal SlicePosition LeastBut(SliceAlignment one, int source)
    {
        lock (_gate)
        {
            var least = _others[source];
            foreach (var slice in _slices)
            {
                if (slice != one)
                    least = SlicePosition.Least(least, slice.Positions[source]);
            }

            return least;
        }
    }

    internal void Report(SliceAlignment one, int source, in SlicePosition position)
    {
        bool isNews;
        lock (_gate)
        {
            one.Positions[source] = position;
            isNews = IsNews(source);
        }

        foreach (var slice in _slices)
        {
            if (slice != one && slice.Waits[source] == SliceWait.Held)
                slice.Wake();
        }

        if (isNews)
            _news();
    }

    internal void Wait(SliceAlignment one, int source, SliceWait wait)
    {
        var (isNews, wakes) = (false, false);
        lock (_gate)
        {
            wakes = wait > one.Waits[source];
            one.Waits[source] = wait;
            isNews = wait > _toldWaits[source];
        }

        foreach (var slice in _slices)
        {
            if (wakes && slice != one)
                slice.Wake();
        }

        if (isNews)
            _news();
    }

    internal bool IsAwaited(SliceAlignment one, int source)
    {
        lock (_gate)
            return _awaited[source] != SliceWait.None || _slices.Exists(slice => slice != one && slice.Waits[source] != SliceWait.None);
    }

    internal static SliceWait WaitOf(long heldAt, long idleAt, long now) =>
        now - heldAt < _waitIsRecentTicks ? SliceWait.Held : now - idleAt < _waitIsRecentTicks ? SliceWait.Idle : SliceWait.None;

    private bool IsNews(int source) => _awaited[source] == SliceWait.Held && LeastOwn(source).HasMoved(_told[source], IdleIsFresh.Ticks / 4);

    private SlicePosition LeastOwn(int source)
    {
        var least = SlicePosition.None;
        foreach (var slice in _slices)
            least = SlicePosition.Least(least, slice.Positions[source]);
        return least;
    }

    private SliceWait Waits(int source)
    {
        var waits = SliceWait.None;
        foreach (var slice in _slices)
            waits = slice.Waits[source] > waits ? slice.Waits[source] : waits;
        return waits;
    }
}
