using System.Text.Json;
using FeatureStore.Runtime;

namespace FeatureStore.Grains.Slices;

/// <summary>What a slice contributes to a checkpoint.</summary>
internal sealed record CutOffsets
{
    public required string ClusterId { get; init; }

    /// <summary>Cursor S of its partitions.</summary>
    public required IReadOnlyList<PartitionCheckpoint> Partitions { get; init; }

    /// <summary>Greatest event time applied of each source by name, Unix ms.</summary>
    public required IReadOnlyDictionary<string, long> StreamTimesMs { get; init; }

    /// <summary>As <see cref="Persistence.OwnerRecord.Generations"/>; of other slices' partitions they may be old.</summary>
    public required IReadOnlyDictionary<string, int[]> Generations { get; init; }

    /// <summary>By topic and partition, what of its partitions an erasure keeps out: the offset before which everything was applied or published.</summary>
    public required IReadOnlyDictionary<string, long[]> Guards { get; init; }

    /// <summary>Of events that become durable.</summary>
    public long SizeBytes { get; init; }

    public byte[] Write() => JsonSerializer.SerializeToUtf8Bytes(this);

    public static CutOffsets Read(byte[] bytes) => JsonSerializer.Deserialize<CutOffsets>(bytes)!;

    /// <summary>Takes, place by place, the later of each.</summary>
    public static T[] Later<T>(IEnumerable<T[]> values)
        where T : struct, IComparable<T>
    {
        T[] later = [];
        foreach (var value in values)
        {
            if (value.Length > later.Length)
                Array.Resize(ref later, value.Length);
            for (var index = 0; index < value.Length; index++)
                later[index] = value[index].CompareTo(later[index]) > 0 ? value[index] : later[index];
        }

        return later;
    }
}
