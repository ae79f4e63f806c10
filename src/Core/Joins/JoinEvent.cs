using FeatureStore.Core.Events;

namespace FeatureStore.Core.Joins;

/// <summary>An event of one side of a join. Valid as long as its fields are.</summary>
public readonly ref struct JoinEvent
{
    internal JoinEvent(int side, int partition, long offset, FieldRow fields)
    {
        Side = side;
        Partition = partition;
        Offset = offset;
        Fields = fields;
    }

    /// <summary>The event of a row.</summary>
    public static JoinEvent Of(int side, EventBatch events, int row)
    {
        ArgumentNullException.ThrowIfNull(events);
        ref readonly var header = ref events[row];
        return new JoinEvent(side, header.Partition, header.Offset, events.Row(row));
    }

    /// <summary>0: left, 1: right.</summary>
    public int Side { get; }

    public int Partition { get; }

    public long Offset { get; }

    /// <summary>In the schema of its side's source.</summary>
    public FieldRow Fields { get; }
}

/// <summary>Whether an event is one of those meant.</summary>
public delegate bool JoinEventRule(in JoinEvent one);

/// <summary>Whether the first of two events had been erased, with an entity that it is of, before the second was read.</summary>
public delegate bool JoinPairRule(in JoinEvent one, in JoinEvent other);

/// <summary>An entity whose key is in the events of a side, and which they, or the joined events, feed.</summary>
/// <param name="Entity">The entity's index.</param>
/// <param name="Fields">Where its join keys are in the events of the side.</param>
public sealed record JoinOwner(int Entity, int[] Fields);
