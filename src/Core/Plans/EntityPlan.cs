using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Text.Json;
using FeatureStore.Core.Blocks;
using FeatureStore.Core.Blocks.Containers;
using FeatureStore.Core.Definitions;
using FeatureStore.Core.Events;

namespace FeatureStore.Core.Plans;

/// <summary>
/// An entity, compiled: the layout of its block, how an event changes it, and how features are read from it as of a time.
/// Fixed section of a block: where a change that had to wait for room goes on (int64: containers that have taken the event in), event time of the newest event of each view
/// (int64), then for each source and condition the time of its newest event (int64) and its containers.
/// </summary>
public sealed class EntityPlan
{
    /// <summary>Longest encoded key, in bytes.</summary>
    public const int KeyBytesMax = 1024;

    /// <summary>Inputs of more bytes are computed on the heap.</summary>
    private const int StackBytesMax = 512;

    [ThreadStatic]
    private static byte[]? _inputs;

    private readonly EntityRoute?[] _routes;
    private readonly FeatureReader[] _readers;
    private readonly int[] _viewOfFeature;
    private readonly int _views;
    private readonly int _viewsOffset;
    private readonly int _resumeOffset;
    private readonly InputGroup[] _groups;
    private readonly Container[] _containers;
    private readonly Store[] _stores;
    private readonly int _fixedSize;
    private readonly (int Rows, int Bytes) _folds;

    /// <summary>Whether all features run along, so that reading puts no state together.</summary>
    private readonly bool _isRunning;

    internal EntityPlan(EntityPlanBuilder builder)
    {
        Index = builder.Index;
        Name = builder.Definition.Name;
        Keys = builder.Keys;
        Features = builder.Features;
        Layout = builder.Layout;
        _routes = builder.Routes;
        _readers = builder.Readers;
        _viewOfFeature = builder.ViewOfFeature;
        (_views, _viewsOffset, _resumeOffset) = (builder.ViewCount, builder.ViewsOffset, builder.ResumeOffset);
        _groups = builder.Groups;
        _containers = [.. _groups.SelectMany(group => group.Containers)];
        _stores = [.. _containers.SelectMany(container => container.Stores)];
        _fixedSize = builder.FixedSize;
        _folds = (builder.Folds, builder.FoldBytes);
        _isRunning = Array.TrueForAll(_readers, reader => reader.RunningColumn is not null);
    }

    public int Index { get; }

    public string Name { get; }

    /// <summary>Join keys with their types.</summary>
    public IReadOnlyList<FieldDefinition> Keys { get; }

    /// <summary>Features of all views of the entity, in order of definition.</summary>
    public IReadOnlyList<EntityFeature> Features { get; }

    /// <summary>How its blocks are laid out.</summary>
    public BlockLayout Layout { get; }

    /// <summary>Hash of the block's layout.</summary>
    public ulong LayoutFingerprint => Layout.Fingerprint;

    /// <summary>Index of a feature, or −1.</summary>
    public int IndexOf(string view, string feature)
    {
        for (var index = 0; index < Features.Count; index++)
        {
            if (Features[index].View.Name == view && Features[index].Name == feature)
                return index;
        }

        return -1;
    }

    /// <summary>Whether a view of the entity reads a source.</summary>
    public bool IsFedBy(int source) => _routes[source] is not null;

    /// <summary>
    /// Encodes a key, canonical and self-delimiting: int64 and timestamp as 8 bytes big-endian, bool as 1 byte, text as 2 bytes of length and UTF-8.
    /// </summary>
    /// <param name="row">Row that has the key fields.</param>
    /// <param name="fields">Index in the row of each key field.</param>
    /// <param name="key">At least <see cref="KeyBytesMax"/> bytes.</param>
    /// <returns>Bytes written; 0 where a key field is null or the key is too long.</returns>
    public int EncodeKey(in FieldRow row, ReadOnlySpan<int> fields, Span<byte> key)
    {
        var length = 0;
        for (var index = 0; index < fields.Length; index++)
        {
            var field = fields[index];
            if (!row.Has(field))
                return 0;
            switch (Keys[index].Type)
            {
                case FieldType.Bool:
                    if (length == KeyBytesMax)
                        return 0;
                    key[length++] = row.Bool(field) ? (byte)1 : (byte)0;
                    break;
                case FieldType.String:
                    var text = row.Text(field);
                    if (length + 2 + text.Length > KeyBytesMax)
                        return 0;
                    BinaryPrimitives.WriteUInt16BigEndian(key[length..], (ushort)text.Length);
                    text.CopyTo(key[(length + 2)..]);
                    length += 2 + text.Length;
                    break;
                default:
                    if (length + 8 > KeyBytesMax)
                        return 0;
                    BinaryPrimitives.WriteInt64BigEndian(key[length..], row.Int64(field));
                    length += 8;
                    break;
            }
        }

        return length;
    }

