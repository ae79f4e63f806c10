using System.Buffers.Binary;
using System.Diagnostics;
using System.Security.Cryptography;
using FeatureStore.Core.Events;
using FeatureStore.Core.Plans;
using FeatureStore.Ingest.DeadLetters;
using FeatureStore.Runtime;

namespace FeatureStore.Ingest.Pipeline;

/// <summary>
/// One partition on the reading side: records decoded ahead, and what the partition has let through so far. All of it but the records read ahead is
/// state as of <see cref="NextOffset"/>, so that a checkpoint can hold it.
/// </summary>
internal sealed class PartitionLane
{
    private const int RecordsPerRead = 1024;

    /// <summary>How long an answer about the end is fresh: what other partitions read meanwhile can be this much newer than what has reached this one.</summary>
    private static readonly TimeSpan _endIsFresh = TimeSpan.FromMilliseconds(50);

    private readonly SourcePlan _source;
    private readonly IEventSource _records;
    private readonly RecordDecoder _decoder;
    private readonly TimeProvider _time;
    private readonly SourceRecord[] _read = new SourceRecord[RecordsPerRead];
    private readonly Slot[] _slots = new Slot[RecordsPerRead];
    private readonly EventBatch _decoded;
    private readonly long _latenessMs;
    private readonly long _aheadMs;
    private int _head;
    private int _count;
    private readonly long _firstOffset;
    private long _endOffset = -1;
    private long _idleUntil;
    private PartitionCheckpoint? _expected;

    public PartitionLane(SourcePlan source, IEventSource records, int partition, PartitionCheckpoint? from, long firstOffset, long published, RecordDecoder decoder, TimeProvider time)
    {
        _source = source;
        _records = records;
        _decoder = decoder;
        _time = time;
        _decoded = new EventBatch(source.Schema, RecordsPerRead);
        _latenessMs = (long)source.Definition.Lateness.TotalMilliseconds;
        _aheadMs = source.Definition.Clock == Core.Definitions.SourceClock.Wall ? (long)source.Definition.Ahead.TotalMilliseconds : long.MaxValue;
        _firstOffset = firstOffset;
        Partition = partition;
        NextOffset = from?.NextOffset ?? firstOffset;
        NewestMs = from?.NewestMs ?? long.MinValue;
        Witness = (from?.WitnessOffset ?? -1, from?.WitnessTimestampMs ?? -1, from?.WitnessHash ?? 0);
        if (source.IdField >= 0)
        {
            SeenIds = from is { SeenIds.Length: > 0 }
                ? SeenIds.Deserialize(from.SeenIds, source.Definition.Lateness)
                : new SeenIds(source.Definition.Lateness, BinaryPrimitives.ReadUInt128LittleEndian(RandomNumberGenerator.GetBytes(16)));
        }

        Published = Math.Max(published, NextOffset);
        // The witness is still there unless retention has taken it: it is read again, compared, and passed over.
        _expected = from is { WitnessOffset: >= 0 } && from.WitnessOffset >= firstOffset ? from : null;
        StartOffset = _expected?.WitnessOffset ?? NextOffset;
    }

    public int Partition { get; }

    /// <summary>First offset that the topic had at the start.</summary>
    public long FirstOffset => _firstOffset;

    /// <summary>Whether offsets mean other records than those the state was made from, and nobody has been told yet.</summary>
    public bool IsRecreated { get; set; }

    /// <summary>Where fetching begins.</summary>
    public long StartOffset { get; }

    /// <summary>Cursor P: records before it are applied in silence.</summary>
    public long Published { get; private set; }

    /// <summary>Offset of the first record not let through yet.</summary>
    public long NextOffset { get; private set; }

    /// <summary>Offset that the partition has been read up to: behind <see cref="NextOffset"/> may lie what is no record, such as the ends of transactions.</summary>
    public long Position => HasRecord ? NextOffset : Math.Max(NextOffset, _endOffset);

    /// <summary>Greatest event time let through.</summary>
    public long NewestMs { get; private set; }

    public SeenIds? SeenIds { get; }

    /// <summary>The last record let through: offset, Kafka's timestamp and hash.</summary>
    public (long Offset, long TimestampMs, ulong Hash) Witness { get; private set; }

    public long EventsApplied { get; private set; }

    public bool HasRecord => _head < _count;

    public bool IsHeldBack { get; set; }

    /// <summary>Whether the operator knows that the topic may be another than the checkpoint's; it is read from its beginning then.</summary>
    public bool AcceptsAnyWitness { get; init; }

    /// <summary>Whether a feature needs single events, which settle after the lateness: then an older one cannot be taken back.</summary>
    public bool Settles { get; init; }

    /// <summary>From append to applied, ms, of the last record let through.</summary>
    public long FreshnessMs { get; private set; }

    /// <summary>Whether all records before P have been let through.</summary>
    public bool IsCaughtUpWithPublished => NextOffset >= Published || HasRecord && _slots[_head].Offset >= Published || !HasRecord && _endOffset >= Published;

