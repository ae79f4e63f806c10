using System.Buffers.Binary;
using Orleans.Storage;

namespace FeatureStore.Grains.Persistence;

/// <summary>A record of grain storage: bytes that need no serializer. Any provider's own serializer takes it too.</summary>
[GenerateSerializer]
[Alias("featurestore.stored-state")]
public sealed class StoredState
{
    /// <summary>The record's bytes; empty where there is none.</summary>
    [Id(0)]
    public byte[] Bytes { get; set; } = [];
}

/// <summary>
/// An entity's record, effect and offset in one: format, length of the offsets, length of the block, flags (int32 each; 1: the offsets do not tell what the block contains), term and interval of the cut that the block is as of, least sequence of
/// the entity's next block (int64 each), the applied offsets, the block, and the block as of an earlier complete checkpoint, where there has to be one. An empty block: none.
/// An erased entity is a record without blocks, whose offsets keep its past out.
/// </summary>
internal readonly ref struct EntityRecord
{
    private const int Version = 1;
    private const int HeaderBytes = 40;
    private const int Exact = 1;

    public long Term { get; init; }

    public long Interval { get; init; }

    public long Sequence { get; init; }

    public ReadOnlySpan<byte> Offsets { get; init; }

    public ReadOnlySpan<byte> Block { get; init; }

    public ReadOnlySpan<byte> Earlier { get; init; }

    /// <summary>Whether the block contains what came before its cut, whatever the offsets say; then there is an earlier one too.</summary>
    public bool IsExact { get; init; }

    public static byte[] Write(bool isExact, long term, long interval, long sequence, AppliedOffsets offsets, ReadOnlySpan<byte> block, ReadOnlySpan<byte> earlier)
    {
        var bytes = GC.AllocateUninitializedArray<byte>(HeaderBytes + offsets.Length + block.Length + earlier.Length);
        BinaryPrimitives.WriteInt32LittleEndian(bytes, Version);
        BinaryPrimitives.WriteInt32LittleEndian(bytes.AsSpan(4), offsets.Length);
        BinaryPrimitives.WriteInt32LittleEndian(bytes.AsSpan(8), block.Length);
        BinaryPrimitives.WriteInt32LittleEndian(bytes.AsSpan(12), isExact ? Exact : 0);
        BinaryPrimitives.WriteInt64LittleEndian(bytes.AsSpan(16), term);
        BinaryPrimitives.WriteInt64LittleEndian(bytes.AsSpan(24), interval);
        BinaryPrimitives.WriteInt64LittleEndian(bytes.AsSpan(32), sequence);
        offsets.Write(bytes.AsSpan(HeaderBytes));
        block.CopyTo(bytes.AsSpan(HeaderBytes + offsets.Length));
        earlier.CopyTo(bytes.AsSpan(HeaderBytes + offsets.Length + block.Length));
        return bytes;
    }

    /// <summary>Reads a record.</summary>
    /// <exception cref="InvalidDataException">It is damaged, or of a newer version.</exception>
    public static EntityRecord Read(ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length >= 4 && BinaryPrimitives.ReadInt32LittleEndian(bytes) is var version and not Version)
            throw new InvalidDataException($"A record has version {version}; this server reads version {Version}. Start a server as new as the one that wrote it.");
        if (bytes.Length < HeaderBytes
            || BinaryPrimitives.ReadInt32LittleEndian(bytes[4..]) is var offsets && (uint)offsets > (uint)(bytes.Length - HeaderBytes)
            || BinaryPrimitives.ReadInt32LittleEndian(bytes[8..]) is var block && (uint)block > (uint)(bytes.Length - HeaderBytes - offsets))
        {
            throw new InvalidDataException($"A record of {bytes.Length} bytes is cut short. Restore a copy of the store, or start with an empty one.");
        }

        return new EntityRecord
        {
            IsExact = (BinaryPrimitives.ReadInt32LittleEndian(bytes[12..]) & Exact) != 0,
            Term = BinaryPrimitives.ReadInt64LittleEndian(bytes[16..]),
            Interval = BinaryPrimitives.ReadInt64LittleEndian(bytes[24..]),
            Sequence = BinaryPrimitives.ReadInt64LittleEndian(bytes[32..]),
            Offsets = bytes.Slice(HeaderBytes, offsets),
            Block = bytes.Slice(HeaderBytes + offsets, block),
            Earlier = bytes[(HeaderBytes + offsets + block)..],
        };
    }
}

/// <summary>Hands a record's bytes to the store as they are. Used by every provider of the name <see cref="ClusterNames.Storage"/> that has a choice.</summary>
internal sealed class StoredStateSerializer : IGrainStorageSerializer
{
    public BinaryData Serialize<T>(T? input) => new(Bytes(input));

    public T Deserialize<T>(BinaryData input) => State<T>(input.ToMemory().ToArray());

    public static byte[] Bytes<T>(T? state) => state is StoredState stored ? stored.Bytes : throw Unknown<T>();

    public static T State<T>(byte[] bytes) => new StoredState { Bytes = bytes } is T state ? state : throw Unknown<T>();

    private static NotSupportedException Unknown<T>() =>
        new($"Grain storage \"{ClusterNames.Storage}\" holds entities' blocks and no \"{typeof(T)}\". Give other grains a storage provider of their own.");
}
