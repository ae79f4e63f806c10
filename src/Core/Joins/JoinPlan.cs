using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
using FeatureStore.Core.Blocks;
using FeatureStore.Core.Definitions;
using FeatureStore.Core.Events;
using FeatureStore.Core.Plans;

namespace FeatureStore.Core.Joins;

/// <summary>
/// A join, compiled: what it keeps of a key, which pairs an event makes with that, and what leaves. A block holds the events of both sides that may still
/// have partners, by time and, where times are equal, arrival. Its fixed section: number of rows, number of the left ones (int32 each).
/// </summary>
public sealed class JoinPlan
{
    private const int FixedBytes = 8;

    private readonly EntityPlan _key;
    private readonly int[][] _keyFields;

    /// <summary>For each side and each of its fields, the field of the joined event.</summary>
    private readonly int[][] _targets;

    internal JoinPlan(int index, SourcePlan source, IReadOnlyList<SourcePlan> sources)
    {
        var definition = source.Definition.Join!;
        Index = index;
        Source = source;
        Left = sources.First(side => side.Definition.Name == definition.Left);
        Right = sources.First(side => side.Definition.Name == definition.Right);
        WithinMs = (long)definition.Within.TotalMilliseconds;
        KeptMs = WithinMs + (long)JoinedSources.DisorderOf(Left.Definition, Right.Definition).TotalMilliseconds;
        Limit = definition.Limit;
        Unmatched = definition.Unmatched;
        var entity = new EntityDefinition { Name = source.Definition.Name, Keys = definition.On };
        _key = new EntityPlan(new EntityPlanBuilder(index, entity, new ProjectDefinition { Project = "" }, [Left]));
        _keyFields = [.. Sides.Select(side => definition.On.Select(side.Schema.IndexOf).ToArray())];
        _targets =
        [
            [.. Enumerable.Range(0, Left.Schema.Count)],
            [.. Right.Schema.Fields.Select(field => source.Schema.IndexOf(definition.On.Contains(field.Name) ? field.Name : JoinedSources.NameOfRight(Left.Definition, field.Name)))],
        ];
        var description = $"join {string.Join(',', definition.On)} left {string.Join(',', Left.Schema.Fields)} right {string.Join(',', Right.Schema.Fields)}";
        LayoutFingerprint = BinaryPrimitives.ReadUInt64LittleEndian(SHA256.HashData(Encoding.UTF8.GetBytes(description)));
    }

    /// <summary>Place among the joins.</summary>
    public int Index { get; }

    /// <summary>The joined source.</summary>
    public SourcePlan Source { get; }

    public SourcePlan Left { get; }

    public SourcePlan Right { get; }

    public string Name => Source.Definition.Name;

    /// <summary>How far apart two partners may be.</summary>
    public long WithinMs { get; }

    /// <summary>
    /// How much later than an event another one, of either side, must be for it to leave. The sides are aligned: what the other side can still bring is at most the alignment and
    /// the lateness behind, unless it has had nothing to read. So the rule goes by the events alone, a side that is silent holds nothing back, and a replay up to some
    /// position lets go of the same events.
    /// </summary>
    public long KeptMs { get; }

    /// <summary>Events of a side kept for a key.</summary>
    public int Limit { get; }

    public JoinUnmatched Unmatched { get; }

    /// <summary>Hash of what its blocks hold.</summary>
    public ulong LayoutFingerprint { get; }

    /// <summary>
    /// By side, whose events its events are: those of the entities that the side's source feeds, and of those that the joined source feeds with a key that is wholly of this side or
    /// of what is equal on both.
    /// </summary>
    public IReadOnlyList<IReadOnlyList<JoinOwner>> Owners { get; private set; } = [[], []];

    /// <summary>Whether an event is one of an entity's.</summary>
    public bool IsOf(in JoinEvent one, EntityPlan entity, ReadOnlySpan<byte> key)
    {
        ArgumentNullException.ThrowIfNull(entity);
        Span<byte> own = stackalloc byte[EntityPlan.KeyBytesMax];
        foreach (var owner in Owners[one.Side])
        {
            if (owner.Entity == entity.Index && key.SequenceEqual(own[..entity.EncodeKey(one.Fields, owner.Fields, own)]))
                return true;
        }

        return false;
    }

