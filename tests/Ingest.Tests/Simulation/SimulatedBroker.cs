using FeatureStore.Runtime;

namespace FeatureStore.Ingest.Tests.Simulation;

/// <summary>What Kafka keeps whoever dies: a source's records, what was committed, and P. Further topics are of a first one's cluster.</summary>
internal sealed class SimulatedBroker(string topic, int partitions, SimulatedBroker? first = null)
{
    public string Topic => topic;

    public SimulatedPartition[] Partitions { get; } = [.. Enumerable.Range(0, partitions).Select(_ => new SimulatedPartition())];

    /// <summary>Committed predictions in their order, as text: key and value.</summary>
    public List<(string Topic, string Key, string Value)> Predictions { get; } = first?.Predictions ?? [];

    public List<(string Topic, DeadLetterRecord Record)> DeadLetters { get; } = first?.DeadLetters ?? [];

    /// <summary>P by topic and partition.</summary>
    public Dictionary<(string Topic, int Partition), long> Published { get; } = first?.Published ?? [];

    /// <summary>Of each slice, counts the instances that have begun to publish; only the newest one may.</summary>
    public Dictionary<int, int> Epochs { get; } = [];
}

internal sealed class SimulatedPartition
{
    public List<SimulatedRecord> Records { get; } = [];

    /// <summary>First offset that retention has left.</summary>
    public long First { get; set; }

    /// <summary>Offset after the last one that a read_committed reader can pass.</summary>
    public long End { get; set; }

    public SimulatedRecord Append(byte[]? key, byte[]? value, long timestampMs = 0, params KeyValuePair<string, byte[]?>[] headers)
    {
        var record = new SimulatedRecord(End++, key, value, timestampMs, headers);
        Records.Add(record);
        return record;
    }

    /// <summary>Appends what takes an offset and is no record, such as the end of a transaction.</summary>
    public void AppendControl() => End++;
}

internal sealed record SimulatedRecord(long Offset, byte[]? Key, byte[]? Value, long TimestampMs, KeyValuePair<string, byte[]?>[] Headers);
