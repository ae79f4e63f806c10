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
        if ((uint)source >= (uint)_before.Length || (uint)partition >= (uint)_before[source].Length || offset >= _before[source][partition])
            return false;
        return TryFind(key, out var entry) && source < entry.Before.Length && entry.Before[source] is { } before && partition < before.Count && offset < before[partition];
    }

    /// <summary>What the sequence of the key's next block goes on from; 0 where there is no tombstone.</summary>
    public long SequenceOf(ReadOnlySpan<byte> key) => TryFind(key, out var entry) ? entry.Tombstone.Sequence : 0;

    public Tombstone? Find(ReadOnlySpan<byte> key) => TryFind(key, out var entry) ? entry.Tombstone : null;

    /// <param name="tombstone">Takes the place of an older one of its key.</param>
    /// <param name="topics">Topic of each source.</param>
    public void Put(Tombstone tombstone, IReadOnlyList<string> topics)
    {
        var before = topics.Select(topic => tombstone.Guards.FirstOrDefault(guard => guard.Topic == topic)?.NextOffsets).ToArray();
        _entries[tombstone.Key] = new Entry(tombstone, before);
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

    private bool TryFind(ReadOnlySpan<byte> key, [MaybeNullWhen(false)] out Entry entry) =>
        _entries.GetAlternateLookup<ReadOnlySpan<byte>>().TryGetValue(key, out entry);

    /// <param name="Tombstone">The tombstone.</param>
    /// <param name="Before">Its guards by source; null where the source has none.</param>
    private sealed record Entry(Tombstone Tombstone, IReadOnlyList<long>?[] Before);

    private sealed class KeyComparer : IEqualityComparer<byte[]>, IAlternateEqualityComparer<ReadOnlySpan<byte>, byte[]>
    {
        public bool Equals(byte[]? x, byte[]? y) => x.AsSpan().SequenceEqual(y);

        public int GetHashCode(byte[] obj) => GetHashCode(obj.AsSpan());

        public bool Equals(ReadOnlySpan<byte> alternate, byte[] other) => alternate.SequenceEqual(other);

        public int GetHashCode(ReadOnlySpan<byte> alternate) => KeyHash.Of(alternate).GetHashCode();

        public byte[] Create(ReadOnlySpan<byte> alternate) => alternate.ToArray();
    }
}
