using System.Runtime.InteropServices;
using FeatureStore.Core.Plans;

namespace FeatureStore.Runtime.Local;

/// <summary>
/// The blocks of one entity type in one shard: an open-addressing index over blocks in native memory, and which of them changed since they
/// were last saved, published or told. Not thread safe: the shard's gate guards it.
/// </summary>
internal sealed unsafe class EntityTable : IDisposable
{
    private readonly EntityPlan _plan;
    private readonly IdList _unsaved = new();
    private readonly IdList _snapshot = new();
    private readonly IdList _free = new();
    private readonly Changes[] _changes = [new(State.Unpublished), new(State.Untold)];
    private KeyIndex _index = new();
    private byte*[] _blocks = new byte*[32];
    private State[] _states = new State[32];

    /// <summary>The marks of those who want to know of changes.</summary>
    private State _tracked;

    /// <summary>Blocks have ids below this; some may be free.</summary>
    private int _ids;

    private readonly Retention? _retention;
    private readonly List<byte[]> _dropped = [];
    private readonly long[] _passMs;
    private int _sweptIds = -1;

    /// <param name="plan">The entity's plan.</param>
    /// <param name="retention">When entities may go; null: never.</param>
    /// <param name="sources">Number of sources.</param>
    public EntityTable(EntityPlan plan, Retention? retention, int sources)
    {
        _retention = retention;
        _passMs = new long[sources];
        _passMs.AsSpan().Fill(long.MinValue);
        _plan = plan;
    }

    [Flags]
    private enum State : byte
    {
        None = 0,

        /// <summary>Changed since the last snapshot began.</summary>
        Unsaved = 1,

        /// <summary>In the snapshot under way and not copied yet: copied before it changes.</summary>
        InSnapshot = 2,

        /// <summary>Changed since it was last published to the hot store.</summary>
        Unpublished = 4,

        /// <summary>Changed since those who listen were last told.</summary>
        Untold = 8,
    }

    public EntityPlan Plan => _plan;

    /// <summary>What keeps erased entities' past events out.</summary>
    public Tombstones Tombstones { get; } = new();

    public int Count => _ids - _free.Count;

    public long Bytes { get; private set; }

    /// <summary>Bytes of the blocks that changed since the last snapshot began, at the size they had when they first changed.</summary>
    public long UnsavedBytes { get; private set; }

    /// <summary>Changes that wait for a reader of them.</summary>
    public int Waiting(Outbox outbox) => _changes[(int)outbox].Ids.Count + _changes[(int)outbox].Removals.Count;

    /// <summary>The block of an entity; empty where it was never seen.</summary>
    public ReadOnlySpan<byte> Find(ulong hash, ReadOnlySpan<byte> key)
    {
        var id = _index[Slot(hash, key)].Id;
        return id < 0 ? default : Block(id);
    }

    /// <summary>Asks the processor for the index entry of a key. The first of three steps that run ahead of <see cref="Apply"/>.</summary>
    public void PrefetchEntry(ulong hash) => _index.Prefetch(hash);

    /// <summary>The second step: the beginning of the block.</summary>
    public void PrefetchBlock(ulong hash)
    {
        if (_index.LikelyId(hash) is >= 0 and var id)
            _plan.PrefetchFixed(new ReadOnlySpan<byte>(_blocks[id], _plan.EmptyLength(EntityPlan.KeyBytesMax)));
    }

    /// <summary>The third step: the events at the windows' borders.</summary>
    public void PrefetchRings(ulong hash)
    {
        if (_index.LikelyId(hash) is >= 0 and var id)
            _plan.PrefetchRings(Block(id));
    }

    /// <summary>
    /// Applies an event to an entity, which comes into being if it was never seen. Where the snapshot under way still needs the block as it was,
    /// the snapshot gets a copy first.
    /// </summary>
    /// <returns>The block after the event.</returns>
    public ReadOnlySpan<byte> Apply(ulong hash, ReadOnlySpan<byte> key, int source, in Core.Events.FieldRow row, long timeMs, SnapshotPart snapshot)
    {
        var slot = Slot(hash, key);
        var id = _index[slot].Id;
        if (id < 0)
        {
            var length = _plan.EmptyLength(key.Length);
            id = Add(slot, hash, length);
            _plan.Initialize(Block(id, length), key);
            if (Tombstones.Count > 0 || _retention is not null)
                EntityPlan.SetSequence(Block(id, length), Math.Max(Tombstones.SequenceOf(key), _retention is null ? 0 : FirstSequence(timeMs)));
        }
        else if ((_states[id] & State.InSnapshot) != 0)
        {
            CopyToSnapshot(id, snapshot);
        }

        MarkChanged(id);
        while (_plan.Apply(Block(id), source, row, timeMs) is > 0 and var wanted)
            Resize(id, wanted);
        return Block(id);
    }

