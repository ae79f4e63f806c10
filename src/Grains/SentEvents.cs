using System.Runtime.InteropServices;
using FeatureStore.Core.Events;
using FeatureStore.Grains.Payloads;
using FeatureStore.Runtime;

namespace FeatureStore.Grains;

/// <summary>
/// The events of a batch as bytes, once for all entities, for as long as those of some entity are not durable: links refer to their rows, and a request is only made where it has to be
/// sent. Reused.
/// </summary>
internal sealed class SentEvents
{
    private byte[] _bytes = [];

    /// <summary>Where each row begins, and the last one ends.</summary>
    private int[] _starts = [];
    private int[] _rows = [];

    /// <summary>Of an erasure, which carries no events.</summary>
    public ApplyRequest? Erasure { get; init; }

    public long Interval { get; private set; }

    /// <summary>Entities whose events are not durable.</summary>
    public int Links { get; set; }

    /// <summary>Bytes of all rows; 0 until they are encoded.</summary>
    public int Length { get; private set; }

    private int Source { get; set; }

    private int Vectors { get; set; }

    private int[][]? Generations { get; set; }

    public static SentEvents Of(ApplyRequest erasure) => new() { Erasure = erasure, Interval = erasure.Interval };

    public void Begin(ApplyBatch batch, long interval, int[][]? generations)
    {
        (Source, Vectors, Interval, Generations) = (batch.Source, batch.Vectors.Count, interval, generations);
        (Links, Length) = (0, 0);
    }

    /// <summary>The rows, entity after entity.</summary>
    /// <param name="count">How many there are.</param>
    public Span<int> Rows(int count)
    {
        Reserve(ref _rows, count);
        return _rows.AsSpan(0, count);
    }

    public ReadOnlySpan<int> Rows(int first, int count) => _rows.AsSpan(first, count);

    /// <summary>Copies the events, unless that is done.</summary>
    public void Encode(EventBatch events)
    {
        if (Length > 0)
            return;
        Reserve(ref _starts, events.Count + 1);
        var at = 0;
        for (var row = 0; row < events.Count; row++)
        {
            _starts[row] = at;
            var length = EventCodec.Length(events, row);
            if (length > _bytes.Length - at)
                Array.Resize(ref _bytes, Math.Max(at + length, Math.Max(4096, _bytes.Length * 2)));
            at += EventCodec.Write(events, row, _bytes.AsSpan(at));
        }

        _starts[events.Count] = at;
        Length = at;
    }

    /// <summary>What one entity is sent.</summary>
    /// <param name="plan"><see cref="ClusterPlan.Fingerprint"/>.</param>
    /// <param name="key">The encoded key, where the address does not hold it.</param>
    /// <param name="first">The first of the entity's rows.</param>
    /// <param name="count">How many it has.</param>
    public ApplyRequest Request(ulong plan, byte[]? key, int first, int count)
    {
        if (Erasure is not null)
            return Erasure;
        var length = 0;
        foreach (var row in Rows(first, count))
            length += _starts[row + 1] - _starts[row];
        var bytes = GC.AllocateUninitializedArray<byte>(length);
        var at = 0;
        foreach (var row in Rows(first, count))
        {
            var encoded = _bytes.AsSpan(_starts[row].._starts[row + 1]);
            encoded.CopyTo(bytes.AsSpan(at));
            at += encoded.Length;
        }

        return new ApplyRequest { Plan = plan, Source = Source, Interval = Interval, Vectors = Vectors, Count = count, Rows = bytes, Key = key, Generations = Generations };
    }

    private static void Reserve(ref int[] numbers, int count)
    {
        if (numbers.Length < count)
            numbers = new int[Math.Max(count, numbers.Length * 2)];
    }
}

/// <summary>What one entity got of a batch.</summary>
/// <param name="Events">The batch.</param>
/// <param name="First">The first of the entity's rows,</param>
/// <param name="Count">and how many it has.</param>
[StructLayout(LayoutKind.Auto)]
internal readonly record struct Sent(SentEvents Events, int First, int Count);
