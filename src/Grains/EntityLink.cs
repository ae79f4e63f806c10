using FeatureStore.Grains.Entities;
using FeatureStore.Grains.Payloads;
using FeatureStore.Runtime.Local;

namespace FeatureStore.Grains;

/// <summary>What the owner of a stream keeps of an entity while events that it sent are not durable.</summary>
internal sealed class EntityLink(IEntityGrain grain, int entity, string address, byte[] key)
{
    /// <summary>Index of the entity plan.</summary>
    public int Entity { get; } = entity;

    public IEntityGrain Grain { get; } = grain;

    public string Address { get; } = address;

    public byte[] Key { get; } = key;

    /// <summary>What may have to be sent again, in order.</summary>
    public List<ApplyRequest> Unsaved { get; } = [];

    public int UnsavedEvents { get; set; }

    /// <summary>Of the activation that has applied all that was sent; 0 before the first answer.</summary>
    public long Epoch { get; set; }

    public SiloAddress? Silo { get; set; }

    /// <summary>The activation, if it is on this silo.</summary>
    public EntityCell? Cell { get; set; }

    /// <summary>Whether the activation may lack events, or have some whose answer was lost.</summary>
    public bool IsInDoubt { get; set; }

    /// <summary>Whether it is not known if a request had its effect, and what came of it.</summary>
    public bool IsAnswerLost { get; set; }

    /// <summary>The newest interval in which it was called.</summary>
    public long Interval { get; set; } = -1;

    /// <summary>The batch that <see cref="Rows"/> is of.</summary>
    public long Batch { get; set; }

    /// <summary>What the batch under way does to this entity,</summary>
    public Route? Route { get; set; }

    /// <summary>and with which of its rows.</summary>
    public List<int> Rows { get; } = [];

    public int RowBytes { get; set; }
}

/// <summary>Keys by their bytes; looked up by span.</summary>
internal sealed class KeyComparer : IEqualityComparer<byte[]>, IAlternateEqualityComparer<ReadOnlySpan<byte>, byte[]>
{
    public bool Equals(byte[]? x, byte[]? y) => x.AsSpan().SequenceEqual(y);

    public int GetHashCode(byte[] obj) => GetHashCode(obj.AsSpan());

    public byte[] Create(ReadOnlySpan<byte> alternate) => alternate.ToArray();

    public bool Equals(ReadOnlySpan<byte> alternate, byte[] other) => alternate.SequenceEqual(other);

    public int GetHashCode(ReadOnlySpan<byte> alternate) => (int)Runtime.Local.KeyHash.Of(alternate);
}