    /// <summary>Takes an event back, where that can still be done; else it is counted, and changes nothing.</summary>
    public void Retract(ulong hash, ReadOnlySpan<byte> key, int source, in Core.Events.FieldRow row, long timeMs, SnapshotPart snapshot)
    {
        var id = _index[Slot(hash, key)].Id;
        if (id < 0 || !_plan.CanRetract(Block(id), source, timeMs))
        {
            RuntimeInstruments.RetractionsLost.Add(1, new KeyValuePair<string, object?>("entity", _plan.Name));
            return;
        }

        if ((_states[id] & State.InSnapshot) != 0)
            CopyToSnapshot(id, snapshot);
        MarkChanged(id);
        while (_plan.Retract(Block(id), source, row, timeMs) is > 0 and var wanted)
            Resize(id, wanted);
    }

    /// <summary>Removes an entity. The snapshot under way keeps it as it was.</summary>
    /// <returns>The sequence of its block; 0 where it was never seen.</returns>
    public long Remove(ulong hash, ReadOnlySpan<byte> key, SnapshotPart snapshot)
    {
        var slot = Slot(hash, key);
        var id = _index[slot].Id;
        if (id < 0)
            return 0;
        if ((_states[id] & State.InSnapshot) != 0)
            CopyToSnapshot(id, snapshot);
        var block = Block(id);
        var sequence = EntityPlan.Sequence(block);
        Bytes -= block.Length;
        NativeMemory.Free(_blocks[id]);
        _blocks[id] = null;
        // The lists that name the id pass over it, or over its next owner's second mention.
        _states[id] = State.None;
        _free.Add(id);
        _index.RemoveAt(slot);
        return sequence;
    }

    /// <summary>Drops entities that are over, among a number of blocks; again and again over all.</summary>
    /// <returns>How many were dropped.</returns>
    public int Sweep(int blocksMax, ReadOnlySpan<long> nowsMs, SnapshotPart snapshot)
    {
        if (_sweptIds < 0)
        {
            if (_retention is null || !_retention.IsDue(nowsMs, _passMs))
                return 0;
            nowsMs.CopyTo(_passMs);
            _sweptIds = 0;
        }

        var dropped = 0;
        for (var end = Math.Min(_ids, _sweptIds + blocksMax); _sweptIds < end; _sweptIds++)
        {
            if (_blocks[_sweptIds] == null || !_retention!.IsOver(_plan, Block(_sweptIds), nowsMs))
                continue;
            var key = EntityPlan.Key(Block(_sweptIds)).ToArray();
            TellRemoval(key, Remove(KeyHash.Of(key), key, snapshot) + 1);
            _dropped.Add(key);
            dropped++;
        }

        if (_sweptIds == _ids)
            _sweptIds = -1;
        return dropped;
    }

    /// <summary>Has it told that an entity is gone.</summary>
    public void TellRemoval(ReadOnlySpan<byte> key, long sequence)
    {
        foreach (var changes in _changes)
        {
            if ((_tracked & changes.Mark) != 0)
                changes.Removals.Enqueue((key.ToArray(), sequence));
        }
    }

    /// <summary>Has it told that an entity has changed, if there is one.</summary>
    public void TellChange(ulong hash, ReadOnlySpan<byte> key)
    {
        if (_index[Slot(hash, key)].Id is >= 0 and var id)
            Tell(id, _tracked);
    }

    /// <summary>Begins or ends keeping track of changes for a reader.</summary>
    public void Track(Outbox outbox, bool isTracked)
    {
        var changes = _changes[(int)outbox];
        if (isTracked)
        {
            _tracked |= changes.Mark;
            return;
        }

        _tracked &= ~changes.Mark;
        foreach (var id in changes.Ids)
            _states[id] &= ~changes.Mark;
        changes.Ids = new Queue<int>();
        changes.Removals.Clear();
    }

