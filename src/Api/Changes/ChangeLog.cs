using FeatureStore.Api.Features;

namespace FeatureStore.Api.Changes;

/// <summary>
/// The newest change of each entity, in order: change n + 1 came after change n. An entity that changes again moves to the end. Of too many entities, those that have not changed
/// longest go. Not thread safe.
/// </summary>
/// <param name="entityTypes">Number of entity plans.</param>
/// <param name="changesMax">Most entities kept.</param>
internal sealed class ChangeLog(int entityTypes, int changesMax)
{
    private readonly LinkedList<Change> _changes = [];
    private readonly Dictionary<byte[], LinkedListNode<Change>>[] _byKey =
        [.. Enumerable.Range(0, entityTypes).Select(_ => new Dictionary<byte[], LinkedListNode<Change>>(BytesComparer.Instance))];

    /// <summary>Number of the newest change; 0 before the first.</summary>
    public long Last { get; private set; }

    public int Count => _changes.Count;

    /// <summary>Appends a change.</summary>
    /// <param name="entity">Index of the entity plan.</param>
    /// <param name="key">Its encoded key.</param>
    /// <param name="replaced">Number of the earlier change of the same entity; 0: there is none.</param>
    /// <param name="dropped">What went to make room, or null.</param>
    /// <returns>The change. Its number grows when the entity changes again.</returns>
    public Change Append(int entity, ReadOnlySpan<byte> key, out long replaced, out Change? dropped)
    {
        (replaced, dropped) = (0, null);
        var byKey = _byKey[entity].GetAlternateLookup<ReadOnlySpan<byte>>();
        if (byKey.TryGetValue(key, out var node))
        {
            replaced = node.Value.Number;
            _changes.Remove(node);
        }
        else
        {
            if (_changes.Count >= changesMax)
            {
                dropped = _changes.First!.Value;
                _changes.RemoveFirst();
                _byKey[dropped.Entity].Remove(dropped.Key);
            }

            byKey[key] = node = new LinkedListNode<Change>(new Change(entity, key.ToArray()));
        }

        node.Value.Number = ++Last;
        _changes.AddLast(node);
        return node.Value;
    }

    /// <summary>Lets a number pass that no change has.</summary>
    public long Skip() => ++Last;

    /// <summary>Forgets the changes of an entity type.</summary>
    public void Forget(int entity)
    {
        foreach (var node in _byKey[entity].Values)
            _changes.Remove(node);
        _byKey[entity].Clear();
    }

    /// <summary>Adds the changes after a number to a list, in order, at most so many.</summary>
    /// <param name="after">The number.</param>
    /// <param name="wants">Which are wanted.</param>
    /// <param name="countMax">How many, at most.</param>
    /// <param name="into">Gets them.</param>
    /// <returns>The number up to which all that are wanted have been added.</returns>
    public long Read(long after, Predicate<Change> wants, int countMax, List<Change> into)
    {
        var node = _changes.Last;
        if (node is null || node.Value.Number <= after)
            return Last;
        while (node.Previous is { } previous && previous.Value.Number > after)
            node = previous;
        for (; node is not null; node = node.Next)
        {
            if (!wants(node.Value))
                continue;
            if (into.Count == countMax)
                return node.Previous!.Value.Number;
            into.Add(node.Value);
        }

        return Last;
    }
}

/// <summary>That an entity has changed.</summary>
/// <param name="entity">Index of the entity plan.</param>
/// <param name="key">Encoded key.</param>
internal sealed class Change(int entity, byte[] key)
{
    public int Entity => entity;

    public byte[] Key => key;

    public long Number { get; set; }
}
