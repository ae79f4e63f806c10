using FeatureStore.Core.Cleaning;
using FeatureStore.Core.Definitions;
using FeatureStore.Core.Events;
using FeatureStore.Core.Plans;
using FeatureStore.Ingest.DeadLetters;
using FeatureStore.Ingest.Decoding;

namespace FeatureStore.Ingest.Pipeline;

/// <summary>From a record's bytes to clean rows: decoding, cleaning rules, and the keys of the entities that the source feeds. One thread at a time.</summary>
internal sealed class RecordDecoder
{
    private readonly JsonEventDecoder _json;
    private readonly DebeziumEnvelope? _envelope;
    private readonly Cleaner _cleaner;
    private readonly ulong _keyFields;
    private readonly (EntityPlan Entity, int[] Fields, ulong Mask)[] _textKeys;

    public RecordDecoder(ProjectPlan plan, SourcePlan source)
    {
        _json = new JsonEventDecoder(source);
        _envelope = source.Definition.Envelope == EventEnvelope.Debezium ? new DebeziumEnvelope() : null;
        _cleaner = new Cleaner(source);
        // Of an entity that the source only looks up, or names predictions by, the key may be missing, and may not be longer than keys are.
        var entities = plan.Entities
            .Select(entity => (Entity: entity, Fields: entity.Keys.Select(key => source.Schema.IndexOf(key.Name)).ToArray()))
            .Where(entity => !entity.Fields.Contains(-1))
            .Select(entity => (entity.Entity, entity.Fields, Mask: entity.Fields.Aggregate(0UL, (mask, field) => mask | 1UL << field))).ToArray();
        _keyFields = entities.Where(entity => entity.Entity.IsFedBy(source.Index)).Aggregate(0UL, (mask, entity) => mask | entity.Mask);
        _textKeys = [.. entities.Where(entity => entity.Entity.Keys.Any(key => key.Type == FieldType.String))];
    }

    /// <summary>
    /// Adds what a record says to a batch: an event; or, of a change of a row, a retraction of what was and then an event of what is now, as far as each passes.
    /// What did not pass when it came is not taken back.
    /// </summary>
    /// <param name="batch">Gets the rows.</param>
    /// <param name="header">The record.</param>
    /// <param name="rejection">Why it is a dead letter (a retraction may pass all the same); reason None where it is none, and where it is dropped.</param>
    /// <returns>Rows added: 0 to 2.</returns>
    public int Decode(EventBatch batch, in EventHeader header, out Rejection rejection)
    {
        if (_envelope is null)
            return _json.TryDecode(batch, header, out rejection) && Passes(batch, header, ref rejection) ? 1 : 0;
        if (IsTombstone(header))
        {
            rejection = default;
            IngestInstruments.Dropped.Add(1, IngestInstruments.Tombstone);
            return 0;
        }

        rejection = _envelope.Read(header, out var change);
        if (change.Operation == RowOperation.Message)
            IngestInstruments.Dropped.Add(1, IngestInstruments.Message);
        return Decode(batch, header, change, ref rejection);
    }

    private unsafe int Decode(EventBatch batch, EventHeader header, in RowChange change, ref Rejection rejection)
    {
        var rows = 0;
        header.IsUpdate = change.Operation == RowOperation.Update;
        if (change.Operation is RowOperation.Update or RowOperation.Delete && change.Before.IsObject)
        {
            header.IsRetraction = true;
            var problem = default(Rejection);
            if (_json.TryDecode(batch, header, change.Before.Start, change.Before.End, out problem) && Passes(batch, header, ref problem))
            {
                rows++;
            }
            else if (problem.Reason == RejectionReason.MissingTimestamp)
            {
                // Every event has a time, so this is a part of the row: its key only.
                rejection = new Rejection { Reason = RejectionReason.MissingBefore };
                return 0;
            }
        }

        if (change.Operation is RowOperation.Create or RowOperation.Read or RowOperation.Update && change.After.IsObject)
        {
            header.IsRetraction = false;
            if (_json.TryDecode(batch, header, change.After.Start, change.After.End, out rejection) && Passes(batch, header, ref rejection))
                rows++;
        }

        return rows;
    }

    private static unsafe bool IsTombstone(in EventHeader header) => header.Value == null;

    /// <summary>Cleans the newest row and looks at its keys; one that does not pass is taken out.</summary>
    private bool Passes(EventBatch batch, in EventHeader header, ref Rejection rejection)
    {
        var row = batch.Count - 1;
        var cleaned = _cleaner.Clean(batch, row);
        if (cleaned.Verdict == CleanVerdict.Keep && HasKeys(batch, row, ref rejection))
            return true;
        batch.RemoveLast();
        if (cleaned.Verdict == CleanVerdict.Drop && !header.IsRetraction)
            IngestInstruments.Dropped.Add(1, IngestInstruments.CleaningRule);
        if (cleaned.Verdict == CleanVerdict.DeadLetter)
            rejection = new Rejection { Reason = RejectionReason.Cleaning, Cleaned = cleaned };
        return false;
    }

    private bool HasKeys(EventBatch batch, int row, ref Rejection rejection)
    {
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
