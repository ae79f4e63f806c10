using System.Text;
using FeatureStore.Runtime;

namespace FeatureStore.Ingest.Tests.Simulation;

/// <summary>
/// Transactions on a simulated broker. Like the client it reads records where they stand until the commit, aborts, leaves commits open, and shuts out
/// whoever came before.
/// </summary>
internal sealed unsafe class SimulatedSink(SimulatedBroker broker, Chaos chaos, int slice = 0) : IPredictionSink
{
    private readonly List<(string Topic, OutgoingRecord Record)> _sent = [];
    private readonly List<(string Topic, DeadLetterRecord Record)> _deadLetters = [];
    private bool _isOpen;
    private int _epoch;
    private int _pending;

    public bool IsTransactional => true;

    public int Aborts { get; private set; }

    /// <summary>Longest dead letter that its topic takes.</summary>
    public int DeadLetterBytesMax { get; init; } = int.MaxValue;

    public IReadOnlyDictionary<(string Topic, int Partition), long> Open(IReadOnlyList<(string Topic, int Partition)> partitions)
    {
        chaos.Point();
        _epoch = broker.Epochs[slice] = broker.Epochs.GetValueOrDefault(slice) + 1;
        return new Dictionary<(string, int), long>(broker.Published);
    }

    public void Begin()
    {
        chaos.Point();
        Assert.IsFalse(_isOpen, "A transaction is begun in a transaction.");
        _isOpen = true;
    }

    public void Send(string topic, ReadOnlySpan<OutgoingRecord> records)
    {
        Assert.IsTrue(_isOpen, "Records are sent outside a transaction.");
        chaos.Point();
        foreach (var record in records)
            _sent.Add((topic, record));
        if (chaos.OneIn(40))
            throw Abort("the queue stayed full");
    }

    public void Send(string topic, DeadLetterRecord record)
    {
        Assert.IsTrue(_isOpen, "Records are sent outside a transaction.");
        chaos.Point();
        _deadLetters.Add((topic, record));
    }

    public void Commit(IReadOnlyList<(string Topic, int Partition, long NextOffset)> positions)
    {
        Assert.IsTrue(_isOpen, "A commit outside a transaction.");
        chaos.Point();
        if (broker.Epochs[slice] != _epoch)
            throw new SinkFencedException("another instance has begun");
        if (_pending == 0 && _deadLetters.Exists(letter => letter.Record.Value?.Length > DeadLetterBytesMax))
            throw Abort("a record is too large", isRecordTooLarge: true);
        if (_pending == 0 && chaos.OneIn(10))
            throw Abort("the coordinator moved");
        if (_pending < 3 && chaos.OneIn(_pending == 0 ? 15 : 2))
        {
            _pending++;
            throw new SinkPendingException("no answer yet");
        }

        // The answer that was out may be either.
        if (_pending > 0 && chaos.OneIn(4))
            throw Abort("the commit was undone");
        MakeVisible(positions);
        _isOpen = false;
        _pending = 0;
        chaos.Point();
    }

    public void Dispose()
    {
    }

    private void MakeVisible(IReadOnlyList<(string Topic, int Partition, long NextOffset)> positions)
    {
        foreach (var (topic, record) in _sent)
        {
            broker.Predictions.Add((
                topic,
                Encoding.UTF8.GetString(new ReadOnlySpan<byte>(record.Key, record.KeyLength)),
                Encoding.UTF8.GetString(new ReadOnlySpan<byte>(record.Value, record.ValueLength))));
        }

        broker.DeadLetters.AddRange(_deadLetters);
        foreach (var (topic, partition, nextOffset) in positions)
        {
            Assert.IsGreaterThanOrEqualTo(broker.Published.GetValueOrDefault((topic, partition)), nextOffset, "P goes back.");
            broker.Published[(topic, partition)] = nextOffset;
        }

        Forget();
    }

    private SinkAbortedException Abort(string message, bool isRecordTooLarge = false)
    {
        Aborts++;
        _isOpen = false;
        _pending = 0;
        Forget();
        return new SinkAbortedException(message) { IsRecordTooLarge = isRecordTooLarge };
    }

    private void Forget()
    {
        _sent.Clear();
        _deadLetters.Clear();
    }
}