    /// <summary>Whether the partition was found at its end, not long ago: it holds nobody back.</summary>
    public bool IsIdle => !HasRecord && _time.GetTimestamp() < _idleUntil;

    /// <summary>When the partition was found at its end, ticks of the clock; <see cref="long.MinValue"/>: not since the last record.</summary>
    public long IdleAtTicks { get; private set; } = long.MinValue;

    /// <summary>What is to come is not before it, but for late events: the next record, or the newest one let through where none is at hand or the next one is refused.</summary>
    public long CertainMs => HasRecord && _slots[_head].Rows > 0 ? _slots[_head].TimeMs : NewestMs;

    /// <summary>Event time of the next record, or the newest one let through where none is at hand. A refused record holds nobody back.</summary>
    public long PositionMs => !HasRecord ? NewestMs : _slots[_head].Rows == 0 ? long.MinValue : _slots[_head].TimeMs;

    /// <summary>Reads and decodes what has been fetched, if nothing is left.</summary>
    public bool Fill()
    {
        if (HasRecord)
            return true;
        _head = 0;
        _count = 0;
        _decoded.Clear();
        var read = _records.Read(Partition, _read, out var endOffset);
        if (endOffset >= 0 || read > 0)
            _endOffset = endOffset;
        TakeAll(read);
        if (_count > 0)
            (_idleUntil, IdleAtTicks) = (0, long.MinValue);
        return HasRecord;
    }

    /// <summary>Asks the broker whether the partition is at its end, where the last fetch said so.</summary>
    /// <returns>Whether the broker answered. A partition whose end cannot be known has lag, for all we know.</returns>
    public bool ProbeIdle()
    {
        if (HasRecord || _endOffset < 0 || IsIdle)
            return true;
        try
        {
            if (_records.QueryOffsets(Partition).End <= _endOffset)
            {
                _idleUntil = _time.GetTimestamp() + (long)(_endIsFresh.TotalSeconds * _time.TimestampFrequency);
                IdleAtTicks = _time.GetElapsedTime(0).Ticks;
            }

            return true;
        }
        catch (EventSourceException)
        {
            return false;
        }
    }

    /// <summary>
    /// Lets records through, in order, into a batch: as long as their time is not after a bound, there is room, and they lie before an offset.
    /// Refused, late and repeated ones are passed over.
    /// </summary>
    /// <returns>How many records were let through or passed over.</returns>
    public int LetThrough(PipelineBatch batch, long boundMs, long beforeOffset)
    {
        var first = _head;
        nint last = 0;
        while (_head < _count && !batch.IsFull)
        {
            ref var slot = ref _slots[_head];
            if (slot.Offset >= beforeOffset || slot.Rows > 0 && slot.TimeMs > boundMs)
                break;
            batch.Hold(slot.Handle, _read[slot.Index].KeyLength + _read[slot.Index].ValueLength);
            last = slot.Handle;
            NextOffset = slot.Offset + 1;
            if (slot.Rejection.Reason != RejectionReason.None)
                batch.Refused.Add(new RefusedRecord(HeaderOf(_read[slot.Index]), slot.Rejection));
            if (slot.Rows > 0)
                Admit(batch, slot);

            _head++;
        }

        if (last != 0)
        {
            ref readonly var record = ref _read[_slots[_head - 1].Index];
            Witness = (record.Offset, _records.TimestampMs(last), RecordHash.Of(record));
            FreshnessMs = Witness.TimestampMs < 0 ? 0 : Math.Max(0, _time.GetUtcNow().ToUnixTimeMilliseconds() - Witness.TimestampMs);
        }

        return _head - first;
    }

    /// <summary>Gives back what was read ahead. After it the lane is not used any more.</summary>
    public void Abandon()
    {
        for (; _head < _count; _head++)
            _records.Release([_slots[_head].Handle]);
    }

    private void Admit(PipelineBatch batch, in Slot slot)
    {
        ref readonly var first = ref _decoded[slot.Row];
        if (first.IsRetraction || first.IsUpdate)
        {
            Change(batch, slot);
            return;
        }

        if (IsLate(first.TimeMs))
        {
            batch.Refused.Add(new RefusedRecord(first, Late(RejectionReason.TooLate, first.TimeMs)));
            return;
        }

        NewestMs = Math.Max(NewestMs, first.TimeMs);
        if (SeenIds is not null && !IsNew(_decoded.Row(slot.Row), first.TimeMs))
        {
            IngestInstruments.Dropped.Add(1, IngestInstruments.Duplicate);
            return;
        }

        batch.Events.AddCopy(_decoded, slot.Row);
        EventsApplied++;
    }

