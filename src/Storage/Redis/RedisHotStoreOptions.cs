namespace FeatureStore.Storage.Redis;

/// <summary>Where Redis is, and the bounds of a <see cref="RedisHotStore"/>.</summary>
public sealed record RedisHotStoreOptions
{
    /// <summary>
    /// Address in the form of StackExchange.Redis: <c>host:port</c>, then options such as <c>password=…</c>, <c>ssl=true</c>. One server with its replicas;
    /// not a Redis Cluster. How connections are made and kept (connectTimeout, abortConnect, keepAlive, retries) is the store's business and overrides the text's.
    /// </summary>
    public required string Configuration { get; init; }

    /// <summary>Longest wait for a read, all its keys together, in ms; default 50, range 1 to 60,000. After it the reader is told to go to the runtime.</summary>
    public int GetTimeoutMs { get; init; } = 50;

    /// <summary>Longest wait for one publishing call, in ms; default 2,000, range 1 to 60,000.</summary>
    public int PublishTimeoutMs { get; init; } = 2_000;

    /// <summary>Most keys of one MGET; default 1,000, range 1 to 10,000. A larger read is several, sent together.</summary>
    public int KeysPerGetMax { get; init; } = 1_000;

    /// <summary>Most blocks of one publishing call; default 64, range 1 to 1,000. Redis serves nobody else while a call runs.</summary>
    public int BlocksPerCallMax { get; init; } = 64;

    /// <summary>Most bytes of one publishing call, unless it is a single block; default 1 MiB, range 1 KiB to 64 MiB.</summary>
    public int BytesPerCallMax { get; init; } = 1 << 20;

    /// <summary>Most publishing calls that wait for their answer at a time; default 4, range 1 to 64. Times <see cref="BytesPerCallMax"/>, it bounds the memory in flight.</summary>
    public int CallsInFlightMax { get; init; } = 4;

    /// <summary>How long a deleted entity's fence is kept, in seconds; default 86,400, range 60 to 31,536,000. It must outlast any publisher that was thought dead.</summary>
    public int TombstoneSeconds { get; init; } = 86_400;

    /// <summary>Longest pause between attempts while Redis is away, in ms; default 5,000, range 100 to 60,000. The first is 100 ms, each next is twice the one before.</summary>
    public int RetryMsMax { get; init; } = 5_000;

    internal void Validate()
    {
        if (string.IsNullOrWhiteSpace(Configuration))
            throw new ArgumentException("option \"Configuration\" is empty. Give the address of Redis, as in \"127.0.0.1:6379\".", nameof(Configuration));
        Check(GetTimeoutMs, 1, 60_000, nameof(GetTimeoutMs));
        Check(PublishTimeoutMs, 1, 60_000, nameof(PublishTimeoutMs));
        Check(KeysPerGetMax, 1, 10_000, nameof(KeysPerGetMax));
        Check(BlocksPerCallMax, 1, 1_000, nameof(BlocksPerCallMax));
        Check(BytesPerCallMax, 1 << 10, 64 << 20, nameof(BytesPerCallMax));
        Check(CallsInFlightMax, 1, 64, nameof(CallsInFlightMax));
        Check(TombstoneSeconds, 60, 31_536_000, nameof(TombstoneSeconds));
        Check(RetryMsMax, 100, 60_000, nameof(RetryMsMax));
    }

    private static void Check(int value, int min, int max, string name)
    {
        if (value < min || value > max)
            throw new ArgumentOutOfRangeException(name, $"option \"{name}\": {value} is out of range. Use {min} to {max}.");
    }
}
