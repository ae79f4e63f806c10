using System.Text;
using FeatureStore.Runtime;

namespace FeatureStore.Ingest.Tests.Pipeline;

/// <summary>Notes the calls that it gets, and answers commits as a test tells it.</summary>
internal sealed unsafe class ScriptedSink : IPredictionSink
{
    private readonly Lock _gate = new();
    private readonly List<string> _calls = [];

    /// <summary>What becomes of each commit, in their order; after them all succeed.</summary>
    public Queue<Action> Commits { get; } = new();

    /// <summary>Called at each send.</summary>
    public Action OnSend { get; set; } = () => { };

    public List<DeadLetterRecord> DeadLetters { get; } = [];

    public bool IsTransactional => true;

    public List<string> Calls
    {
        get
        {
            lock (_gate)
                return [.. _calls];
        }
    }

    public IReadOnlyDictionary<(string Topic, int Partition), long> Open(IReadOnlyList<(string Topic, int Partition)> partitions) => new Dictionary<(string, int), long>();

    public void Begin() => Note("begin");

    public void Send(string topic, ReadOnlySpan<OutgoingRecord> records)
    {
        OnSend();
        foreach (var record in records)
            Note(Encoding.UTF8.GetString(new ReadOnlySpan<byte>(record.Value, record.ValueLength)));
    }

    public void Send(string topic, DeadLetterRecord record)
    {
        lock (_gate)
            DeadLetters.Add(record);
    }

    public void Commit(IReadOnlyList<(string Topic, int Partition, long NextOffset)> positions)
    {
        Note($"commit {string.Join(' ', positions.Select(position => $"{position.Topic}/{position.Partition}@{position.NextOffset}"))}");
        if (Commits.TryDequeue(out var answer))
            answer();
    }

    public void Dispose()
    {
    }

    private void Note(string call)
    {
        lock (_gate)
            _calls.Add(call);
    }
}
