using FeatureStore.Grains.Entities;

namespace FeatureStore.Grains;

/// <summary>What the owner of a stream keeps of an entity while events that it sent are not durable, and a little longer.</summary>
internal sealed class EntityLink(IEntityGrain grain, int entity, string address, ReadOnlySpan<byte> key)
{
    /// <summary>Processor lines that a link takes.</summary>
    public const int Lines = 3;

    private Sent[] _unsaved = [];

    /// <summary>Index of the entity plan.</summary>
    public int Entity { get; } = entity;

    public IEntityGrain Grain { get; } = grain;

    public string Address { get; } = address;

    public byte[] Key { get; } = key.ToArray();

    /// <summary>What may have to be sent again, in order.</summary>
    public ReadOnlySpan<Sent> Unsaved => _unsaved.AsSpan(0, UnsavedCount);

    public int UnsavedCount { get; private set; }

    public int UnsavedEvents { get; private set; }

    /// <summary>Of the activation that has applied all that was sent; 0 before the first answer.</summary>
    public long Epoch { get; set; }

    public SiloAddress? Silo { get; set; }

    /// <summary>The activation, if it is on this silo.</summary>
    public EntityCell? Cell { get; set; }

    /// <summary>Whether the activation may lack events, or have some whose answer was lost.</summary>
    public bool IsInDoubt { get; set; }

    /// <summary>Whether it is not known if a request had its effect, and what came of it.</summary>
    public bool IsAnswerLost { get; set; }

    /// <summary>Whether the activation has to go back to what is durable for the lost answer to be had again.</summary>
    public bool GoesBack { get; set; }

    /// <summary>The newest interval in which it was called.</summary>
    public long Interval { get; set; } = -1;

    /// <summary>The batch under way that it was last called in,</summary>
    public long Batch { get; set; }

    /// <summary>and which part of it is its own.</summary>
    public int Part { get; set; }

    /// <summary>Whether events up to an interval are not durable.</summary>
    public bool HasUnsaved(long interval) => UnsavedCount > 0 && _unsaved[0].Events.Interval <= interval;

    /// <summary>Whether this was the last to be kept.</summary>
    public bool IsNewest(Sent sent) => UnsavedCount > 0 && _unsaved[UnsavedCount - 1] == sent;

    public void Keep(Sent sent)
    {
        if (UnsavedCount == _unsaved.Length)
            Array.Resize(ref _unsaved, Math.Max(4, UnsavedCount * 2));
        _unsaved[UnsavedCount++] = sent;
        UnsavedEvents += sent.Count;
    }

    /// <summary>Forgets the oldest of what was kept.</summary>
    public void Release(int count)
    {
        foreach (var sent in _unsaved.AsSpan(0, count))
            UnsavedEvents -= sent.Count;
        UnsavedCount -= count;
        Array.Copy(_unsaved, count, _unsaved, 0, UnsavedCount);
        Array.Clear(_unsaved, UnsavedCount, count);
    }
}