    /// <summary>Takes in a block from a checkpoint.</summary>
    public void Restore(ulong hash, ReadOnlySpan<byte> key, ReadOnlySpan<byte> block)
    {
        var id = Add(Slot(hash, key), hash, block.Length);
        block.CopyTo(Block(id, block.Length));
        Tell(id, _tracked & State.Unpublished);
    }

    /// <summary>Puts an entity back among those that wait for a reader, or its removal where it has no block and still has none.</summary>
    public void PutBack(Outbox outbox, ulong hash, ReadOnlySpan<byte> key, long removedSequence)
    {
        var (changes, id) = (_changes[(int)outbox], _index[Slot(hash, key)].Id);
        if (id >= 0)
            Tell(id, _tracked & changes.Mark);
        else if (removedSequence > 0 && (_tracked & changes.Mark) != 0)
            changes.Removals.Enqueue((key.ToArray(), removedSequence));
    }

    /// <summary>Has the next snapshot hold every block.</summary>
    public void MarkAllUnsaved()
    {
        for (var id = 0; id < _ids; id++)
        {
            if (_blocks[id] != null)
                MarkChanged(id);
        }
    }

    /// <summary>Fixes what the next snapshot holds: every block that changed since the last one began, as it is now.</summary>
    public void BeginSnapshot(SnapshotPart snapshot)
    {
        // Before the blocks: a key that has one again keeps it.
        foreach (var key in _dropped)
            snapshot.Add(_plan.Index, key, []);
        _dropped.Clear();
        foreach (var id in _unsaved.Span)
        {
            if ((_states[id] & State.Unsaved) != 0)
                _states[id] = _states[id] & ~State.Unsaved | State.InSnapshot;
        }

        _snapshot.TakeAll(_unsaved);
        UnsavedBytes = 0;
    }

    /// <summary>Copies some of the blocks that the snapshot still lacks.</summary>
    /// <returns>Whether all are copied.</returns>
    public bool CopySome(int bytesMax, SnapshotPart snapshot)
    {
        while (_snapshot.Count > 0 && bytesMax > 0)
        {
            var id = _snapshot.RemoveLast();
            if ((_states[id] & State.InSnapshot) == 0)
                continue;
            bytesMax -= Block(id).Length;
            CopyToSnapshot(id, snapshot);
        }

        return _snapshot.Count == 0;
    }

    /// <summary>Takes the entities whose change has waited longest for a reader, up to a number of them.</summary>
    public void Take(Outbox outbox, int countMax, BlockSet keys, List<long>? sequences, BlockSet? blocks)
    {
        var changes = _changes[(int)outbox];
        var taken = 0;
        for (; taken < countMax && changes.Removals.TryDequeue(out var removal); taken++)
        {
            keys.Add(removal.Key);
            sequences?.Add(removal.Sequence);
            blocks?.Add([]);
        }

        for (; taken < countMax && changes.Ids.Count > 0; taken++)
        {
            var id = changes.Ids.Dequeue();
            if ((_states[id] & changes.Mark) == 0)
                continue;
            _states[id] &= ~changes.Mark;
            var block = Block(id);
            if (Tombstones.IsPending(EntityPlan.Key(block)))
                continue;
            keys.Add(EntityPlan.Key(block));
            sequences?.Add(EntityPlan.Sequence(block));
            blocks?.Add(block);
        }
    }

    public void Dispose()
    {
        for (var id = 0; id < _ids; id++)
            NativeMemory.Free(_blocks[id]);
        // A reader that comes late finds nothing.
        foreach (var changes in _changes)
            changes.Ids.Clear();
        _ids = 0;
        _free.Clear();
        _index = new KeyIndex();
    }

    private Span<byte> Block(int id) => Block(id, EntityPlan.Length(new ReadOnlySpan<byte>(_blocks[id], 8)));

    private Span<byte> Block(int id, int length) => new(_blocks[id], length);

    private void MarkChanged(int id)
    {
        var state = _states[id];
        if ((state & State.Unsaved) == 0)
        {
            state |= State.Unsaved;
            _unsaved.Add(id);
            UnsavedBytes += Block(id).Length;
        }

        _states[id] = state;
        if ((_tracked & ~state) != 0)
            Tell(id, _tracked);
    }

