using System.Runtime.InteropServices;
using FeatureStore.Core.Blocks;

namespace FeatureStore.Runtime.Local;

/// <summary>An open-addressing index from hashes of keys to ids; whoever holds the keys compares them. Not thread safe.</summary>
internal struct KeyIndex()
{
    private const int CapacityFirst = 64;

    private Entry[] _entries = new Entry[CapacityFirst];

    /// <summary>Where the search for a hash begins; it goes on with <see cref="Next"/> until an entry is free.</summary>
    public readonly int First(ulong hash) => (int)hash & _entries.Length - 1;

    public readonly int Next(int slot) => slot + 1 & _entries.Length - 1;

    public readonly ref readonly Entry this[int slot] => ref _entries[slot];

    /// <summary>The first id with a hash: all but certainly the one meant. −1 where there is none.</summary>
    public readonly int LikelyId(ulong hash)
    {
        var slot = First(hash);
        while (!_entries[slot].IsFree && _entries[slot].Hash != hash)
            slot = Next(slot);
        return _entries[slot].Id;
    }

    /// <summary>Asks the processor for the entry of a hash.</summary>
    public readonly unsafe void Prefetch(ulong hash) => Memory.Prefetch(MemoryMarshal.AsBytes(_entries.AsSpan()), First(hash) * sizeof(Entry));

    /// <summary>Puts an id in the free slot that its search ended at.</summary>
    /// <param name="slot">The slot.</param>
    /// <param name="hash">Of its key.</param>
    /// <param name="id">0 or more.</param>
    /// <param name="count">Number of ids, this one among them.</param>
    public void Add(int slot, ulong hash, int id, int count)
    {
        _entries[slot] = new Entry(hash, id);
        if (count * 10L <= _entries.Length * 7L)
            return;
        var old = _entries;
        _entries = new Entry[old.Length * 2];
        foreach (var entry in old)
        {
            if (entry.IsFree)
                continue;
            slot = First(entry.Hash);
            while (!_entries[slot].IsFree)
                slot = Next(slot);
            _entries[slot] = entry;
        }
    }

    /// <summary>Frees a slot; entries behind it that would not be found any more move up.</summary>
    public readonly void RemoveAt(int slot)
    {
        var mask = _entries.Length - 1;
        for (var next = Next(slot); !_entries[next].IsFree; next = Next(next))
        {
            if ((next - First(_entries[next].Hash) & mask) < (next - slot & mask))
                continue;
            _entries[slot] = _entries[next];
            slot = next;
        }

        _entries[slot] = default;
    }

    public readonly struct Entry(ulong hash, int id)
    {
        private readonly int _number = id + 1;

        public ulong Hash { get; } = hash;

        /// <summary>−1 where the entry is free.</summary>
        public int Id => _number - 1;

        public bool IsFree => _number == 0;
    }
}
