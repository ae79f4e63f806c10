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

/// <summary>An entity's record: a version and the length of the offsets (int32 each), the applied offsets, the block. Effect and offset are one record.</summary>
internal static class EntityRecord
{
    private const int Version = 1;

    public static byte[] Write(AppliedOffsets offsets, ReadOnlySpan<byte> block)
    {
        var bytes = GC.AllocateUninitializedArray<byte>(8 + offsets.Length + block.Length);
        BinaryPrimitives.WriteInt32LittleEndian(bytes, Version);
        BinaryPrimitives.WriteInt32LittleEndian(bytes.AsSpan(4), offsets.Length);
        offsets.Write(bytes.AsSpan(8));
        block.CopyTo(bytes.AsSpan(8 + offsets.Length));
        return bytes;
    }

    /// <summary>Reads a record.</summary>
    /// <exception cref="InvalidDataException">It is damaged, or of a newer version.</exception>
    public static AppliedOffsets Read(ReadOnlySpan<byte> bytes, out ReadOnlySpan<byte> block)
    {
        if (bytes.Length < 8 || BinaryPrimitives.ReadInt32LittleEndian(bytes[4..]) is var length && (length < 0 || length > bytes.Length - 8))
            throw new InvalidDataException($"A record of {bytes.Length} bytes is cut short. Restore a copy of the store, or start with an empty one.");
        if (BinaryPrimitives.ReadInt32LittleEndian(bytes) is var version and not Version)
            throw new InvalidDataException($"A record has version {version}; this server reads version {Version}. Start a server as new as the one that wrote it.");
        block = bytes[(8 + length)..];
        return AppliedOffsets.Read(bytes.Slice(8, length));
    }
}

/// <summary>Hands a record's bytes to the store as they are. Used by every provider of the name <see cref="ClusterNames.Storage"/> that has a choice.</summary>
internal sealed class StoredStateSerializer : IGrainStorageSerializer
{
    public BinaryData Serialize<T>(T? input) => new(State<T>(input).Bytes);

    public T Deserialize<T>(BinaryData input) =>
        new StoredState { Bytes = input.ToMemory().ToArray() } is T state ? state : throw Unknown<T>();

    private static StoredState State<T>(T? input) => input as StoredState ?? throw Unknown<T>();

    private static NotSupportedException Unknown<T>() =>
        new($"Grain storage \"{ClusterNames.Storage}\" holds entities' blocks and no \"{typeof(T)}\". Give other grains a storage provider of their own.");
}
