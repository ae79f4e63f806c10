using System.Diagnostics.CodeAnalysis;

namespace FeatureStore.Runtime.Local;

/// <summary>The tombstones of one entity type in one shard. Not thread safe: the shard's gate guards it.</summary>
internal sealed class Tombstones
{
    private readonly Dictionary<byte[], Entry> _entries = new(new KeyComparer());

    /// <summary>Erasures that are not durable yet, a few. A crash would bring the old blocks back, so nobody elsewhere is told of what came after.</summary>
    private readonly List<Tombstone> _pending = [];

    /// <summary>By source and partition, the greatest offset that any of them guards: beyond it nothing has to be looked up.</summary>
    private long[][] _before = [];

    public int Count => _entries.Count;

    /// <summary>Every tombstone with what it guards.</summary>
    public IEnumerable<Tombstone> All => _entries.Values.Select(entry => entry.Tombstone);

    /// <summary>Whether an event lies before the tombstone of its key, and so has no effect.</summary>
    public bool KeepsOut(int source, int partition, long offset, ReadOnlySpan<byte> key)
    {
        var place = new Place(source, partition, offset);
        return MayKeepOut(place) && TryFind(key, out var entry) && place.IsBefore(entry.Erasures[^1]);
    }

    /// <summary>Whether an event lies before one of the first erasures that the tombstone of its key tells of.</summary>
    public bool KeepsOut(in Place place, ReadOnlySpan<byte> key, int erasures) =>
        erasures > 0 && MayKeepOut(place) && TryFind(key, out var entry) && place.IsBefore(entry.Erasures[erasures - 1]);

    /// <summary>Whether an event lies before an erasure of its key that another event lies behind.</summary>
    public bool IsOut(in Place place, in Place other, ReadOnlySpan<byte> key)
    {
        if (!MayKeepOut(place) || !TryFind(key, out var entry))
            return false;
        foreach (var erasure in entry.Erasures)
        {
            if (place.IsBefore(erasure) && !other.IsBefore(erasure))
                return true;
        }

        return false;
    }

    /// <summary>What the sequence of the key's next block goes on from; 0 where there is no tombstone.</summary>
    public long SequenceOf(ReadOnlySpan<byte> key) => TryFind(key, out var entry) ? entry.Tombstone.Sequence : 0;

    public Tombstone? Find(ReadOnlySpan<byte> key) => TryFind(key, out var entry) ? entry.Tombstone : null;

    /// <param name="tombstone">Takes the place of an older one of its key.</param>
    /// <param name="topics">Topic of each source.</param>
    public void Put(Tombstone tombstone, IReadOnlyList<string> topics)
    {
        IReadOnlyList<long>?[][] erasures = [.. tombstone.Earlier.Append(tombstone.Guards).Select(guards => topics.Select(topic => guards.FirstOrDefault(guard => guard.Topic == topic)?.NextOffsets).ToArray())];
        _entries[tombstone.Key] = new Entry(tombstone, erasures);
        var before = erasures[^1];
        if (_before.Length < topics.Count)
            _before = [.. topics.Select(_ => Array.Empty<long>())];
        for (var source = 0; source < before.Length; source++)
        {
            if (before[source] is not { } offsets)
                continue;
            if (_before[source].Length < offsets.Count)
                Array.Resize(ref _before[source], offsets.Count);
            for (var partition = 0; partition < offsets.Count; partition++)
                _before[source][partition] = Math.Max(_before[source][partition], offsets[partition]);
        }
    }

    public bool IsPending(ReadOnlySpan<byte> key)
    {
        foreach (var tombstone in _pending)
        {
            if (key.SequenceEqual(tombstone.Key))
                return true;
        }

        return false;
    }

    /// <summary>Adds an erasure that is not durable yet, in the place of an older one of its key.</summary>
    public void AddPending(Tombstone tombstone)
    {
        _pending.RemoveAll(older => older.Key.AsSpan().SequenceEqual(tombstone.Key));
        _pending.Add(tombstone);
    }

    /// <summary>Takes note that an erasure is durable.</summary>
    /// <returns>Whether it is the newest of its key, and was pending.</returns>
    public bool Confirm(Tombstone tombstone) =>
        _pending.RemoveAll(pending => pending.Sequence == tombstone.Sequence && pending.Key.AsSpan().SequenceEqual(tombstone.Key)) > 0;

    public void Remove(byte[] key) => _entries.Remove(key);

    private bool MayKeepOut(in Place place) =>
        (uint)place.Source < (uint)_before.Length && (uint)place.Partition < (uint)_before[place.Source].Length && place.Offset < _before[place.Source][place.Partition];

    private bool TryFind(ReadOnlySpan<byte> key, [MaybeNullWhen(false)] out Entry entry) =>
        _entries.GetAlternateLookup<ReadOnlySpan<byte>>().TryGetValue(key, out entry);

    /// <summary>Where an event was read.</summary>
    /// <param name="Source">Index of the source.</param>
    /// <param name="Partition">Partition of its topic.</param>
    /// <param name="Offset">Offset there.</param>
    public readonly record struct Place(int Source, int Partition, long Offset)
    {
        /// <param name="erasure">By source, of each partition the first offset that counts again; null where the source does not feed the entity.</param>
        public bool IsBefore(IReadOnlyList<long>?[] erasure) =>
            Source < erasure.Length && erasure[Source] is { } next && Partition < next.Count && Offset < next[Partition];
    }

    /// <param name="Tombstone">The tombstone.</param>
    /// <param name="Erasures">The guards of the earlier erasures, and last its own, by source; null where the source has none.</param>
    private sealed record Entry(Tombstone Tombstone, IReadOnlyList<long>?[][] Erasures);

    private sealed class KeyComparer : IEqualityComparer<byte[]>, IAlternateEqualityComparer<ReadOnlySpan<byte>, byte[]>
    {
        public bool Equals(byte[]? x, byte[]? y) => x.AsSpan().SequenceEqual(y);

        public int GetHashCode(byte[] obj) => GetHashCode(obj.AsSpan());

        public bool Equals(ReadOnlySpan<byte> alternate, byte[] other) => alternate.SequenceEqual(other);

        public int GetHashCode(ReadOnlySpan<byte> alternate) => KeyHash.Of(alternate).GetHashCode();

        public byte[] Create(ReadOnlySpan<byte> alternate) => alternate.ToArray();
    }
}
