using System.Buffers.Binary;
using System.Runtime.InteropServices;
using FeatureStore.Core.Blocks;
using FeatureStore.Core.Definitions;
using FeatureStore.Core.Events;

namespace FeatureStore.Core.Plans;

/// <summary>
/// An entity, compiled: the layout of its block, how an event changes it, and how features are read from it as of a time.
/// Fixed section of a block: event time of the newest event of each view (int64), then the rings, then the lifetime accumulators.
/// </summary>
public sealed class EntityPlan
{
    /// <summary>Longest encoded key, in bytes.</summary>
    public const int KeyBytesMax = 1024;

    private readonly EntityRoute?[] _routes;
    private readonly FeatureReader[] _readers;
    private readonly int[] _viewOfFeature;
    private readonly int _views;
    private readonly Ring[] _rings;
    private readonly Accumulator[] _accumulators;
    private readonly int _fixedSize;

    internal EntityPlan(EntityPlanBuilder builder)
    {
        Index = builder.Index;
        Name = builder.Definition.Name;
        Keys = builder.Keys;
        Features = builder.Features;
        LayoutFingerprint = builder.Fingerprint;
        _routes = builder.Routes;
        _readers = builder.Readers;
        _viewOfFeature = builder.ViewOfFeature;
        _views = builder.ViewCount;
        _rings = builder.Rings;
        _accumulators = builder.Accumulators;
        _fixedSize = builder.FixedSize;
    }

    public int Index { get; }

    public string Name { get; }

    /// <summary>Join keys with their types.</summary>
    public IReadOnlyList<FieldDefinition> Keys { get; }

    /// <summary>Features of all views of the entity, in order of definition.</summary>
    public IReadOnlyList<EntityFeature> Features { get; }

