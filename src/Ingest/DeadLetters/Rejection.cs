using FeatureStore.Core.Cleaning;

namespace FeatureStore.Ingest.DeadLetters;

/// <summary>Why an event is a dead letter, as numbers: nothing is formatted until somebody asks.</summary>
public readonly record struct Rejection
{
    public required RejectionReason Reason { get; init; }

    /// <summary>Index of the field in the source's schema, or −1.</summary>
    public int Field { get; init; } = -1;

    /// <summary>Bytes into the value where the problem is, from 0.</summary>
    public int PositionBytes { get; init; }

    /// <summary>Of <see cref="RejectionReason.MalformedJson"/>.</summary>
    public JsonProblem Problem { get; init; }

    /// <summary>Of <see cref="RejectionReason.WrongType"/>: what the event has.</summary>
    public JsonKind Got { get; init; }

    /// <summary>Of <see cref="RejectionReason.Cleaning"/>: what cleaning made of the event.</summary>
    public CleanResult Cleaned { get; init; }

    /// <summary>What was measured, in the unit of the reason: bytes, or milliseconds.</summary>
    public long Measured { get; init; }

    /// <summary>The limit it broke, in the same unit.</summary>
    public long Limit { get; init; }

    public Rejection()
    {
    }
}