    /// <summary>Bytes that <see cref="EncodeKey"/> would need for key fields that all have values.</summary>
    public int KeyLength(in FieldRow row, ReadOnlySpan<int> fields)
    {
        var length = 0;
        for (var index = 0; index < fields.Length; index++)
        {
            length += Keys[index].Type switch
            {
                FieldType.Bool => 1,
                FieldType.String => 2 + row.Text(fields[index]).Length,
                _ => 8,
            };
        }

        return length;
    }

    /// <summary>Bytes of the block of an entity that has seen no event yet.</summary>
    public int EmptyLength(int keyLength) => BlockHeader.FixedOffset(keyLength) + _fixedSize;

    /// <summary>Makes the block of an entity that has seen no event yet.</summary>
    /// <param name="block">Zeroed, of <see cref="EmptyLength"/> bytes, aligned to 8.</param>
    /// <param name="key">The encoded key.</param>
    public void Initialize(Span<byte> block, ReadOnlySpan<byte> key)
    {
        BlockHeader.Write(block, LayoutFingerprint, key);
        var fixedOffset = BlockHeader.FixedOffset(block);
        ViewTimes(block, fixedOffset).Fill(long.MinValue);
        foreach (var group in _groups)
            NewestMs(block, fixedOffset, group) = long.MinValue;
        foreach (var container in _containers)
        {
            container.Initialize(block, fixedOffset);
            if (container.CountsUnknown)
                container.UnknownMs(block, fixedOffset) = long.MinValue;
        }
    }

    /// <summary>Applies an event of a source.</summary>
    /// <param name="block">The entity's block; changed in place.</param>
    /// <param name="source">Index of the source plan.</param>
    /// <param name="row">The event's fields.</param>
    /// <param name="timeMs">Event time, Unix ms; outside the years 1 to 9999 it counts as the nearest time inside.</param>
    /// <returns>0; or the length the block must be given by <see cref="Resize"/> before the same call is made again, which then goes on with the event.</returns>
    public int Apply(Span<byte> block, int source, in FieldRow row, long timeMs)
    {
        var route = _routes[source]!;
        var fixedOffset = BlockHeader.FixedOffset(block);
        timeMs = Math.Clamp(timeMs, Rfc3339.MinMs, Rfc3339.MaxMs);
        ref var resume = ref Memory.At<long>(block, fixedOffset + _resumeOffset);
        var taken = route.Taken(row);
        if (resume == 0 && !Reserve(block, fixedOffset, route, row, timeMs, taken))
            return (int)LengthWanted(block);

        var done = 0;
        for (var group = 0; group < route.Groups.Length; group++)
        {
            var containers = route.Groups[group].Containers;
            if (route.Takes(taken, group, row) && done + containers.Length > resume && !TryAdd(block, fixedOffset, route.Groups[group], row, timeMs, ref resume, done))
                return (int)LengthWanted(block);
            done += containers.Length;
        }

        resume = 0;
        var viewTimes = ViewTimes(block, fixedOffset);
        foreach (var view in route.Views)
            viewTimes[view] = Math.Max(viewTimes[view], timeMs);
        BlockHeader.CountEvent(block);
        return 0;
    }

    /// <summary>
    /// Takes back an event with the same time and fields that was applied, as a source's deletes and updates say. What no feature covers any more is left alone; an event that
    /// was not there changes nothing, and is counted.
    /// </summary>
    /// <param name="block">The entity's block; changed in place.</param>
    /// <param name="source">Index of the source plan; its envelope says that events may be taken back.</param>
    /// <param name="row">The event's fields.</param>
    /// <param name="timeMs">Event time, Unix ms; <see cref="CanRetract"/>.</param>
    /// <returns>0; or what <see cref="Apply"/> may return.</returns>
    public int Retract(Span<byte> block, int source, in FieldRow row, long timeMs)
    {
        var fixedOffset = BlockHeader.FixedOffset(block);
        var groups = _routes[source]!.Groups;
        timeMs = Math.Clamp(timeMs, Rfc3339.MinMs, Rfc3339.MaxMs);
        var isThere = true;
        foreach (var group in groups)
            isThere = isThere && (!group.Takes(row) || Retract(block, fixedOffset, group, row, timeMs, isTrial: true));
        if (!isThere)
        {
            CoreInstruments.RetractionsUnmatched.Add(1);
            return 0;
        }

        foreach (var group in groups)
        {
            if (group.Takes(row))
                Retract(block, fixedOffset, group, row, timeMs, isTrial: false);
        }

        BlockHeader.CountEvent(block);
        return 0;
    }

