namespace FeatureStore.Core.Definitions;

/// <summary>Which of an entity's events a feature covers, as of a time t.</summary>
public abstract record WindowDefinition
{
    /// <summary>Most events kept where single events are kept, unless the definition says otherwise.</summary>
    public const int LimitDefault = 100_000;

    /// <summary>(t − Delay − Length, t − Delay].</summary>
    public sealed record Sliding(TimeSpan Length) : WindowDefinition
    {
        public TimeSpan Delay { get; init; }

        /// <summary>
        /// Null: exact, every event within reach is kept. Else events are kept as sums over [k·Tile, (k + 1)·Tile) from the epoch; the oldest tile that the window touches
        /// counts whole, and with a delay the newest that has not wholly passed by t − Delay not at all.
        /// </summary>
        public TimeSpan? Tile { get; init; }

        /// <summary>Most events kept for an entity in an exact window; overflow drops the oldest, counted. 1 to 1,000,000.</summary>
        public int Limit { get; init; } = LimitDefault;
    }

    /// <summary>The period [k·Length + Offset, (k + 1)·Length + Offset) that t lies in; with <see cref="Closed"/> the one before it. Counted from the epoch in the window's time zone.</summary>
    public sealed record Tumbling(TimeSpan Length) : WindowDefinition
    {
        public TimeSpan Offset { get; init; }

        public bool Closed { get; init; }

        /// <summary>IANA name. Periods of whole days then begin at that zone's local time; shorter ones count from its offset at the period's beginning.</summary>
        public string TimeZone { get; init; } = "UTC";
    }

    /// <summary>Events with less than <paramref name="Gap"/> from one to the next: the open session, gone when t ≥ last + Gap; or the newest <see cref="Closed"/> ones that are closed as of t.</summary>
    public sealed record Session(TimeSpan Gap) : WindowDefinition
    {
        /// <summary>0: the open session; else how many closed ones, taken together. 0 to 100.</summary>
        public int Closed { get; init; }

        /// <summary>Longest session: an event later than first + Max begins a new one. Null: no bound.</summary>
        public TimeSpan? Max { get; init; }

        /// <summary>Most unsettled events (those not older than lateness and alignment allow) kept; overflow settles the oldest, counted.</summary>
        public int Limit { get; init; } = LimitDefault;
    }

    /// <summary>The newest <paramref name="Count"/> events (1 to 100,000) that meet the condition.</summary>
    public sealed record Last(int Count) : WindowDefinition;
}
