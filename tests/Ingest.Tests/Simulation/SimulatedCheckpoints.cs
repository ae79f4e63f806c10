using FeatureStore.Core.Plans;
using FeatureStore.Runtime;
using FeatureStore.Runtime.Local;

namespace FeatureStore.Ingest.Tests.Simulation;

/// <summary>The newest checkpoint: what the disk keeps whoever dies.</summary>
internal sealed class SimulatedDisk
{
    public CheckpointHeader? Header { get; set; }

    public Dictionary<(int Entity, string Key), byte[]> Blocks { get; } = [];

    /// <summary>The data directory is lost.</summary>
    public void Wipe()
    {
        Header = null;
        Blocks.Clear();
    }

    /// <summary>Brings the blocks of the only entity under other definitions, as a start with them does.</summary>
    public void Migrate(ProjectPlan from, ProjectPlan to)
    {
        var migration = new BlockMigration(BlockLayout.Parse(from.Entities[0].Layout.ToText()), to.Entities[0]);
        foreach (var (place, block) in Blocks)
            Blocks[place] = migration.Migrate(block);
        Header = Header is null ? null : Header with { LayoutFingerprint = to.LayoutFingerprint };
    }

    public void Visit(BlockVisitor visit)
    {
        foreach (var ((entity, key), block) in Blocks)
            visit(entity, Convert.FromHexString(key), block);
    }
}

/// <summary>Saves snapshots step by step, whenever the schedule lets it; a step can take long, fail, or be the last one.</summary>
internal sealed class SimulatedCheckpoints(ProjectPlan plan, LocalRuntime runtime, SimulatedDisk disk, SimulatedBroker broker, Chaos chaos) : ICheckpoints
{
    private CheckpointHeader? _header;
    private Checkpoint? _copy;
    private Task _published = Task.CompletedTask;
    private TaskCompletionSource _saved = new();

    public CheckpointHeader? Last => disk.Header;

    /// <summary>Whether there are any.</summary>
    public bool IsOn { get; init; } = true;

    public bool IsDue => IsOn && _header is null && chaos.Random.Next(4) == 0;

    public int Saves { get; private set; }

    public void Begin(string clusterId, IReadOnlyList<PartitionCheckpoint> partitions, Task published)
    {
        Assert.IsNull(_header, "Two checkpoints at a time.");
        chaos.Point();
        _header = new CheckpointHeader
        {
            LayoutFingerprint = plan.LayoutFingerprint,
            Incarnation = Guid.Empty,
            Sequence = (disk.Header?.Sequence ?? 0) + 1,
            ClusterId = clusterId,
            Partitions = partitions,
            StreamTimesMs = plan.Sources.ToDictionary(source => source.Definition.Name, source => runtime.StreamTimeMs(source.Index)),
        };
        _published = published;
        _saved = new TaskCompletionSource();
        runtime.BeginSnapshot();
    }

    public Task CompleteAsync() => _header is null ? Task.CompletedTask : _saved.Task;

    /// <summary>Goes on with the checkpoint under way: copies the blocks, or saves them once P is far enough.</summary>
    public bool Advance()
    {
        if (_header is null || _copy is not null && !_published.IsCompletedSuccessfully)
            return false;
        chaos.Point();
        if (_copy is null)
        {
            _copy = runtime.CopySnapshot(_header);
            return true;
        }

        if (chaos.OneIn(3))
            return true;
        Save(_copy);
        (_header, _copy) = (null, null);
        _saved.SetResult();
        chaos.Point();
        return true;
    }

    private void Save(Checkpoint checkpoint)
    {
        foreach (var partition in checkpoint.Header.Partitions)
        {
            // S ≤ block ≤ P: the blocks are those of S, so that this is all of it.
            Assert.IsGreaterThanOrEqualTo(
                partition.NextOffset, broker.Published.GetValueOrDefault((partition.Topic, partition.Partition)), $"Partition {partition.Partition}: S is beyond P.");
            Assert.IsLessThan(partition.NextOffset, partition.WitnessOffset, "The witness is not before S.");
        }

        for (var index = 0; index < checkpoint.Entities.Count; index++)
        {
            var place = (checkpoint.Entities[index], Convert.ToHexString(checkpoint.Keys[index]));
            if (checkpoint.Blocks[index].IsEmpty)
                disk.Blocks.Remove(place);
            else
                disk.Blocks[place] = checkpoint.Blocks[index].ToArray();
        }

        disk.Header = checkpoint.Header;
        Saves++;
    }
}