    /// <summary>Whether an entity's events may wait.</summary>
    public bool HasOwner(int entity) => Owners.Any(side => side.Any(owner => owner.Entity == entity));

    private SourcePlan[] Sides => [Left, Right];

    /// <summary>Finds whose events the sides' events are.</summary>
    internal void FindOwners(IReadOnlyList<EntityPlan> entities)
    {
        Owners = [.. Enumerable.Range(0, 2).Select(side => entities.SelectMany(entity => new[]
        {
            FieldsOf(entity, Sides[side].Index, [.. entity.Keys.Select(key => SchemaOf(side).IndexOf(key.Name))]),
            FieldsOf(entity, Source.Index, [.. entity.Keys.Select(key => Array.IndexOf(_targets[side], Source.Schema.IndexOf(key.Name)))]),
        }).OfType<JoinOwner>().DistinctBy(owner => (owner.Entity, string.Join(',', owner.Fields))).ToArray())];

        static JoinOwner? FieldsOf(EntityPlan entity, int source, int[] fields) =>
            entity.IsFedBy(source) && !fields.Contains(-1) ? new JoinOwner(entity.Index, fields) : null;
    }

    /// <summary>Encodes the key of an event as an entity's is.</summary>
    /// <returns>Bytes written; 0 where a field is null or the key too long: the event joins nothing.</returns>
    public int EncodeKey(int side, in FieldRow row, Span<byte> key) => _key.EncodeKey(row, _keyFields[side], key);

    /// <summary>Bytes of a block without rows.</summary>
    public static int EmptyLength(int keyLength) => BlockHeader.FixedOffset(keyLength) + FixedBytes;

    /// <summary>Makes a block without rows.</summary>
    /// <param name="block">Zeroed, of <see cref="EmptyLength"/> bytes, aligned to 8.</param>
    /// <param name="key">The encoded key.</param>
    public void Initialize(Span<byte> block, ReadOnlySpan<byte> key) => BlockHeader.Write(block, LayoutFingerprint, key);

    /// <summary>Whether a block keeps no event.</summary>
    public static bool IsEmpty(ReadOnlySpan<byte> block) => RowsOf(block) == 0;

    /// <summary>Time of the oldest event kept; <see cref="long.MaxValue"/> where there is none.</summary>
    public static long OldestMs(ReadOnlySpan<byte> block) => IsEmpty(block) ? long.MaxValue : JoinRow.TimeMs(block[RowsStart(block)..]);

    /// <summary>Bytes by which an event makes a block longer.</summary>
    public int LengthOf(int side, in FieldRow row) => JoinRow.LengthOf(row, SchemaOf(side));

    /// <summary>Adds an event to what a block keeps, and the pairs that it makes to a batch, by the time of the other side's event and then its arrival.</summary>
    /// <param name="block">The key's block, with room for the event behind it.</param>
    /// <param name="side">0: the event is of the left, 1: of the right.</param>
    /// <param name="events">Batch of the event.</param>
    /// <param name="row">Its row.</param>
    /// <param name="joined">Gets the pairs.</param>
    /// <param name="isOut">Two of which one was erased before the other was read make none; null: none was erased.</param>
    /// <returns>Pairs made.</returns>
    public int Add(Span<byte> block, int side, EventBatch events, int row, EventBatch joined, JoinPairRule? isOut = null)
    {
        ArgumentNullException.ThrowIfNull(events);
        ArgumentNullException.ThrowIfNull(joined);
        var fields = events.Row(row);
        ref readonly var header = ref events[row];
        var added = JoinEvent.Of(side, events, row);
        var (used, pairs, at) = (BlockHeader.Length(block), 0, RowsStart(block));
        var place = used;
        for (; at < used; at += JoinRow.Length(block[at..]))
        {
            var kept = block[at..];
            var timeMs = JoinRow.TimeMs(kept);
            if (timeMs > header.TimeMs)
                place = Math.Min(place, at);
            if (timeMs > header.TimeMs + WithinMs)
                break;
            if (JoinRow.Side(kept) == side || timeMs < header.TimeMs - WithinMs)
                continue;
            if (isOut is not null && (isOut(EventOf(kept), added) || isOut(added, EventOf(kept))))
                continue;
            JoinRow.SetMatched(kept);
            AddPair(joined, header, side, fields, kept, ++pairs);
        }

        Insert(block, place, side, header, fields);
        if (pairs > 0)
            JoinRow.SetMatched(block[place..]);
        return pairs;
    }

