using System.Buffers.Binary;
using FeatureStore.Grains.Entities;
using FeatureStore.Runtime;
using FeatureStore.Runtime.Local;

namespace FeatureStore.Grains.Persistence;

/// <summary>
/// Keeps what joins hold in grain storage, as a log: a segment has the blocks that changed before a checkpoint, and the checkpoint's record names the segments that count. So the joins' state
/// is that of the checkpoint to the event. A segment is some records of limited size; in each, entry after entry: index of the block's type, length of the key, length of the
/// block (int32 each), key, block. An empty block: the key is through.
/// </summary>
internal sealed class JoinSegments(EntityCells cells, string project)
{
    private const int EntryHeaderBytes = 12;
    private const int PartBytes = 1 << 20;
    private const int SegmentsMax = 64;

    /// <summary>Whether it is time to write all blocks anew, in place of the segments so far.</summary>
    /// <param name="segments">The segments that count.</param>
    /// <param name="liveBytes">Bytes of all blocks.</param>
    public static bool IsLong(IReadOnlyList<JoinSegment> segments, long liveBytes) =>
        segments.Count >= SegmentsMax || segments.Sum(segment => segment.Bytes) > 4 * PartBytes + 2 * liveBytes;

    /// <summary>Writes a segment; again, where that failed.</summary>
    /// <returns>Null where there is nothing to write.</returns>
    public async Task<JoinSegment?> WriteAsync(long checkpoint, SnapshotPart blocks, CancellationToken cancellationToken)
    {
        var (parts, bytes) = (0, 0L);
        foreach (var part in Parts(blocks))
        {
            await GrainRecords.WriteAsync(cells.Storage, ClusterNames.JoinState, Id(checkpoint, parts++), part, null, cancellationToken).ConfigureAwait(false);
            bytes += part.Length;
        }

        return parts == 0 ? null : new JoinSegment(checkpoint, parts, bytes);
    }

    /// <summary>Reads the newest block of each key.</summary>
    /// <exception cref="InvalidDataException">A record is damaged, or gone.</exception>
    public async Task ReadAsync(IReadOnlyList<JoinSegment> segments, BlockVisitor visit, CancellationToken cancellationToken)
    {
        var seen = new HashSet<(int, string)>();
        foreach (var segment in segments.Reverse())
        {
            List<(int, string)> own = [];
            for (var part = 0; part < segment.Parts; part++)
            {
                var (bytes, _) = await GrainRecords.ReadAsync(cells.Storage, ClusterNames.JoinState, Id(segment.Checkpoint, part), cancellationToken).ConfigureAwait(false);
                if (bytes.Length == 0)
                    throw new InvalidDataException($"What the joins kept before checkpoint {segment.Checkpoint} is gone from the grain storage. Restore a copy of it, or start with an empty one.");
                Visit(bytes, seen, own, visit);
            }

            seen.UnionWith(own);
        }
    }

    /// <summary>Removes segments that do not count any more. What is left behind does no harm.</summary>
    public async Task RemoveAsync(IEnumerable<JoinSegment> segments, CancellationToken cancellationToken)
    {
        foreach (var segment in segments)
        {
            for (var part = 0; part < segment.Parts; part++)
            {
                if (!await GrainRecords.RemoveAsync(cells.Storage, ClusterNames.JoinState, Id(segment.Checkpoint, part), cancellationToken).ConfigureAwait(false))
                    break;
            }
        }
    }

    private static IEnumerable<byte[]> Parts(SnapshotPart blocks)
    {
        for (int first = 0, end = 0; first < blocks.Entities.Count; first = end)
        {
            var length = 0;
            do
                length += EntryHeaderBytes + blocks.Keys[end].Length + blocks.Blocks[end].Length;
            while (++end < blocks.Entities.Count && length < PartBytes);
            var part = new byte[length];
            var rest = part.AsSpan();
            for (var index = first; index < end; index++)
            {
                var key = blocks.Keys[index];
                var block = blocks.Blocks[index];
                BinaryPrimitives.WriteInt32LittleEndian(rest, blocks.Entities[index]);
                BinaryPrimitives.WriteInt32LittleEndian(rest[4..], key.Length);
                BinaryPrimitives.WriteInt32LittleEndian(rest[8..], block.Length);
                key.CopyTo(rest[EntryHeaderBytes..]);
                block.CopyTo(rest[(EntryHeaderBytes + key.Length)..]);
                rest = rest[(EntryHeaderBytes + key.Length + block.Length)..];
            }

            yield return part;
        }
    }

    private static void Visit(ReadOnlySpan<byte> bytes, HashSet<(int, string)> seen, List<(int, string)> own, BlockVisitor visit)
    {
        while (!bytes.IsEmpty)
        {
            if (bytes.Length < EntryHeaderBytes
                || BinaryPrimitives.ReadInt32LittleEndian(bytes[4..]) is var key && (uint)key > (uint)(bytes.Length - EntryHeaderBytes)
                || BinaryPrimitives.ReadInt32LittleEndian(bytes[8..]) is var block && (uint)block > (uint)(bytes.Length - EntryHeaderBytes - key))
            {
                throw new InvalidDataException("What the joins kept is damaged. Restore a copy of the grain storage, or start with an empty one.");
            }

            var type = BinaryPrimitives.ReadInt32LittleEndian(bytes);
            var content = bytes.Slice(EntryHeaderBytes, key + block);
            var place = (type, Convert.ToHexString(content[..key]));
            own.Add(place);
            if (block > 0 && !seen.Contains(place))
                visit(type, content[..key], content[key..]);
            bytes = bytes[(EntryHeaderBytes + key + block)..];
        }
    }

    private GrainId Id(long checkpoint, int part) => GrainId.Create(ClusterNames.JoinState, $"{project}/{checkpoint}/{part}");
}
