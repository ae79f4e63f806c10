using FeatureStore.Runtime;

namespace FeatureStore.Ingest.Pipeline;

/// <summary>64-bit FNV-1a over a record's key and value: tells a recreated topic from the old one. Stored in checkpoints; against accident, not malice.</summary>
internal static class RecordHash
{
    public static unsafe ulong Of(in SourceRecord record)
    {
        var hash = Add(14695981039346656037UL, new ReadOnlySpan<byte>(record.Key, record.KeyLength));
        return Add(hash, new ReadOnlySpan<byte>(record.Value, record.ValueLength));
    }

    private static ulong Add(ulong hash, ReadOnlySpan<byte> bytes)
    {
        foreach (var value in bytes)
            hash = (hash ^ value) * 1099511628211UL;
        return hash;
    }
}
