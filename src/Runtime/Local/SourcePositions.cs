namespace FeatureStore.Runtime.Local;

/// <summary>How far each partition of each source was applied, and had been published before this start: what an erasure keeps out from then on.</summary>
internal sealed class SourcePositions(int sources)
{
    /// <summary>By source and partition, the offset after the newest event that was applied.</summary>
    private readonly long[][] _applied = Empty(sources);

    /// <summary>By source and partition, cursor P of the start.</summary>
    private readonly long[][] _published = Empty(sources);

    /// <summary>Takes note of a batch that was read from a topic.</summary>
    public void Advance(ApplyBatch batch)
    {
        for (var row = 0; row < batch.Events.Count; row++)
        {
            ref readonly var header = ref batch.Events[row];
            Advance(ref _applied[batch.Source], header.Partition, header.Offset + 1);
        }
    }

    public void Advance(int source, int partition, long nextOffset) => Advance(ref _applied[source], partition, nextOffset);

    /// <summary>Takes note of what was published before this start.</summary>
    public void Begin(int source, IReadOnlyList<long> publishedOffsets)
    {
        for (var partition = 0; partition < publishedOffsets.Count; partition++)
            Advance(ref _published[source], partition, publishedOffsets[partition]);
    }

    /// <summary>Whether every partition of a source was applied up to an offset.</summary>
    public bool HasReached(int source, IReadOnlyList<long> nextOffsets)
    {
        for (var partition = 0; partition < nextOffsets.Count; partition++)
        {
            if (nextOffsets[partition] > (partition < _applied[source].Length ? _applied[source][partition] : 0))
                return false;
        }

        return true;
    }

    /// <summary>A partition begins anew.</summary>
    public void Recreate(int source, int partition)
    {
        foreach (var offsets in new[] { _applied[source], _published[source] })
        {
            if (partition < offsets.Length)
                offsets[partition] = 0;
        }
    }

    /// <summary>Of each partition of a source, the offset of the first event that has not been applied or published.</summary>
    public long[] NextOffsets(int source)
    {
        var offsets = new long[Math.Max(_applied[source].Length, _published[source].Length)];
        _applied[source].CopyTo(offsets, 0);
        for (var partition = 0; partition < _published[source].Length; partition++)
            offsets[partition] = Math.Max(offsets[partition], _published[source][partition]);
        return offsets;
    }

    private static long[][] Empty(int sources) => [.. Enumerable.Range(0, sources).Select(_ => Array.Empty<long>())];

    private static void Advance(ref long[] offsets, int partition, long offset)
    {
        if (partition >= offsets.Length)
            Array.Resize(ref offsets, partition + 1);
        if (offsets[partition] < offset)
            offsets[partition] = offset;
    }
}