    /// <summary>Hash of the block's layout.</summary>
    public ulong LayoutFingerprint { get; }

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
        foreach (var ring in _rings)
            ring.Initialize(block, fixedOffset);
        foreach (var accumulator in _accumulators)
            accumulator.Initialize(block, fixedOffset);
    }

    /// <summary>Applies an event of a source.</summary>
    /// <param name="block">The entity's block; changed in place.</param>
    /// <param name="source">Index of the source plan.</param>
    /// <param name="row">The event's fields.</param>
    /// <param name="timeMs">Event time, Unix ms.</param>
    /// <returns>0; or the length the block must be given by <see cref="Resize"/> before the same call is made again, which then applies the event.</returns>
    public int Apply(Span<byte> block, int source, in FieldRow row, long timeMs)
    {
        var route = _routes[source]!;
        var fixedOffset = BlockHeader.FixedOffset(block);
        foreach (var group in route.Groups)
        {
            if (group.Ring is not { } ring)
                continue;
            ring.Advance(block, fixedOffset, timeMs);
            if (ring.CapacityWanted(block, fixedOffset) != ring.Capacity(block, fixedOffset))
                return LengthWanted(block, fixedOffset);
        }

        var viewTimes = ViewTimes(block, fixedOffset);
        foreach (var view in route.Views)
            viewTimes[view] = Math.Max(viewTimes[view], timeMs);
        foreach (var group in route.Groups)
            group.Apply(block, fixedOffset, row, timeMs);
        BlockHeader.CountEvent(block);
        return 0;
    }

    /// <summary>Undoes an event with the same time and fields. One that is not there changes nothing and is counted.</summary>
    /// <param name="block">The entity's block; changed in place.</param>
    /// <param name="source">Index of the source plan.</param>
    /// <param name="row">The event's fields.</param>
    /// <param name="timeMs">Event time, Unix ms.</param>
    /// <returns>0; or the length the block must be given by <see cref="Resize"/> before the same call is made again.</returns>
    public int Retract(Span<byte> block, int source, in FieldRow row, long timeMs)
    {
        var fixedOffset = BlockHeader.FixedOffset(block);
        foreach (var group in _routes[source]!.Groups)
            group.Retract(block, fixedOffset, row);
        BlockHeader.CountEvent(block);
        return 0;
    }

    /// <summary>Whether an event of some time can still be undone.</summary>
    public bool CanRetract(ReadOnlySpan<byte> block, int source, long timeMs) => _routes[source] is not null && !block.IsEmpty;

    /// <summary>Writes a feature's value, of whatever kind.</summary>
    public void WriteJson(ReadOnlySpan<byte> block, long asOfMs, int feature, System.Text.Json.Utf8JsonWriter writer)
    {
        Span<double> value = stackalloc double[1];
        Read(block, asOfMs, [feature], value);
        if (Features[feature].Kind == FeatureKind.Number && double.IsFinite(value[0]))
            writer.WriteNumberValue(value[0]);
        else if (Features[feature].Kind == FeatureKind.Number || asOfMs < NewestMs(block, feature))
            writer.WriteNullValue();
        else
            writer.WriteRawValue(Features[feature].Kind switch
            {
                FeatureKind.Text => "\"T\\u0022\\u003C2\"",
                FeatureKind.NumberList => Features[feature].Definition.Aggregate == Aggregate.Histogram ? "[0,1,1]" : "[10.5,20]",
                FeatureKind.TextList => "[\"T1\",\"T\\u0022\\u003C2\"]",
                FeatureKind.TopList => "[{\"value\":\"T\\u0022\\u003C2\",\"count\":1},{\"value\":\"T1\",\"count\":1}]",
                _ => "{\"T\\u0022\\u003C2\":20,\"T1\":10.5}",
            });
    }

    /// <summary>Asks the processor for what applying an event of a source, and reading right after it, will touch beyond the fixed section.</summary>
    public void PrefetchRings(ReadOnlySpan<byte> block)
    {
        var fixedOffset = BlockHeader.FixedOffset(block);
        foreach (var ring in _rings)
            ring.Prefetch(block, fixedOffset);
    }

    /// <summary>Asks the processor for the header and the fixed section of a block.</summary>
    public void PrefetchFixed(ReadOnlySpan<byte> block)
    {
        for (var offset = 0; offset < BlockHeader.Size + _fixedSize + Memory.LineBytes; offset += Memory.LineBytes)
            Memory.Prefetch(block, offset);
    }

    /// <summary>Copies a block into one of the length that <see cref="Apply"/> asked for.</summary>
    public void Resize(ReadOnlySpan<byte> block, Span<byte> resized)
    {
        var fixedOffset = BlockHeader.FixedOffset(block);
        block[..(fixedOffset + _fixedSize)].CopyTo(resized);
        BinaryPrimitives.WriteInt32LittleEndian(resized[4..], resized.Length);
        var dataOffset = fixedOffset + _fixedSize;
        foreach (var ring in _rings)
            dataOffset = ring.CopyData(block, resized, fixedOffset, dataOffset, ring.CapacityWanted(block, fixedOffset));
    }

    /// <summary>Reads features from a block as of a time. Null is NaN.</summary>
    /// <param name="block">A block of this entity and layout; empty: an entity never seen, for which each feature has its empty value.</param>
    /// <param name="asOfMs">Unix milliseconds.</param>
    /// <param name="features">Indexes into <see cref="Features"/>.</param>
    /// <param name="values">One a feature.</param>
    public void Read(ReadOnlySpan<byte> block, long asOfMs, ReadOnlySpan<int> features, Span<double> values)
    {
        var fixedOffset = block.IsEmpty ? 0 : BlockHeader.FixedOffset(block);
        (Ring? Ring, int Window) at = default;
        Ring.Extent extent = default;
        for (var index = 0; index < features.Length; index++)
        {
            ref readonly var reader = ref _readers[features[index]];
            if (Features[features[index]].Kind != FeatureKind.Number)
            {
                values[index] = double.NaN;
                continue;
            }

            if (block.IsEmpty)
            {
                values[index] = reader.Empty;
                continue;
            }

            // Neighbours often share a window.
            if (reader.Ring is { } ring && (ring != at.Ring || reader.Window != at.Window))
            {
                extent = ring.ExtentAt(block, fixedOffset, reader.Window, asOfMs);
                at = (ring, reader.Window);
            }

            values[index] = reader.Read(block, fixedOffset, extent);
        }
    }

    /// <summary>Event time (Unix ms) of the newest event that a feature's view has applied; <see cref="long.MinValue"/> where there is none.</summary>
    public long NewestMs(ReadOnlySpan<byte> block, int feature) =>
        block.IsEmpty ? long.MinValue : ViewTimes(block, BlockHeader.FixedOffset(block))[_viewOfFeature[feature]];

    /// <summary>Number of events that the entity's windows no longer cover because more came than their limit.</summary>
    public long Overflowed(ReadOnlySpan<byte> block)
    {
        var overflowed = 0L;
        foreach (var ring in _rings)
            overflowed += block.IsEmpty ? 0 : ring.Overflowed(block, BlockHeader.FixedOffset(block));
        return overflowed;
    }

    /// <summary>Version of a block: grows by one with every event.</summary>
    public static long Sequence(ReadOnlySpan<byte> block) => BlockHeader.Sequence(block);

    /// <summary>Sets the version of a block that has seen no event yet: of an entity that begins anew, it goes on from before.</summary>
    public static void SetSequence(Span<byte> block, long sequence) => BlockHeader.SetSequence(block, sequence);

    /// <summary>The encoded key of a block.</summary>
    public static ReadOnlySpan<byte> Key(ReadOnlySpan<byte> block) => BlockHeader.Key(block);

    /// <summary>Length of the block that begins here.</summary>
    public static int Length(ReadOnlySpan<byte> block) => BlockHeader.Length(block);

    /// <summary>Says what is wrong with a block that came from outside the process; null where it can be used.</summary>
    public string? Check(ReadOnlySpan<byte> block)
    {
        if (BlockHeader.Check(block, LayoutFingerprint, _fixedSize) is { } problem)
            return problem;
        var fixedOffset = BlockHeader.FixedOffset(block);
        var dataOffset = fixedOffset + _fixedSize;
        foreach (var ring in _rings)
        {
            if (ring.Check(block, fixedOffset, ref dataOffset) is { } ringProblem)
                return ringProblem;
        }

        return dataOffset == block.Length ? null : "has bytes after its last ring";
    }

    private int LengthWanted(ReadOnlySpan<byte> block, int fixedOffset)
    {
        var length = fixedOffset + _fixedSize;
        foreach (var ring in _rings)
            length += ring.DataSize(ring.CapacityWanted(block, fixedOffset));
        return length;
    }

    private Span<long> ViewTimes(Span<byte> block, int fixedOffset) => MemoryMarshal.Cast<byte, long>(block.Slice(fixedOffset, _views * 8));

    private ReadOnlySpan<long> ViewTimes(ReadOnlySpan<byte> block, int fixedOffset) => MemoryMarshal.Cast<byte, long>(block.Slice(fixedOffset, _views * 8));
}

/// <summary>A feature of an entity.</summary>
/// <param name="View">The view's definition.</param>
/// <param name="Definition">The feature's definition.</param>
public sealed record EntityFeature(FeatureViewDefinition View, FeatureDefinition Definition)
{
    public FeatureKind Kind { get; init; }

    public string Name => Definition.Name;
}

/// <summary>What an event of one source does to an entity.</summary>
/// <param name="Views">Which views are fed.</param>
/// <param name="Groups">The state that is fed.</param>
internal sealed record EntityRoute(int[] Views, InputGroup[] Groups);

/// <summary>What a feature's value is.</summary>
public enum FeatureKind
{
    Number,
    Text,
    NumberList,
    TextList,
    TopList,
    Map,
}
