namespace FeatureStore.Monitoring;

/// <summary>One set of label values and what was measured under it.</summary>
internal sealed class Series
{
    private readonly long[] _buckets;
    private double _value;

    public Series(int hash, KeyValuePair<string, object?>[] tags, int bounds)
    {
        Hash = hash;
        Tags = tags;
        Labels = TagSet.Labels(tags);
        _buckets = bounds == 0 ? [] : new long[bounds + 1];
    }

    public int Hash { get; }

    public KeyValuePair<string, object?>[] Tags { get; }

    /// <summary><c>a="1",b="2"</c>, escaped.</summary>
    public byte[] Labels { get; }

    /// <summary>The next series in the same slot of the table.</summary>
    public Series? Next { get; set; }

    /// <summary>Number of the observation that saw it last.</summary>
    public int Observation { get; private set; }

    public void Set(double value, int observation)
    {
        Volatile.Write(ref _value, value);
        Observation = observation;
    }

    public void Add(double value)
    {
        var seen = Volatile.Read(ref _value);
        while (true)
        {
            var was = Interlocked.CompareExchange(ref _value, seen + value, seen);
            // Bits, not values: NaN is unequal to itself.
            if (BitConverter.DoubleToInt64Bits(was) == BitConverter.DoubleToInt64Bits(seen))
                return;
            seen = was;
        }
    }

    public void Observe(double value, double[] bounds)
    {
        if (double.IsNaN(value))
            return;
        var bucket = 0;
        while (bucket < bounds.Length && value > bounds[bucket])
            bucket++;
        Interlocked.Increment(ref _buckets[bucket]);
        Add(value);
    }

    public void WriteTo(ref MetricsTextWriter writer, MetricDescription description)
    {
        var value = Volatile.Read(ref _value);
        if (description.Kind is not MetricKind.Histogram)
        {
            writer.Sample(description.Name, description.Kind is MetricKind.Counter ? "_total" : "", Labels, value);
            return;
        }

        var count = 0L;
        for (var bucket = 0; bucket < _buckets.Length; bucket++)
        {
            count += Interlocked.Read(ref _buckets[bucket]);
            writer.Bucket(description.Name, Labels, bucket < description.Bounds.Length ? description.Bounds[bucket] : double.PositiveInfinity, count);
        }

        // The count is the last bucket's, as the format demands; the sum may already hold a measurement more.
        writer.Sample(description.Name, "_sum", Labels, value);
        writer.Sample(description.Name, "_count", Labels, count);
    }
}
