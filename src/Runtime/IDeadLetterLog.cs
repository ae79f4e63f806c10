namespace FeatureStore.Runtime;

/// <summary>The newest dead letters, for operators; all of them are in the dead-letter topics.</summary>
public interface IDeadLetterLog
{
    /// <summary>Dead letters since the process started.</summary>
    long Total { get; }

    void Add(DeadLetter letter);

    /// <summary>The newest dead letters, newest first.</summary>
    IReadOnlyList<DeadLetter> Newest(int count);
}

/// <summary>A record that was refused.</summary>
public sealed record DeadLetter
{
    /// <summary>Wall clock at which it was refused, Unix ms.</summary>
    public required long TimeMs { get; init; }

    public required string Source { get; init; }

    /// <summary>Where the record is: <c>topic/partition/offset</c>.</summary>
    public required string Position { get; init; }

    public required string Reason { get; init; }

    /// <summary>The rule that refused it, in few words that do not vary with the record.</summary>
    public required string Rule { get; init; }

    /// <summary>Raw key, cut off at <see cref="DeadLetterLog.BytesMax"/>; null where the record has none. Hostile.</summary>
    public ReadOnlyMemory<byte>? Key { get; init; }

    /// <summary>Raw value, cut off at <see cref="DeadLetterLog.BytesMax"/>. Hostile.</summary>
    public ReadOnlyMemory<byte> Value { get; init; }

    /// <summary>Length of the whole value.</summary>
    public int ValueLength { get; init; }
}