    /// <summary>Has each of those whose marks these are told of a change, once.</summary>
    private void Tell(int id, State marks)
    {
        foreach (var changes in _changes)
        {
            if ((marks & changes.Mark & ~_states[id]) == 0)
                continue;
            _states[id] |= changes.Mark;
            changes.Ids.Enqueue(id);
        }
    }

    /// <summary>
    /// What the sequence of a new block goes on from where entities are dropped: greater than that of a dropped block of the key, whose events were older and fewer than
    /// 1,024 a millisecond; and the same in a replay.
    /// </summary>
    private static long FirstSequence(long timeMs) => Math.Max(0, timeMs) << 10;

    private void CopyToSnapshot(int id, SnapshotPart snapshot)
    {
        _states[id] &= ~State.InSnapshot;
        snapshot.Add(_plan.Index, Block(id));
    }

    private void Resize(int id, int length)
    {
        var block = (byte*)NativeMemory.AllocZeroed((nuint)length);
        var old = Block(id);
        _plan.Resize(old, new Span<byte>(block, length));
        Bytes += length - old.Length;
        NativeMemory.Free(_blocks[id]);
        _blocks[id] = block;
    }

    /// <summary>The slot of a key: its own, or the free one where it goes.</summary>
    private int Slot(ulong hash, ReadOnlySpan<byte> key)
    {
        var slot = _index.First(hash);
        while (!_index[slot].IsFree && !(_index[slot].Hash == hash && EntityPlan.Key(Block(_index[slot].Id)).SequenceEqual(key)))
            slot = _index.Next(slot);
        return slot;
    }

    private int Add(int slot, ulong hash, int length)
    {
        var id = _free.Count > 0 ? _free.RemoveLast() : _ids++;
        if (id == _blocks.Length)
        {
            Array.Resize(ref _states, id * 2);
            var blocks = new byte*[id * 2];
            Array.Copy(_blocks, blocks, id);
            _blocks = blocks;
        }

        _blocks[id] = (byte*)NativeMemory.AllocZeroed((nuint)length);
        Bytes += length;
        _index.Add(slot, hash, id, Count);
        return id;
    }

    /// <summary>What waits for one reader of changes.</summary>
    private sealed class Changes(State mark)
    {
        /// <summary>On each block that waits.</summary>
        public State Mark => mark;

        public Queue<int> Ids { get; set; } = new();

        public Queue<(byte[] Key, long Sequence)> Removals { get; } = new();
    }

    private sealed class IdList
    {
        private int[] _ids = new int[64];

        public int Count { get; private set; }

        public ReadOnlySpan<int> Span => _ids.AsSpan(0, Count);

        public void Add(int id)
        {
            if (Count == _ids.Length)
                Array.Resize(ref _ids, Count * 2);
            _ids[Count++] = id;
        }

        public int RemoveLast() => _ids[--Count];

        public void Clear() => Count = 0;

        /// <summary>Takes over the ids of another list, which is left empty; this one is empty before.</summary>
        public void TakeAll(IdList other)
        {
            (_ids, other._ids) = (other._ids, _ids);
            (Count, other.Count) = (other.Count, 0);
        }
    }
}

/// <summary>Who reads changes.</summary>
internal enum Outbox
{
    HotStore,
    Listeners,
}

/// <summary>Copies of the blocks that a snapshot holds.</summary>
internal sealed class SnapshotPart
{
    public List<int> Entities { get; } = [];

    public BlockSet Keys { get; } = new();

    public BlockSet Blocks { get; } = new();

    public void Add(int entity, ReadOnlySpan<byte> block) => Add(entity, EntityPlan.Key(block), block);

    public void Add(int entity, ReadOnlySpan<byte> key, ReadOnlySpan<byte> block)
    {
        Entities.Add(entity);
        Keys.Add(key);
        Blocks.Add(block);
    }

    public void Append(SnapshotPart other)
    {
        for (var index = 0; index < other.Entities.Count; index++)
            Add(other.Entities[index], other.Keys[index], other.Blocks[index]);
    }

    public void Clear()
    {
        Entities.Clear();
        Keys.Clear();
        Blocks.Clear();
    }
}
