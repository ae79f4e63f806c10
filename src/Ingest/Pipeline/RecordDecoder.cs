using FeatureStore.Core.Cleaning;
using FeatureStore.Core.Definitions;
using FeatureStore.Core.Events;
using FeatureStore.Core.Plans;
using FeatureStore.Ingest.DeadLetters;
using FeatureStore.Ingest.Decoding;

namespace FeatureStore.Ingest.Pipeline;

/// <summary>From a record's bytes to a clean row: decoding, cleaning rules, and the keys of the entities that the source feeds. One thread at a time.</summary>
internal sealed class RecordDecoder
{
    private readonly JsonEventDecoder _json;
    private readonly Cleaner _cleaner;
    private readonly ulong _keyFields;
    private readonly (EntityPlan Entity, int[] Fields, ulong Mask)[] _textKeys;

    public RecordDecoder(ProjectPlan plan, SourcePlan source)
    {
        _json = new JsonEventDecoder(source);
        _cleaner = new Cleaner(source);
        // Of an entity that the source only looks up, or names predictions by, the key may be missing, and may not be longer than keys are.
        var entities = plan.Entities
            .Select(entity => (Entity: entity, Fields: entity.Keys.Select(key => source.Schema.IndexOf(key.Name)).ToArray()))
            .Where(entity => !entity.Fields.Contains(-1))
            .Select(entity => (entity.Entity, entity.Fields, Mask: entity.Fields.Aggregate(0UL, (mask, field) => mask | 1UL << field))).ToArray();
        _keyFields = entities.Where(entity => entity.Entity.IsFedBy(source.Index)).Aggregate(0UL, (mask, entity) => mask | entity.Mask);
        _textKeys = [.. entities.Where(entity => entity.Entity.Keys.Any(key => key.Type == FieldType.String))];
    }

    /// <summary>Adds a record to a batch.</summary>
    /// <param name="batch">Unchanged where the record does not pass.</param>
    /// <param name="header">The record.</param>
    /// <param name="rejection">Why it is a dead letter; reason None where a cleaning rule drops it.</param>
    /// <returns>Whether it passed.</returns>
    public bool TryDecode(EventBatch batch, in EventHeader header, out Rejection rejection)
    {
        if (!_json.TryDecode(batch, header, out rejection))
            return false;
        var row = batch.Count - 1;
        if (!Passes(batch, row, ref rejection))
        {
            batch.RemoveLast();
            return false;
        }

        return true;
    }

    private bool Passes(EventBatch batch, int row, ref Rejection rejection)
    {
        var cleaned = _cleaner.Clean(batch, row);
        switch (cleaned.Verdict)
        {
            case CleanVerdict.Drop:
                IngestInstruments.Dropped.Add(1, IngestInstruments.CleaningRule);
                return false;
            case CleanVerdict.DeadLetter:
                rejection = new Rejection { Reason = RejectionReason.Cleaning, Cleaned = cleaned };
                return false;
        }

        var fields = batch.Row(row);
        if (!fields.HasAll(_keyFields))
        {
            rejection = new Rejection { Reason = RejectionReason.KeyMissing, Field = MissingKey(fields) };
            return false;
        }

        foreach (var (entity, keyFields, mask) in _textKeys)
        {
            if (!fields.HasAll(mask))
                continue;
            var length = entity.KeyLength(fields, keyFields);
            if (length > EntityPlan.KeyBytesMax)
            {
                rejection = new Rejection { Reason = RejectionReason.KeyTooLong, Field = keyFields[0], Measured = length, Limit = EntityPlan.KeyBytesMax };
                return false;
            }
        }

        return true;
    }

    private int MissingKey(in FieldRow fields)
    {
        var field = 0;
        while ((_keyFields >> field & 1) == 0 || fields.Has(field))
            field++;
        return field;
    }
}