    /// <summary>Takes out the oldest events beyond the limit of a cause's side; those that had no partner are added to a batch where they are asked for.</summary>
    /// <param name="block">The key's block.</param>
    /// <param name="joined">Gets the events without a partner.</param>
    /// <param name="cause">The event that was one too many.</param>
    /// <param name="isOut">Those that were erased before it was read do not count; null: none was.</param>
    /// <returns>Events taken out.</returns>
    public int Limited(Span<byte> block, EventBatch joined, in JoinEvent cause, JoinPairRule? isOut = null)
    {
        var (gone, beyond) = (0, CountOf(block, cause.Side) - Limit);
        for (var at = RowsStart(block); isOut is not null && beyond > 0 && at < BlockHeader.Length(block); at += JoinRow.Length(block[at..]))
            beyond -= JoinRow.Side(block[at..]) == cause.Side && isOut(EventOf(block[at..]), cause) ? 1 : 0;
        for (var at = RowsStart(block); gone < beyond;)
        {
            if (JoinRow.Side(block[at..]) != cause.Side || isOut is not null && isOut(EventOf(block[at..]), cause))
            {
                at += JoinRow.Length(block[at..]);
                continue;
            }

            Leave(block[at..], joined);
            Remove(block, at);
            gone++;
        }

        return gone;
    }

    /// <summary>Whether a block keeps an event that a rule means.</summary>
    public bool HasAny(ReadOnlySpan<byte> block, JoinEventRule rule)
    {
        ArgumentNullException.ThrowIfNull(rule);
        for (var (at, length) = (RowsStart(block), BlockHeader.Length(block)); at < length; at += JoinRow.Length(block[at..]))
        {
            if (rule(EventOf(block[at..])))
                return true;
        }

        return false;
    }

    /// <summary>Takes out the events that a rule means, as if they had never come; the partners that they had stay as ones that had one.</summary>
    public void Erase(Span<byte> block, JoinEventRule rule)
    {
        ArgumentNullException.ThrowIfNull(rule);
        for (var at = RowsStart(block); at < BlockHeader.Length(block);)
        {
            if (rule(EventOf(block[at..])))
                Remove(block, at);
            else
                at += JoinRow.Length(block[at..]);
        }
    }

    /// <summary>Takes out the events before a time; those that had no partner are added to a batch where they are asked for, in order of time.</summary>
    /// <param name="block">The key's block.</param>
    /// <param name="beforeMs">The time, Unix ms.</param>
    /// <param name="joined">Gets the events without a partner.</param>
    /// <param name="cause">The event with which the time came.</param>
    /// <param name="isOut">Those that were erased before it was read go without a word; null: none was.</param>
    public void Expire(Span<byte> block, long beforeMs, EventBatch joined, in JoinEvent cause, JoinPairRule? isOut = null)
    {
        var start = RowsStart(block);
        var (end, rows, left, length) = (start, 0, 0, BlockHeader.Length(block));
        for (; end < length && JoinRow.TimeMs(block[end..]) < beforeMs; end += JoinRow.Length(block[end..]))
        {
            if (isOut is null || !isOut(EventOf(block[end..]), cause))
                Leave(block[end..], joined);
            rows++;
            left += 1 - JoinRow.Side(block[end..]);
        }

        if (rows > 0)
            Cut(block, start, end, rows, left);
    }

    /// <summary>Says what is wrong with a block that came from outside the process; null where it can be used.</summary>
    public string? Check(ReadOnlySpan<byte> block)
    {
        if (BlockHeader.Check(block, LayoutFingerprint, FixedBytes) is { } problem)
            return problem;
        var (at, rows, left, lastMs) = (RowsStart(block), 0, 0, long.MinValue);
        for (; at < block.Length; at += JoinRow.Length(block[at..]))
        {
            if (JoinRow.Check(block[at..], Left.Schema, Right.Schema) is { } wrong)
                return wrong;
            if (JoinRow.TimeMs(block[at..]) < lastMs)
                return "has rows that are not in order";
            lastMs = JoinRow.TimeMs(block[at..]);
            rows++;
            left += 1 - JoinRow.Side(block[at..]);
        }

        return rows == RowsOf(block) && left == CountOf(block, 0) ? null : "has another number of rows than it says";
    }

