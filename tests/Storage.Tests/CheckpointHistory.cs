using FeatureStore.Runtime;

namespace FeatureStore.Storage.Tests;

/// <summary>
/// A seeded history of checkpoints: any process can make the n-th one, and tell what a store must hold after it. Each writes a part of the keys
/// with blocks of all sizes, and deletes some.
/// </summary>
internal sealed class CheckpointHistory(int seed)
{
    private const int KeysOfEach = 40;
    private const int BlockBytesMax = 6000;

    public Checkpoint Make(long sequence)
    {
        var random = new Random(HashCode(seed, sequence));
        var entities = new List<int>();
        var keys = new BlockSet();
        var blocks = new BlockSet();
        for (var entity = 0; entity < 2; entity++)
        {
            for (var key = 0; key < KeysOfEach; key++)
            {
                if (random.Next(3) != 0)
                    continue;
                entities.Add(entity);
                var bytes = keys.Add(1 + key % 20);
                bytes.Fill((byte)(255 - key));
                bytes[0] = (byte)key;
                random.NextBytes(blocks.Add(random.Next(5) == 0 ? 0 : random.Next(1, BlockBytesMax)));
            }
        }
        return new Checkpoint(Header(sequence), entities, keys, blocks);
    }

    /// <summary>What a store holds after a checkpoint: block by entity and key in hex.</summary>
    public SortedDictionary<string, string> StateAt(long sequence)
    {
        var state = new SortedDictionary<string, string>(StringComparer.Ordinal);
        for (var s = 1L; s <= sequence; s++)
        {
            var checkpoint = Make(s);
            for (var i = 0; i < checkpoint.Entities.Count; i++)
            {
                var name = Name(checkpoint.Entities[i], checkpoint.Keys[i]);
                if (checkpoint.Blocks[i].IsEmpty)
                    state.Remove(name);
                else
                    state[name] = Convert.ToHexString(checkpoint.Blocks[i]);
            }
        }
        return state;
    }

    public static string Name(int entity, ReadOnlySpan<byte> key) => $"{entity}/{Convert.ToHexString(key)}";

    public static SortedDictionary<string, string> Load(IEntityStore store)
    {
        var state = new SortedDictionary<string, string>(StringComparer.Ordinal);
        store.LoadBlocks((entity, key, block) => state.Add(Name(entity, key), Convert.ToHexString(block)));
        return state;
    }

    private CheckpointHeader Header(long sequence) => new()
    {
        LayoutFingerprint = ulong.MaxValue - (ulong)seed,
        Layouts = [new EntityLayout("customer", $"layout {sequence}\n"), new EntityLayout("device", "")],
        Incarnation = new Guid(seed, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10),
        Sequence = sequence,
        ClusterId = sequence == 1 ? "" : "Zürich-1",
        Partitions =
        [
            Partition("transactions", 0, sequence * 1000, sequence),
            Partition("transactions", 1, sequence * 1000 + 1, 0),
        ],
        StreamTimesMs = new Dictionary<string, long> { ["transactions"] = 1_522_540_800_000 + sequence, ["never"] = long.MinValue },
    };

    private static PartitionCheckpoint Partition(string topic, int partition, long offset, long seenIds) => new()
    {
        Topic = topic,
        Partition = partition,
        NextOffset = offset,
        NewestMs = offset + 7,
        WitnessOffset = offset - 1,
        WitnessTimestampMs = offset + 3,
        WitnessHash = ulong.MaxValue - (ulong)offset,
        SeenIds = [.. Enumerable.Range(0, (int)seenIds % 100).Select(i => (byte)i)],
    };

    private static int HashCode(long left, long right) => (int)((ulong)(left * 1_000_003 + right) * 0x9E3779B97F4A7C15 >> 33);
}
