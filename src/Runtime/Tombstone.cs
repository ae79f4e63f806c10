namespace FeatureStore.Runtime;

/// <summary>
/// What remains of an erased entity: events of its key that lie before these offsets have no effect on it, however often they are read again. Later
/// ones start a new block, whose sequence goes on from the tombstone's, so that no copy of the old block is ever newer.
/// </summary>
public sealed record Tombstone
{
    /// <summary>Index of the entity plan.</summary>
    public required int Entity { get; init; }

    /// <summary>Encoded key, 1 to 1,024 bytes.</summary>
    public required byte[] Key { get; init; }

    /// <summary>History of state in which it was erased.</summary>
    public required Guid Incarnation { get; init; }

    /// <summary>Greater than the sequence of any block of the key before.</summary>
    public required long Sequence { get; init; }

    /// <summary>Wall clock of the erasure, Unix ms.</summary>
    public required long ErasedAtMs { get; init; }

    /// <summary>One a topic that feeds the entity.</summary>
    public required IReadOnlyList<TombstoneGuard> Guards { get; init; }

    /// <summary>
    /// Guards of erasures of the key before this one, the oldest first; when this one came, no checkpoint had been cut after them. Read again, an event of the key from before one makes no pair
    /// in a join with an event from behind it, as it did not when it was first read.
    /// </summary>
    public IReadOnlyList<IReadOnlyList<TombstoneGuard>> Earlier { get; init; } = [];
}

/// <summary>Which events of a topic a tombstone keeps out.</summary>
/// <param name="Topic">The topic.</param>
/// <param name="NextOffsets">Of each partition, the offset of the first event that counts again.</param>
public sealed record TombstoneGuard(string Topic, IReadOnlyList<long> NextOffsets);

/// <summary>An entity is not erased, or not durably yet. The message is fit to be shown to the caller.</summary>
public sealed class EraseException(string message, Exception? innerException = null) : Exception(message, innerException)
{
    /// <summary>Most erasures of one entity, whose events joins keep, since the newest checkpoint.</summary>
    internal const int ErasuresMax = 256;

    /// <summary>Of an entity that was erased too often for its erasures to be told apart.</summary>
    internal static EraseException TooMany() => new(
        $"The entity has been erased {ErasuresMax} times since the newest checkpoint, and no more can be told apart in joins. Repeat the request after the next checkpoint.");

    /// <summary>Throws where there can be no such entity.</summary>
    internal static void ThrowIfNone(Core.Plans.ProjectPlan plan, int entity, ReadOnlyMemory<byte> key)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)entity, (uint)plan.Entities.Count, nameof(entity));
        ArgumentOutOfRangeException.ThrowIfZero(key.Length, nameof(key));
        ArgumentOutOfRangeException.ThrowIfGreaterThan(key.Length, Core.Plans.EntityPlan.KeyBytesMax, nameof(key));
    }
}
