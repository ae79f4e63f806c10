using FeatureStore.Runtime.Local;

namespace FeatureStore.Grains;

/// <summary>The links of one entity type, by key. Not thread safe.</summary>
internal sealed class LinkTable
{
    private readonly Stack<int> _free = new();
    private KeyIndex _index = new();
    private EntityLink?[] _links = new EntityLink?[64];
    private int _ids;

    public int Count => _ids - _free.Count;

    /// <summary>Asks the processor for the index entry of a key,</summary>
    public void PrefetchEntry(ulong hash) => _index.Prefetch(hash);

    /// <summary>then for its link.</summary>
    public void PrefetchLink(ulong hash)
    {
        if (_index.LikelyId(hash) is >= 0 and var id)
            ObjectPrefetch.Lines(_links[id]!, EntityLink.Lines);
    }

    public EntityLink? Find(ulong hash, ReadOnlySpan<byte> key) => _index[Slot(hash, key)].Id is >= 0 and var id ? _links[id] : null;

    /// <summary>Adds a link whose key is not there.</summary>
    public void Add(ulong hash, EntityLink link)
    {
        if (!_free.TryPop(out var id))
            id = _ids++;
        if (id == _links.Length)
            Array.Resize(ref _links, id * 2);
        _links[id] = link;
        _index.Add(Slot(hash, link.Key), hash, id, Count);
    }

    public void Remove(EntityLink link)
    {
        var slot = Slot(KeyHash.Of(link.Key), link.Key);
        if (_index[slot].IsFree)
            return;
        var id = _index[slot].Id;
        _links[id] = null;
        _free.Push(id);
        _index.RemoveAt(slot);
    }

    /// <summary>The slot of a key: its own, or the free one where it goes.</summary>
    private int Slot(ulong hash, ReadOnlySpan<byte> key)
    {
        var slot = _index.First(hash);
        while (!_index[slot].IsFree && !(_index[slot].Hash == hash && key.SequenceEqual(_links[_index[slot].Id]!.Key)))
            slot = _index.Next(slot);
        return slot;
    }
}