    /// <summary>Whether events of a source at a time can still be taken back: sessions and windows of the last events settle what is older than events may come late.</summary>
    public bool CanRetract(ReadOnlySpan<byte> block, int source, long timeMs)
    {
        if (_routes[source] is not { } route || block.IsEmpty)
            return false;
        var fixedOffset = BlockHeader.FixedOffset(block);
        foreach (var group in route.Groups)
        {
            foreach (var container in group.Containers)
            {
                if (!container.CanRemove(block, fixedOffset, timeMs))
                    return false;
            }
        }

        return true;
    }

    /// <summary>Asks the processor for what applying an event of a source, and reading right after it, will touch beyond the fixed section.</summary>
    public void PrefetchRings(ReadOnlySpan<byte> block)
    {
        var fixedOffset = BlockHeader.FixedOffset(block);
        foreach (var container in _containers)
            container.Prefetch(block, fixedOffset);
    }

    /// <summary>Asks the processor for the header and the fixed section of a block.</summary>
    public void PrefetchFixed(ReadOnlySpan<byte> block)
    {
        for (var offset = 0; offset < BlockHeader.Size + _fixedSize + Memory.LineBytes; offset += Memory.LineBytes)
            Memory.Prefetch(block, offset);
    }

    /// <summary>Copies a block into one of the length that <see cref="Apply"/> asked for.</summary>
    /// <param name="block">The block.</param>
    /// <param name="resized">Zeroed, aligned to 8.</param>
    public void Resize(ReadOnlySpan<byte> block, Span<byte> resized)
    {
        var fixedOffset = BlockHeader.FixedOffset(block);
        block[..(fixedOffset + _fixedSize)].CopyTo(resized);
        BlockHeader.SetLength(resized);
        var dataOffset = fixedOffset + _fixedSize;
        foreach (var store in _stores)
            dataOffset = store.Copy(block, resized, fixedOffset, dataOffset);
    }

    /// <summary>Whether blocks of another layout have keys of the same types, without which none of them can be migrated.</summary>
    public bool HasKeysOf(BlockLayout from)
    {
        ArgumentNullException.ThrowIfNull(from);
        return from.Slots.Count > 0 && from.Slots[0].Fingerprint == Layout.Slots[0].Fingerprint;
    }

    internal Container[] Containers => _containers;

    internal FeatureState StateOf(int feature) => _readers[feature].State;

    /// <summary>Bytes of a block with all the room that its stores want.</summary>
    internal long LengthWanted(ReadOnlySpan<byte> block)
    {
        var fixedOffset = BlockHeader.FixedOffset(block);
        var length = (long)fixedOffset + _fixedSize;
        foreach (var store in _stores)
            length += store.BytesWanted(block, fixedOffset);
        return length;
    }

    /// <summary>Reads features from a block as of a time. Null, and what is no number, is NaN.</summary>
    /// <param name="block">A block of this entity and layout; empty: an entity never seen, for which each feature has its empty value.</param>
    /// <param name="asOfMs">Unix milliseconds.</param>
    /// <param name="features">Indexes into <see cref="Features"/>.</param>
    /// <param name="values">One a feature.</param>
    public void Read(ReadOnlySpan<byte> block, long asOfMs, ReadOnlySpan<int> features, Span<double> values)
    {
        if (block.IsEmpty)
        {
            for (var index = 0; index < features.Length; index++)
                values[index] = _readers[features[index]].Empty;
            return;
        }

        var reading = new BlockReading(block, asOfMs, _isRunning ? null : Scratch.Begin(_folds.Bytes, _folds.Rows));
        (Container? Container, int Window) at = default;
        Sliding.Extent extent = default;
        FeatureReader? last = null;
        scoped ReadOnlySpan<byte> row = default;
        for (var index = 0; index < features.Length; index++)
        {
            var reader = _readers[features[index]];
            if (reader.Kind is not (FeatureKind.Number or FeatureKind.Integer))
            {
                values[index] = double.NaN;
                continue;
            }

            // Neighbours often share a window.
            if (reader.RunningColumn is not { } column)
            {
                row = reader.SharesRow(last) ? row : reader.Row(reading);
                last = reader;
                values[index] = reader.Read(reading, row);
                continue;
            }

            if (reader.Container != at.Container || reader.Window != at.Window)
            {
                extent = ((Sliding)reader.Container).ExtentAt(reading, reader.Window);
                at = (reader.Container, reader.Window);
            }

            values[index] = reader.ReadRunning(reading, column, extent);
        }
    }