    private JoinEvent EventOf(ReadOnlySpan<byte> kept)
    {
        var side = JoinRow.Side(kept);
        return new JoinEvent(side, JoinRow.Partition(kept), JoinRow.Offset(kept), JoinRow.Fields(kept, SchemaOf(side)));
    }

    private RowSchema SchemaOf(int side) => (side == 0 ? Left : Right).Schema;

    private static int RowsStart(ReadOnlySpan<byte> block) => BlockHeader.FixedOffset(block) + FixedBytes;

    private static int RowsOf(ReadOnlySpan<byte> block) => BinaryPrimitives.ReadInt32LittleEndian(block[BlockHeader.FixedOffset(block)..]);

    private static int CountOf(ReadOnlySpan<byte> block, int side)
    {
        var left = BinaryPrimitives.ReadInt32LittleEndian(block[(BlockHeader.FixedOffset(block) + 4)..]);
        return side == 0 ? left : RowsOf(block) - left;
    }

    private void Insert(Span<byte> block, int place, int side, in EventHeader header, in FieldRow fields)
    {
        var used = BlockHeader.Length(block);
        var length = LengthOf(side, fields);
        block[place..used].CopyTo(block[(place + length)..]);
        JoinRow.Write(block.Slice(place, length), side, header, fields, SchemaOf(side));
        SetRows(block, used + length, 1, 1 - side);
        BlockHeader.CountEvent(block);
    }

    private static void Remove(Span<byte> block, int at) => Cut(block, at, at + JoinRow.Length(block[at..]), 1, 1 - JoinRow.Side(block[at..]));

    private static void Cut(Span<byte> block, int from, int to, int rows, int left)
    {
        var used = BlockHeader.Length(block);
        block[to..used].CopyTo(block[from..]);
        SetRows(block, used - (to - from), -rows, -left);
        BlockHeader.CountEvent(block);
    }

    private static void SetRows(Span<byte> block, int length, int rows, int left)
    {
        var counts = block[BlockHeader.FixedOffset(block)..];
        var (rowsBefore, leftBefore) = (RowsOf(block), CountOf(block, 0));
        BinaryPrimitives.WriteInt32LittleEndian(counts, rowsBefore + rows);
        BinaryPrimitives.WriteInt32LittleEndian(counts[4..], leftBefore + left);
        BinaryPrimitives.WriteInt32LittleEndian(block[4..], length);
    }

    private void AddPair(EventBatch joined, in EventHeader header, int side, in FieldRow fields, ReadOnlySpan<byte> kept, int ordinal)
    {
        var pair = joined.Add(header);
        joined[pair].TimeMs = Math.Max(header.TimeMs, JoinRow.TimeMs(kept));
        joined[pair].Origin = (side == 0 ? Left : Right).Index;
        joined[pair].Ordinal = ordinal;
        SetFields(joined, pair, side, fields);
        SetFields(joined, pair, 1 - side, JoinRow.Fields(kept, SchemaOf(1 - side)));
    }

    /// <summary>An event leaves, as one by itself where it had no partner and such are asked for.</summary>
    private void Leave(ReadOnlySpan<byte> kept, EventBatch joined)
    {
        var side = JoinRow.Side(kept);
        if (JoinRow.IsMatched(kept) || Unmatched != JoinUnmatched.Both && Unmatched != (side == 0 ? JoinUnmatched.Left : JoinUnmatched.Right))
            return;
        var row = joined.Add(new EventHeader
        {
            TimeMs = JoinRow.TimeMs(kept),
            Partition = JoinRow.Partition(kept),
            Offset = JoinRow.Offset(kept),
            Origin = (side == 0 ? Left : Right).Index,
        });
        SetFields(joined, row, side, JoinRow.Fields(kept, SchemaOf(side)));
    }

    private void SetFields(EventBatch joined, int row, int side, in FieldRow fields)
    {
        var schema = SchemaOf(side);
        var targets = _targets[side];
        for (var field = 0; field < targets.Length; field++)
        {
            if (!fields.Has(field))
                continue;
            if (JoinRow.IsText(schema, field))
                joined.SetText(row, targets[field], fields.Text(field));
            else
                joined.SetInt64(row, targets[field], fields.Int64(field));
        }
    }
}
