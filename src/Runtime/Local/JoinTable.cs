using System.Numerics;
using FeatureStore.Core.Events;
using FeatureStore.Core.Joins;
using FeatureStore.Core.Plans;

namespace FeatureStore.Runtime.Local;

/// <summary>
/// What one join keeps in one shard: a block a key, which of them changed since they were last saved, and when the oldest event of each is due to leave. A key
/// without events goes when a snapshot has said so. Not thread safe: the shard's gate guards it. Memory is allocated when it grows, not per event.
/// </summary>
internal sealed class JoinTable(JoinPlan plan, int snapshotIndex)
{
    private readonly List<byte[]>[] _spare = [.. Enumerable.Range(0, 32).Select(_ => new List<byte[]>())];
    private readonly PriorityQueue<int, long> _due = new();
    private readonly List<int> _free = [];
    private List<int> _unsaved = [];
    private List<int> _snapshot = [];
    private Slot[] _slots = new Slot[32];
    private KeyIndex _index = new();
    private int _ids;
    private int _copied;

    public JoinPlan Plan => plan;

    /// <summary>The pairs and single events of the batch at hand, in the order in which they were made.</summary>
    public EventBatch Joined { get; } = new(plan.Source.Schema);

    /// <summary>Of each event of <see cref="Joined"/>, the row of the event that made it; beyond all rows where time did.</summary>
    public List<int> Causes { get; } = [];

    /// <summary>Bytes of all blocks.</summary>
    public long Bytes { get; private set; }

    /// <summary>Bytes of the blocks that changed since the last snapshot began, at the size they had when they first changed.</summary>
    public long UnsavedBytes { get; private set; }

    /// <summary>Keys with events, or without since the last snapshot.</summary>
    public int Count => _ids - _free.Count;

    /// <summary>Forgets what the last batch made.</summary>
    public void Clear()
    {
        Joined.Clear();
        Causes.Clear();
    }

    /// <summary>Takes in an event, and adds the pairs that it makes to <see cref="Joined"/>.</summary>
    public void Add(ulong hash, ReadOnlySpan<byte> key, int side, EventBatch events, int row, SnapshotPart snapshot, JoinPairRule? isOut)
    {
        var id = Id(hash, key);
        Change(id, snapshot);
        ref var slot = ref _slots[id];
        var length = EntityPlan.Length(slot.Block) + plan.LengthOf(side, events.Row(row));
        if (length > slot.Block.Length)
            Move(ref slot, length);
        plan.Add(slot.Block, side, events, row, Joined, isOut);
        Attribute(row);
        if (plan.Limited(slot.Block, Joined, JoinEvent.Of(side, events, row), isOut) is > 0 and var gone)
            RuntimeInstruments.JoinOverflowed.Add(gone, new KeyValuePair<string, object?>("source", plan.Name));
        Attribute(int.MaxValue);
        Enqueue(id);
    }

    /// <summary>Lets events before a time leave; those without a partner are added to <see cref="Joined"/>.</summary>
    public void Expire(long beforeMs, in JoinEvent cause, SnapshotPart snapshot, JoinPairRule? isOut)
    {
        while (_due.TryPeek(out var id, out var dueMs) && dueMs < beforeMs)
        {
            _due.Dequeue();
            ref var slot = ref _slots[id];
            // The key may have been told of twice, or have gone.
            if (slot.DueMs != dueMs)
                continue;
            slot.DueMs = long.MaxValue;
            if (JoinPlan.OldestMs(slot.Block) < beforeMs)
            {
                Change(id, snapshot);
                plan.Expire(slot.Block, beforeMs, Joined, cause, isOut);
                Shrink(ref slot);
            }

            Enqueue(id);
        }

        Attribute(int.MaxValue);
    }

    /// <summary>Takes out the events that a rule means, of some of the keys.</summary>
    /// <param name="rule">The rule.</param>
    /// <param name="next">Where to go on; first 0.</param>
    /// <param name="bytesMax">About how many bytes to look at.</param>
    /// <param name="snapshot">Of the snapshot under way.</param>
    /// <returns>Whether all keys have been looked at.</returns>
    public bool EraseSome(JoinEventRule rule, ref int next, int bytesMax, SnapshotPart snapshot)
    {
        for (; next < _ids && bytesMax > 0; next++)
        {
            ref var slot = ref _slots[next];
            if (slot.Block.Length == 0)
                continue;
            bytesMax -= EntityPlan.Length(slot.Block);
            if (!plan.HasAny(slot.Block, rule))
                continue;
            Change(next, snapshot);
            plan.Erase(slot.Block, rule);
            // What is behind the rows is not to hold what they were.
            slot.Block.AsSpan(EntityPlan.Length(slot.Block)).Clear();
            Shrink(ref slot);
        }

        return next == _ids;
    }

    /// <summary>Takes in a block from a checkpoint.</summary>
    public void Restore(ulong hash, ReadOnlySpan<byte> key, ReadOnlySpan<byte> block)
    {
        var id = Id(hash, key);
        ref var slot = ref _slots[id];
        Move(ref slot, block.Length);
        block.CopyTo(slot.Block);
        Enqueue(id);
    }

    /// <summary>Has the next snapshot hold every block. While no snapshot is under way.</summary>
    public void MarkAllUnsaved()
    {
        for (var id = 0; id < _ids; id++)
        {
            if (_slots[id].Block.Length > 0)
                MarkUnsaved(id);
        }
    }

    /// <summary>Fixes what the next snapshot holds: every block that changed since the last one began, as it is now.</summary>
    public void BeginSnapshot()
    {
        foreach (var id in _unsaved)
            (_slots[id].IsUnsaved, _slots[id].IsInSnapshot) = (false, true);
        (_snapshot, _unsaved) = (_unsaved, _snapshot);
        _unsaved.Clear();
        _copied = 0;
        UnsavedBytes = 0;
    }