    /// <summary>Writes a feature's value as of a time: a number, a text, a list, a map with its keys ascending, or null.</summary>
    /// <param name="block">As for <see cref="Read"/>.</param>
    /// <param name="asOfMs">Unix milliseconds.</param>
    /// <param name="feature">Index into <see cref="Features"/>.</param>
    /// <param name="writer">Where a value may be written.</param>
    public void WriteJson(ReadOnlySpan<byte> block, long asOfMs, int feature, Utf8JsonWriter writer)
    {
        ArgumentNullException.ThrowIfNull(writer);
        FeatureJson.Write(_readers[feature], new BlockReading(block, asOfMs, Scratch.Begin(_folds.Bytes, _folds.Rows)), writer);
    }

    /// <summary>Event time (Unix ms) of the newest event that a feature's view has applied; <see cref="long.MinValue"/> where there is none.</summary>
    public long NewestMs(ReadOnlySpan<byte> block, int feature) =>
        block.IsEmpty ? long.MinValue : ViewTimes(block, BlockHeader.FixedOffset(block))[_viewOfFeature[feature]];

    /// <summary>Number of events that the entity's windows no longer cover because more came than their limit.</summary>
    public long Overflowed(ReadOnlySpan<byte> block)
    {
        var overflowed = 0L;
        foreach (var container in _containers)
            overflowed += block.IsEmpty ? 0 : container.Overflowed(block, BlockHeader.FixedOffset(block));
        return overflowed;
    }

    /// <summary>Version of a block: grows by one with every event applied or taken back.</summary>
    public static long Sequence(ReadOnlySpan<byte> block) => BlockHeader.Sequence(block);

    /// <summary>Sets the version of a block that has seen no event yet: of an entity that begins anew, it goes on from before.</summary>
    public static void SetSequence(Span<byte> block, long sequence) => BlockHeader.SetSequence(block, sequence);

    /// <summary>The encoded key of a block.</summary>
    public static ReadOnlySpan<byte> Key(ReadOnlySpan<byte> block) => BlockHeader.Key(block);

    /// <summary>Fingerprint of the layout that a block says it has.</summary>
    public static ulong LayoutOf(ReadOnlySpan<byte> block) => BlockHeader.Fingerprint(block);

    /// <summary>Length of the block that begins here.</summary>
    public static int Length(ReadOnlySpan<byte> block) => BlockHeader.Length(block);

    /// <summary>Says what is wrong with a block that came from outside the process; null where it can be used.</summary>
    public string? Check(ReadOnlySpan<byte> block)
    {
        if (BlockHeader.Check(block, LayoutFingerprint, _fixedSize) is { } problem)
            return problem;
        var fixedOffset = BlockHeader.FixedOffset(block);
        if (Memory.At<long>(block, fixedOffset + _resumeOffset) != 0)
            return "is in the middle of a change";
        foreach (var group in _groups)
        {
            if (NewestMs(block, fixedOffset, group) is > Rfc3339.MaxMs or < Rfc3339.MinMs and not long.MinValue)
                return "has an impossible time";
        }

        return Check(_containers, block, fixedOffset + _fixedSize);
    }

    /// <summary>Says what is wrong with containers from outside the process.</summary>
    internal static string? Check(Container[] containers, ReadOnlySpan<byte> block, int dataOffset)
    {
        var fixedOffset = BlockHeader.FixedOffset(block);
        foreach (var container in containers)
        {
            foreach (var store in container.Stores)
            {
                if (store.Check(block, fixedOffset, ref dataOffset) is { } storeProblem)
                    return storeProblem;
            }
        }

        foreach (var container in containers)
        {
            if (container.Check(block, fixedOffset) is { } containerProblem)
                return containerProblem;
        }

        return dataOffset == block.Length ? null : "has bytes after its last data";
    }

