namespace FeatureStore.Runtime.Tests;

/// <summary>What one slice may let through, and whom it tells that it waits.</summary>
[TestClass]
public sealed class StreamAlignmentTests
{
    private const long AlignMs = 1000;
    private readonly Clock _clock = new();
    private readonly List<string> _wakes = [];
    private int _news;

    [TestMethod]
    public void Nobody_moves_before_all_positions_are_known()
    {
        var stream = new StreamAlignment(1, _clock, () => _news++);
        var (first, second) = (stream.Add(0, () => { }), stream.Add(1, () => { }));
        Assert.AreEqual(long.MinValue, first.BoundMs(0, 5000, AlignMs, null));
        second.Report(0, 6000, 6000, long.MaxValue);
        Assert.AreEqual(long.MinValue, first.BoundMs(0, 5000, AlignMs, null), "Other silos' slices are not known.");
        stream.Follow([SlicePosition.None], [SliceWait.None]);
        Assert.AreEqual(6999, first.BoundMs(0, 5000, AlignMs, null), "A record exactly the alignment ahead waits.");
    }

    [TestMethod]
    public void Of_equal_times_the_lower_source_and_then_the_lower_slice_comes_first()
    {
        var stream = new StreamAlignment(1, _clock, null);
        var (first, second) = (stream.Add(0, () => { }), stream.Add(7, () => { }));
        first.Report(0, 5000, 5000, long.MaxValue);
        second.Report(0, 5000, 5000, long.MaxValue);
        Assert.AreEqual(5000, first.BoundMs(0, 5000, 0, null));
        Assert.AreEqual(4999, second.BoundMs(0, 5000, 0, null));
        Assert.AreEqual(4999, first.BoundMs(0, 5000, 0, isBehind: false));
        Assert.AreEqual(5000, second.BoundMs(0, 5000, 0, isBehind: true));
        Assert.AreEqual(-5001, SlicePosition.BoundMs(SlicePosition.Place(-5000, 255), 255, 0, null), "Times before 1970 are in order too.");
    }

    [TestMethod]
    public void A_slice_with_nothing_to_read_holds_nobody_for_half_a_second()
    {
        var stream = new StreamAlignment(1, _clock, null);
        var (first, second) = (stream.Add(0, () => { }), stream.Add(1, () => { }));
        Assert.IsFalse(second.IsAwaited(0));
        second.Report(0, 1000, long.MaxValue, _clock.Ticks);
        Assert.AreEqual(1999, first.BoundMs(0, 1500, AlignMs, null));
        first.EndRound();
        Assert.IsFalse(second.IsAwaited(0), "It is not ahead.");
        Assert.AreEqual(long.MaxValue, first.BoundMs(0, 5000, AlignMs, null));
        first.EndRound();
        Assert.IsTrue(second.IsAwaited(0), "It goes on only since the other is idle: that should stay known.");
        Assert.IsFalse(first.IsHeld(0));
        _clock.Advance(501);
        Assert.AreEqual(1999, first.BoundMs(0, 5000, AlignMs, null));
        first.EndRound();
        Assert.IsTrue(first.IsHeld(0));
        _clock.Advance(501);
        first.EndRound();
        Assert.IsFalse(first.IsHeld(0), "It has not asked for a while.");
        Assert.IsFalse(second.IsAwaited(0));
    }

    [TestMethod]
    public void Who_is_held_back_is_woken_and_told_at_once()
    {
        var stream = new StreamAlignment(1, _clock, () => _news++);
        var (first, second) = (stream.Add(0, () => _wakes.Add("first")), stream.Add(1, () => _wakes.Add("second")));
        stream.Follow([SlicePosition.None], [SliceWait.None]);
        second.Report(0, 1000, 1000, long.MaxValue);
        Assert.AreEqual(1999, first.BoundMs(0, 5000, AlignMs, null));
        Assert.IsEmpty(_wakes);
        first.EndRound();
        CollectionAssert.AreEqual(new[] { "second" }, _wakes, "It looks for its ends.");
        Assert.AreEqual(1, _news, "Other silos do too.");
        Assert.AreEqual(SliceWait.Held, stream.Tell().Waits[0]);
        second.Report(0, 4500, 4500, long.MaxValue);
        CollectionAssert.AreEqual(new[] { "second", "first" }, _wakes);
        Assert.AreEqual(1, _news, "No other silo waits.");
        Assert.AreEqual(5499, first.BoundMs(0, 5000, AlignMs, null));

        first.Report(0, 5000, 5000, long.MaxValue);
        stream.Follow([SlicePosition.None], [SliceWait.Held]);
        Assert.AreEqual(2, _news, "What another silo waits for has moved since it was told.");
        stream.Tell();
        first.Report(0, 5100, 5100, long.MaxValue);
        Assert.AreEqual(2, _news, "The least has not moved.");
        second.Report(0, 5050, 5050, long.MaxValue);
        Assert.AreEqual(3, _news);
        stream.Follow([SlicePosition.Read([SlicePosition.Place(9000, 5), SlicePosition.Place(9000, 5), long.MaxValue], 0)], [SliceWait.None]);
        Assert.AreEqual("first", _wakes[^2], "Both were woken: one is held back.");
    }

    private sealed class Clock : TimeProvider
    {
        public long Ticks { get; private set; } = TimeSpan.TicksPerHour;

        public override long TimestampFrequency => TimeSpan.TicksPerSecond;

        public void Advance(int milliseconds) => Ticks += milliseconds * TimeSpan.TicksPerMillisecond;

        public override long GetTimestamp() => Ticks;
    }
}
