using System.Buffers.Binary;
using FeatureStore.Runtime;

namespace FeatureStore.Grains.Changes;

/// <summary>Entities of one type and silo that have changed: what the streams of changes carry.</summary>
[GenerateSerializer]
[Immutable]
[Alias("featurestore.change-batch")]
internal sealed class ChangeBatch
{
    [Id(0)]
    public required SiloAddress Silo { get; init; }

    /// <summary>Names the silo's counting.</summary>
    [Id(1)]
    public long Epoch { get; init; }

    /// <summary>Which of the silo's batches of the entity type it is, from 1.</summary>
    [Id(2)]
    public long Number { get; init; }

    /// <summary>Encoded keys, each behind its length (uint16, big-endian).</summary>
    [Id(3)]
    public required byte[] Keys { get; init; }

    /// <summary>Puts keys together.</summary>
    public static byte[] Pack(BlockSet keys, int first, int count)
    {
        var length = 0;
        for (var index = first; index < first + count; index++)
            length += 2 + keys[index].Length;
        var packed = new byte[length];
        var rest = packed.AsSpan();
        for (var index = first; index < first + count; index++)
        {
            BinaryPrimitives.WriteUInt16BigEndian(rest, (ushort)keys[index].Length);
            keys[index].CopyTo(rest[2..]);
            rest = rest[(2 + keys[index].Length)..];
        }

        return packed;
    }

    public void Unpack(BlockSet keys)
    {
        for (var rest = Keys.AsSpan(); !rest.IsEmpty;)
        {
            var length = BinaryPrimitives.ReadUInt16BigEndian(rest);
            keys.Add(rest.Slice(2, length));
            rest = rest[(2 + length)..];
        }
    }
}
