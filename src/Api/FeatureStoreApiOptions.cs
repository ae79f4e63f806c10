namespace FeatureStore.Api;

/// <summary>Bounds and time-outs of the HTTP API.</summary>
public sealed class FeatureStoreApiOptions
{
    /// <summary>Largest request body, in bytes. Default 4 MiB; 1 KiB to 64 MiB.</summary>
    public int BodyBytesMax { get; set; } = 4 << 20;

    /// <summary>Most rows of a request. Default 10,000; 1 to 1,000,000.</summary>
    public int RowsMax { get; set; } = 10_000;

    /// <summary>Most features a request may name. Default 1,000; 1 to 100,000.</summary>
    public int FeaturesMax { get; set; } = 1_000;

    /// <summary>Most values (rows × features) of an answer. Default 1,000,000; 1 to 100,000,000.</summary>
    public int ValuesMax { get; set; } = 1_000_000;

    /// <summary>How long a read waits for the hot store before it asks the runtime. Default 20 ms; 1 ms to 10 s.</summary>
    public TimeSpan HotStoreTimeout { get; set; } = TimeSpan.FromMilliseconds(20);

    /// <summary>How long reads leave the hot store alone after it failed. Default 1 s; 0 to 1 min.</summary>
    public TimeSpan HotStorePause { get; set; } = TimeSpan.FromSeconds(1);

    /// <summary>How long a push waits for the broker's acknowledgement. Default 10 s; 100 ms to 5 min.</summary>
    public TimeSpan PushTimeout { get; set; } = TimeSpan.FromSeconds(10);

    /// <summary>Most clients of the status stream at a time. Default 32; 0 to 1,000.</summary>
    public int StreamClientsMax { get; set; } = 32;

    /// <summary>Most subscribers to changes at a time. Default 64; 0 to 10,000.</summary>
    public int ChangeClientsMax { get; set; } = 64;

    /// <summary>Most keys that a subscriber to changes may name. Default 1,000; 1 to 100,000.</summary>
    public int ChangeKeysMax { get; set; } = 1_000;

    /// <summary>
    /// Most entities whose latest change is kept for subscribers that are behind, or come back. Default 32,768, which takes about 150 bytes each and their keys; 16 to 10,000,000.
    /// </summary>
    public int ChangesKeptMax { get; set; } = 32_768;

    /// <summary>How long changes that nobody reads any more are still kept for a subscriber that comes back. Default 30 s; 0 to 1 h.</summary>
    public TimeSpan ChangesLinger { get; set; } = TimeSpan.FromSeconds(30);

    /// <summary>Time without an event after which a stream of changes sends a comment, so that nothing on the way ends the connection. Default 15 s; 100 ms to 10 min.</summary>
    public TimeSpan ChangesHeartbeat { get; set; } = TimeSpan.FromSeconds(15);

    /// <summary>
    /// Host names, besides those of the loopback interface, by which requests on that interface may call this server. A web page that makes its own name point
    /// to 127.0.0.1 (DNS rebinding) is so kept out. Needed behind a proxy on the same machine that passes its host name on.
    /// </summary>
    public IReadOnlyList<string> AllowedHosts { get; set; } = [];

    /// <summary>Says which option is out of range; null where all are in it.</summary>
    internal string? Check()
    {
        return Range(nameof(BodyBytesMax), BodyBytesMax, 1 << 10, 64 << 20)
            ?? Range(nameof(RowsMax), RowsMax, 1, 1_000_000)
            ?? Range(nameof(FeaturesMax), FeaturesMax, 1, 100_000)
            ?? Range(nameof(ValuesMax), ValuesMax, 1, 100_000_000)
            ?? Range(nameof(HotStoreTimeout), HotStoreTimeout, TimeSpan.FromMilliseconds(1), TimeSpan.FromSeconds(10))
            ?? Range(nameof(HotStorePause), HotStorePause, TimeSpan.Zero, TimeSpan.FromMinutes(1))
            ?? Range(nameof(PushTimeout), PushTimeout, TimeSpan.FromMilliseconds(100), TimeSpan.FromMinutes(5))
            ?? Range(nameof(StreamClientsMax), StreamClientsMax, 0, 1_000)
            ?? Range(nameof(ChangeClientsMax), ChangeClientsMax, 0, 10_000)
            ?? Range(nameof(ChangeKeysMax), ChangeKeysMax, 1, 100_000)
            ?? Range(nameof(ChangesKeptMax), ChangesKeptMax, 16, 10_000_000)
            ?? Range(nameof(ChangesLinger), ChangesLinger, TimeSpan.Zero, TimeSpan.FromHours(1))
            ?? Range(nameof(ChangesHeartbeat), ChangesHeartbeat, TimeSpan.FromMilliseconds(100), TimeSpan.FromMinutes(10));

        static string? Range<T>(string name, T value, T min, T max)
            where T : IComparable<T> =>
            value.CompareTo(min) < 0 || value.CompareTo(max) > 0 ? $"option \"{name}\" is {value}, outside {min} to {max}." : null;
    }
}