    /// <summary>An update or a delete, which has its effect wholly or not at all. It may be of an old row, unless windows need single events that are settled by then.</summary>
    private void Change(PipelineBatch batch, in Slot slot)
    {
        for (var row = slot.Row; Settles && row < slot.Row + slot.Rows; row++)
        {
            if (!IsLate(_decoded[row].TimeMs))
                continue;
            // One dead letter a record: the one it has already tells of it too.
            if (slot.Rejection.Reason == RejectionReason.None)
                batch.Refused.Add(new RefusedRecord(_decoded[row], Late(RejectionReason.LateRetraction, _decoded[row].TimeMs)));
            return;
        }

        for (var row = slot.Row; row < slot.Row + slot.Rows; row++)
        {
            if (!_decoded[row].IsRetraction)
                NewestMs = Math.Max(NewestMs, _decoded[row].TimeMs);
            batch.Events.AddCopy(_decoded, row);
            EventsApplied++;
        }
    }

    private bool IsLate(long timeMs) => NewestMs > long.MinValue && timeMs < NewestMs - _latenessMs;

    private Rejection Late(RejectionReason reason, long timeMs) => new() { Reason = reason, Measured = NewestMs - timeMs, Limit = _latenessMs };

    private bool IsNew(in FieldRow row, long timeMs)
    {
        if (!row.Has(_source.IdField))
            return true;
        return _source.Schema.Fields[_source.IdField].Type == Core.Definitions.FieldType.String
            ? SeenIds!.Add(row.Text(_source.IdField), timeMs)
            : SeenIds!.Add(row.Int64(_source.IdField), timeMs);
    }

    private void TakeAll(int read)
    {
        var taken = 0;
        try
        {
            if (read > 0 && _expected is { } expected)
            {
                _expected = null;
                if (_read[0].Offset == expected.WitnessOffset)
                {
                    if (!IsWitness(expected, _read[0]))
                    {
                        StartOver(read);
                        return;
                    }

                    _records.Release([_read[taken++].Handle]);
                }
            }

            for (; taken < read; taken++)
                Take(_read[taken]);
        }
        catch
        {
            // A client does not close while records of it are held.
            for (; taken < read; taken++)
                _records.Release([_read[taken].Handle]);
            throw;
        }
    }

    private bool IsWitness(PartitionCheckpoint expected, in SourceRecord record)
    {
        if (RecordHash.Of(record) == expected.WitnessHash && _records.TimestampMs(record.Handle) == expected.WitnessTimestampMs)
            return true;
        if (AcceptsAnyWitness)
            return false;
        throw new EventSourceException(
            $"{_records.Topic}/{Partition} is not the topic that the checkpoint was made from: the record at offset {expected.WitnessOffset} is another. " +
            "If it was recreated on purpose, start once with --accept-recreated-topics, or with an empty data directory.");
    }

    /// <summary>Reads a recreated topic from its beginning, and answers all of it.</summary>
    private void StartOver(int read)
    {
        _records.Seek(Partition, _firstOffset);
        for (var index = 0; index < read; index++)
            _records.Release([_read[index].Handle]);
        _endOffset = -1;
        NextOffset = _firstOffset;
        Published = _firstOffset;
        IsRecreated = true;
        Witness = (-1, -1, 0);
    }

    private void Take(in SourceRecord record)
    {
        var header = HeaderOf(record);
        var slot = new Slot { Handle = record.Handle, Offset = record.Offset, Index = _count };
        _read[_count] = record;
        slot.Rows = _decoder.Decode(_decoded, header, out var rejection);
        if (slot.Rows > 0 && _aheadMs != long.MaxValue && _decoded[_decoded.Count - 1] is { IsRetraction: false, TimeMs: var timeMs }
            && timeMs - _time.GetUtcNow().ToUnixTimeMilliseconds() is var aheadMs && aheadMs > _aheadMs)
        {
            _decoded.RemoveLast();
            slot.Rows--;
            rejection = new Rejection { Reason = RejectionReason.TooFarAhead, Measured = aheadMs, Limit = _aheadMs };
        }

        slot.Row = _decoded.Count - slot.Rows;
        slot.TimeMs = slot.Rows == 0 ? 0 : _decoded[_decoded.Count - 1].TimeMs;
        slot.Rejection = rejection;
        Debug.Assert(_count < RecordsPerRead, "No more records are read than there are slots.");
        _slots[_count++] = slot;
    }

    private unsafe EventHeader HeaderOf(in SourceRecord record) => new()
    {
        Offset = record.Offset,
        Partition = Partition,
        Handle = record.Handle,
        Key = record.Key,
        KeyLength = record.KeyLength,
        Value = record.Value,
        ValueLength = record.ValueLength,
    };

    /// <summary>A record read ahead.</summary>
    private struct Slot
    {
        public nint Handle;
        public long Offset;

        /// <summary>Index among the records read.</summary>
        public int Index;

        /// <summary>First row among those decoded.</summary>
        public int Row;

        /// <summary>0: refused, or dropped where the rejection has no reason. 2: what was, and what is now.</summary>
        public int Rows;

        /// <summary>Event time of the last row: where the record stands among those of other partitions.</summary>
        public long TimeMs;

        /// <summary>Why it is a dead letter; of an update, what is now may be one, and what was is taken back all the same.</summary>
        public Rejection Rejection;
    }
}