    /// <summary>Prepares all containers for an event.</summary>
    /// <returns>False where some want room first.</returns>
    private static bool Reserve(Span<byte> block, int fixedOffset, EntityRoute route, in FieldRow row, long timeMs, ulong taken)
    {
        var fits = true;
        for (var group = 0; group < route.Groups.Length; group++)
        {
            var isTaken = route.Takes(taken, group, row);
            if (isTaken)
            {
                ref var newest = ref NewestMs(block, fixedOffset, route.Groups[group]);
                newest = Math.Max(newest, timeMs);
            }

            foreach (var container in route.Groups[group].Containers)
                fits &= container.Reserve(block, fixedOffset, timeMs, isTaken);
        }

        return fits;
    }

    /// <summary>Adds an event to a group's containers, from the one on at which an earlier attempt had to wait.</summary>
    [SkipLocalsInit]
    private static bool TryAdd(Span<byte> block, int fixedOffset, InputGroup group, in FieldRow row, long timeMs, ref long resume, int done)
    {
        Span<byte> inputs = group.InputBytes <= StackBytesMax ? stackalloc byte[StackBytesMax] : InputsOfThread(group.InputBytes);
        group.Evaluate(row, inputs);
        for (var index = Math.Max(0, (int)(resume - done)); index < group.Containers.Length; index++)
        {
            if (group.Containers[index].TryAdd(block, fixedOffset, timeMs, inputs))
                continue;
            // 0 says that nothing is under way; where the first waits, it is prepared once more.
            resume = done + index;
            return false;
        }

        return true;
    }

    private static bool Retract(Span<byte> block, int fixedOffset, InputGroup group, in FieldRow row, long timeMs, bool isTrial)
    {
        if (NewestMs(block, fixedOffset, group) == long.MinValue)
            return !KnowsAny(block, fixedOffset, group, timeMs);
        Span<byte> inputs = group.InputBytes <= StackBytesMax ? stackalloc byte[StackBytesMax] : InputsOfThread(group.InputBytes);
        group.Evaluate(row, inputs);
        foreach (var container in group.Containers)
        {
            if (isTrial && container.KnowsAll(block, fixedOffset, timeMs) && !container.Holds(block, fixedOffset, timeMs, inputs))
                return false;
            if (!isTrial)
                container.TryRemove(block, fixedOffset, timeMs, inputs);
        }

        return true;
    }

    private static bool KnowsAny(ReadOnlySpan<byte> block, int fixedOffset, InputGroup group, long timeMs)
    {
        foreach (var container in group.Containers)
        {
            if (container.KnowsAll(block, fixedOffset, timeMs))
                return true;
        }

        return false;
    }

    private static Span<byte> InputsOfThread(int length)
    {
        if (_inputs is null || _inputs.Length < length)
            _inputs = new byte[length];
        return _inputs.AsSpan(0, length);
    }

    private static ref long NewestMs(ReadOnlySpan<byte> block, int fixedOffset, InputGroup group) => ref Memory.At<long>(block, fixedOffset + group.NewestOffset);

    private Span<long> ViewTimes(Span<byte> block, int fixedOffset) => MemoryMarshal.Cast<byte, long>(block.Slice(fixedOffset + _viewsOffset, _views * 8));

    private ReadOnlySpan<long> ViewTimes(ReadOnlySpan<byte> block, int fixedOffset) =>
        MemoryMarshal.Cast<byte, long>(block.Slice(fixedOffset + _viewsOffset, _views * 8));
}

/// <summary>A feature of an entity.</summary>
/// <param name="View">The view's definition.</param>
/// <param name="Definition">The feature's definition.</param>
public sealed record EntityFeature(FeatureViewDefinition View, FeatureDefinition Definition)
{
    public string Name => Definition.Name;

    /// <summary>What its value is.</summary>
    public FeatureKind Kind { get; init; }
}

/// <summary>What an event of one source does to an entity.</summary>
/// <param name="Views">Which views are fed.</param>
/// <param name="Groups">The state that is fed, by condition.</param>
internal sealed record EntityRoute(int[] Views, InputGroup[] Groups)
{
    /// <summary>Which of the first 64 groups an event meets the condition of, one bit each.</summary>
    public ulong Taken(in FieldRow row)
    {
        var taken = 0UL;
        for (var group = 0; group < Math.Min(64, Groups.Length); group++)
            taken |= Groups[group].Takes(row) ? 1UL << group : 0;
        return taken;
    }

    /// <summary>Whether an event meets the condition of a group.</summary>
    public bool Takes(ulong taken, int group, in FieldRow row) => group < 64 ? (taken >> group & 1) != 0 : Groups[group].Takes(row);
}
