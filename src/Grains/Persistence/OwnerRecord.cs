using System.Collections.Concurrent;
using System.Text.Json;
using FeatureStore.Core.Plans;
using FeatureStore.Runtime;

namespace FeatureStore.Grains.Persistence;

/// <summary>The record of a project's checkpoint: who owns the stream, S, and what of the state before this owner counts.</summary>
internal sealed record OwnerRecord
{
    private readonly Lazy<Dictionary<(string Entity, ulong Fingerprint), BlockLayout>> _layouts;
    private readonly ConcurrentDictionary<(EntityPlan Entity, BlockLayout From), BlockMigration> _migrations = new();

    public OwnerRecord() => _layouts = new(LayoutsByFingerprint);

    /// <summary>Of its owner; 0: there was none yet.</summary>
    public long Term { get; init; }

    /// <summary>Of the history of state.</summary>
    public Guid Incarnation { get; init; }

    /// <summary>The newest checkpoint; null before the first.</summary>
    public CheckpointHeader? Header { get; init; }

    /// <summary>Number of the checkpoint that the owner went on from.</summary>
    public long Base { get; init; }

    /// <summary>Numbers that earlier owners may have written blocks under, of checkpoints that they did not complete; ascending.</summary>
    public long[] GivenUp { get; init; } = [];

    /// <summary>Layouts of blocks under earlier definitions.</summary>
    public IReadOnlyList<EntityLayout> Layouts { get; init; } = [];

    /// <summary>What the joins keep as of <see cref="Header"/>, oldest first: of a key the newest counts.</summary>
    public IReadOnlyList<JoinSegment> Joins { get; init; } = [];

    /// <summary>Erased entities whose events the joins may find again.</summary>
    public IReadOnlyList<JoinErasure> JoinErasures { get; init; } = [];

    /// <summary>By topic and partition, how often a partition was made anew.</summary>
    public IReadOnlyDictionary<string, int[]> Generations { get; init; } = new Dictionary<string, int[]>();

    /// <summary>What the record is at the beginning of a new term.</summary>
    /// <returns>The record, and the number of the term's first interval.</returns>
    public (OwnerRecord Record, long Interval) BeginTerm()
    {
        var newest = Header?.Sequence ?? 0;
        // An owner that is gone may have been writing one more checkpoint.
        var begun = Math.Max(newest, GivenUp.LastOrDefault()) + 1;
        var isFirst = Term == 0;
        var next = this with
        {
            Term = Term + 1,
            Base = newest,
            GivenUp = isFirst ? [] : [.. GivenUp, begun],
            Layouts = [.. Layouts.Concat(Header?.Layouts ?? []).Distinct()],
        };
        return (next, isFirst ? begun : begun + 1);
    }

    /// <summary>Whether a block that was written as of a cut is of the history that the owner of this record goes on with.</summary>
    public bool Has(long term, long interval) => term >= Term || interval <= Base && Array.BinarySearch(GivenUp, interval) < 0;

    /// <summary>How a block under earlier definitions is migrated; null where it is under those of now, or its layout is not known.</summary>
    public BlockMigration? Migration(EntityPlan entity, ReadOnlySpan<byte> block) =>
        EntityPlan.LayoutOf(block) is var fingerprint && fingerprint != entity.LayoutFingerprint && _layouts.Value.TryGetValue((entity.Name, fingerprint), out var layout)
            ? _migrations.GetOrAdd((entity, layout), static pair => new BlockMigration(pair.From, pair.Entity)) : null;

    /// <exception cref="InvalidDataException">It is damaged.</exception>
    public static OwnerRecord Read(byte[] bytes)
    {
        try
        {
            return JsonSerializer.Deserialize<OwnerRecord>(bytes)!;
        }
        catch (JsonException exception)
        {
            throw new InvalidDataException("The cluster's checkpoint cannot be read. Restore a copy of the grain storage, or start with an empty one.", exception);
        }
    }

    public byte[] Write() => JsonSerializer.SerializeToUtf8Bytes(this);

    private Dictionary<(string Entity, ulong Fingerprint), BlockLayout> LayoutsByFingerprint()
    {
        var layouts = new Dictionary<(string, ulong), BlockLayout>();
        foreach (var layout in Layouts.Concat(Header?.Layouts ?? []).Where(layout => !layout.Entity.Contains(' ', StringComparison.Ordinal)))
        {
            var parsed = BlockLayout.Parse(layout.Layout);
            layouts[(layout.Entity, parsed.Fingerprint)] = parsed;
        }

        return layouts;
    }
}

/// <summary>Blocks of joins that changed before a checkpoint, in some records.</summary>
/// <param name="Checkpoint">The checkpoint's number.</param>
/// <param name="Parts">Number of records.</param>
/// <param name="Bytes">Of all of them.</param>
internal sealed record JoinSegment(long Checkpoint, int Parts, long Bytes);
