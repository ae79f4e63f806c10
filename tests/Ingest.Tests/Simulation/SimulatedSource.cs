using System.Runtime.InteropServices;
using FeatureStore.Runtime;

namespace FeatureStore.Ingest.Tests.Simulation;

/// <summary>
/// Reads a simulated topic as the client does: fetches what there is when it likes, hands it over piece by piece, and says where the end was when it met it.
/// A record's bytes are spoilt when it is given back; one that is given back twice, or never, is found.
/// </summary>
internal sealed unsafe class SimulatedSource(SimulatedBroker broker, Chaos chaos) : IEventSource
{
    private const byte Spoilt = 0xdd;

    private readonly Dictionary<nint, (SimulatedRecord Record, int Bytes)> _held = [];
    private readonly Queue<(SimulatedRecord? Record, long EndOffset)>[] _fetched = [.. broker.Partitions.Select(_ => new Queue<(SimulatedRecord?, long)>())];
    private readonly long[] _positions = new long[broker.Partitions.Length];
    private readonly HashSet<int> _left = [];
    private readonly bool[] _saidEnd = new bool[broker.Partitions.Length];

    public string Topic => broker.Topic;

    public int Partitions => broker.Partitions.Length;

    /// <summary>Records that were read and not given back.</summary>
    public int Held => _held.Count;

    /// <summary>Most records that one read gives.</summary>
    public int RecordsPerRead { get; init; } = 50;

    /// <summary>Partitions whose questions and reads go unanswered.</summary>
    public HashSet<int> Away { get; } = [];

    /// <summary>Offset from which records of a partition are in the log and do not arrive.</summary>
    public Dictionary<int, long> Stuck { get; } = [];

    public int Questions { get; private set; }

    public (long First, long End) QueryOffsets(int partition)
    {
        chaos.Point();
        Questions++;
        if (Away.Contains(partition) || chaos.OneIn(20))
            throw new EventSourceException("no answer");
        return (broker.Partitions[partition].First, broker.Partitions[partition].End);
    }

    public void Start(IReadOnlyList<long> offsets)
    {
        for (var partition = 0; partition < offsets.Count; partition++)
        {
            if (offsets[partition] >= 0)
                Seek(partition, offsets[partition]);
            else
                _left.Add(partition);
        }
    }

    public void Seek(int partition, long offset)
    {
        _fetched[partition].Clear();
        _positions[partition] = offset;
        _saidEnd[partition] = false;
    }

    public int Read(int partition, Span<SourceRecord> records, out long endOffset)
    {
        Assert.DoesNotContain(partition, _left, "A partition is read that was left alone.");
        chaos.Point();
        endOffset = -1;
        if (!Away.Contains(partition) && !chaos.OneIn(3))
            Fetch(partition);
        var taken = 0;
        var most = Math.Min(records.Length, 1 + chaos.Random.Next(RecordsPerRead));
        while (taken < most && _fetched[partition].TryDequeue(out var fetched))
        {
            endOffset = fetched.EndOffset;
            if (fetched.Record is { } record)
                records[taken++] = Copy(record);
        }

        return taken;
    }

    public long TimestampMs(nint record) => _held[record].Record.TimestampMs;

    public IReadOnlyList<KeyValuePair<string, byte[]?>> Headers(nint record) => _held[record].Record.Headers;

    public void Release(ReadOnlySpan<nint> handles)
    {
        foreach (var handle in handles)
        {
            Assert.IsTrue(_held.Remove(handle, out var held), "A record was given back that is not held.");
            NativeMemory.Fill((void*)handle, (nuint)held.Bytes, Spoilt);
            NativeMemory.Free((void*)handle);
        }
    }

    public void Poll()
    {
    }

    public void Dispose()
    {
        foreach (var handle in _held.Keys)
            NativeMemory.Free((void*)handle);
        _held.Clear();
    }

    private void Fetch(int partition)
    {
        var log = broker.Partitions[partition];
        var next = Find(log, _positions[partition]);
        var end = Stuck.TryGetValue(partition, out var stuck) ? Find(log, stuck) : log.Records.Count;
        var count = Math.Min(end - next, 1 + chaos.Random.Next(RecordsPerRead));
        for (var index = 0; index < count; index++)
            _fetched[partition].Enqueue((log.Records[next + index], -1));
        var whole = next + count == log.Records.Count;
        var position = whole ? log.End : log.Records[next + count].Offset;
        if (position != _positions[partition])
            _saidEnd[partition] = false;
        _positions[partition] = position;
        if (!whole || _saidEnd[partition])
            return;
        _fetched[partition].Enqueue((null, position));
        _saidEnd[partition] = true;
    }

    private static int Find(SimulatedPartition log, long offset)
    {
        var (low, high) = (0, log.Records.Count);
        while (low < high)
        {
            var middle = (low + high) / 2;
            (low, high) = log.Records[middle].Offset < offset ? (middle + 1, high) : (low, middle);
        }

        return low;
    }

    private SourceRecord Copy(SimulatedRecord record)
    {
        var (keyLength, valueLength) = (record.Key?.Length ?? 0, record.Value?.Length ?? 0);
        var memory = (byte*)NativeMemory.Alloc((nuint)(keyLength + valueLength + 1));
        record.Key.CopyTo(new Span<byte>(memory, keyLength));
        record.Value.CopyTo(new Span<byte>(memory + keyLength, valueLength));
        _held.Add((nint)memory, (record, keyLength + valueLength + 1));
        return new SourceRecord
        {
            Handle = (nint)memory,
            Offset = record.Offset,
            Key = record.Key is null ? null : memory,
            KeyLength = keyLength,
            Value = record.Value is null ? null : memory + keyLength,
            ValueLength = valueLength,
        };
    }
}