    /// <summary>Copies some of the blocks that the snapshot still lacks.</summary>
    /// <returns>Whether all are copied.</returns>
    public bool CopySome(int bytesMax, SnapshotPart snapshot)
    {
        for (; _copied < _snapshot.Count && bytesMax > 0; _copied++)
        {
            var id = _snapshot[_copied];
            if (!_slots[id].IsInSnapshot)
                continue;
            bytesMax -= EntityPlan.Length(_slots[id].Block);
            Copy(id, snapshot);
            if (JoinPlan.IsEmpty(_slots[id].Block))
                Remove(id);
        }

        return _copied == _snapshot.Count;
    }

    /// <summary>Says which event made what has been added to <see cref="Joined"/> since it was last said.</summary>
    private void Attribute(int cause)
    {
        while (Causes.Count < Joined.Count)
            Causes.Add(cause);
    }

    /// <summary>Has the key told of when its oldest event is due, unless it is told of before.</summary>
    private void Enqueue(int id)
    {
        ref var slot = ref _slots[id];
        var dueMs = JoinPlan.OldestMs(slot.Block);
        if (dueMs >= slot.DueMs)
            return;
        slot.DueMs = dueMs;
        _due.Enqueue(id, dueMs);
    }

    /// <summary>Before a block changes: the snapshot under way gets it as it was.</summary>
    private void Change(int id, SnapshotPart snapshot)
    {
        if (_slots[id].IsInSnapshot)
            Copy(id, snapshot);
        MarkUnsaved(id);
    }

    private void MarkUnsaved(int id)
    {
        ref var slot = ref _slots[id];
        if (slot.IsUnsaved)
            return;
        slot.IsUnsaved = true;
        _unsaved.Add(id);
        UnsavedBytes += EntityPlan.Length(slot.Block);
    }

    private void Copy(int id, SnapshotPart snapshot)
    {
        ref var slot = ref _slots[id];
        slot.IsInSnapshot = false;
        var block = slot.Block.AsSpan(0, EntityPlan.Length(slot.Block));
        snapshot.Add(snapshotIndex, EntityPlan.Key(block), JoinPlan.IsEmpty(block) ? [] : block);
    }

    private int Id(ulong hash, ReadOnlySpan<byte> key)
    {
        var at = Find(hash, key);
        if (!_index[at].IsFree)
            return _index[at].Id;
        var id = _ids;
        if (_free.Count > 0)
        {
            id = _free[^1];
            _free.RemoveAt(_free.Count - 1);
        }
        else if (_ids++ == _slots.Length)
        {
            Array.Resize(ref _slots, _ids * 2);
        }

        var length = JoinPlan.EmptyLength(key.Length);
        _slots[id] = new Slot { Hash = hash, DueMs = long.MaxValue, Block = Rent(length) };
        Bytes += _slots[id].Block.Length;
        plan.Initialize(_slots[id].Block.AsSpan(0, length), key);
        _index.Add(at, hash, id, Count);
        return id;
    }

    private void Remove(int id)
    {
        _index.RemoveAt(Find(_slots[id].Hash, EntityPlan.Key(_slots[id].Block)));
        Return(_slots[id].Block);
        Bytes -= _slots[id].Block.Length;
        _slots[id] = new Slot { DueMs = long.MaxValue, Block = [] };
        _free.Add(id);
    }

    /// <summary>The entry of a key: its own, or the free one where it goes.</summary>
    private int Find(ulong hash, ReadOnlySpan<byte> key)
    {
        var slot = _index.First(hash);
        while (!_index[slot].IsFree && !(_index[slot].Hash == hash && EntityPlan.Key(_slots[_index[slot].Id].Block).SequenceEqual(key)))
            slot = _index.Next(slot);
        return slot;
    }

    /// <summary>Gives memory back that a block does not need any more.</summary>
    private void Shrink(ref Slot slot)
    {
        if (EntityPlan.Length(slot.Block) * 4L <= slot.Block.Length)
            Move(ref slot, EntityPlan.Length(slot.Block));
    }

    private void Move(ref Slot slot, int length)
    {
        var block = Rent(length);
        slot.Block.AsSpan(0, Math.Min(length, EntityPlan.Length(slot.Block))).CopyTo(block);
        Return(slot.Block);
        Bytes += block.Length - slot.Block.Length;
        slot.Block = block;
    }

    /// <summary>Memory of a power of two, zeroed as far as it is asked for.</summary>
    private byte[] Rent(int length)
    {
        var size = BitOperations.Log2(BitOperations.RoundUpToPowerOf2((uint)Math.Max(length, 64)));
        var spare = _spare[size];
        if (spare.Count == 0)
            return new byte[1 << size];
        var block = spare[^1];
        spare.RemoveAt(spare.Count - 1);
        block.AsSpan(0, length).Clear();
        return block;
    }

    /// <summary>Keeps memory for the next block of its size; no more of it than the blocks in use have.</summary>
    private void Return(byte[] block)
    {
        var spare = _spare[BitOperations.Log2((uint)block.Length)];
        if ((spare.Count + 1L) * block.Length <= Math.Max(Bytes, 1 << 16))
            spare.Add(block);
    }

    private struct Slot
    {
        /// <summary>The key's block, at the beginning of this memory.</summary>
        public byte[] Block;
        public ulong Hash;

        /// <summary>Time of the oldest event that the queue knows of; the greatest where it knows of none.</summary>
        public long DueMs;
        public bool IsUnsaved;
        public bool IsInSnapshot;
    }
}
