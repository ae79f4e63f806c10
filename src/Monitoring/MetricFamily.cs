namespace FeatureStore.Monitoring;

/// <summary>The series of one instrument: a hash table that is read without a lock. Series are added, never removed.</summary>
internal sealed class MetricFamily(MetricDescription description, int seriesMax, SeriesBudget budget)
{
    private readonly Lock _lock = new();
    private readonly List<Series> _series = [];
    private volatile Series?[] _table = new Series?[16];
    private int _observation;

    public MetricDescription Description => description;

    public void Record(double value, ReadOnlySpan<KeyValuePair<string, object?>> tags)
    {
        var hash = TagSet.Hash(tags);
        var series = Find(_table, hash, tags) ?? Add(hash, tags);
        if (series is null)
            budget.Drop();
        else if (description.Kind is MetricKind.Histogram)
            series.Observe(value, description.Bounds);
        else if (description.Observable || description.Kind is MetricKind.Gauge)
            series.Set(value, _observation);
        else
            series.Add(value);
    }

    /// <summary>What is not observed from here on is no longer there.</summary>
    public void BeginObservation() => _observation++;

    public void WriteTo(ref MetricsTextWriter writer)
    {
        lock (_lock)
        {
            var headed = false;
            foreach (var series in _series)
            {
                if (description.Observable && series.Observation != _observation)
                    continue;
                if (!headed)
                    writer.Head(description);
                headed = true;
                series.WriteTo(ref writer, description);
            }
        }
    }

    private static Series? Find(Series?[] table, int hash, ReadOnlySpan<KeyValuePair<string, object?>> tags)
    {
        for (var series = table[hash & (table.Length - 1)]; series is not null; series = series.Next)
        {
            if (series.Hash == hash && TagSet.Equal(series.Tags, tags))
                return series;
        }

        return null;
    }

    private Series? Add(int hash, ReadOnlySpan<KeyValuePair<string, object?>> tags)
    {
        lock (_lock)
        {
            if (Find(_table, hash, tags) is { } found)
                return found;
            if (_series.Count >= seriesMax || !budget.TryTake())
                return null;
            if (_series.Count >= _table.Length)
                Grow();
            var series = new Series(hash, tags.ToArray(), description.Bounds.Length);
            _series.Add(series);
            Link(_table, series);
            return series;
        }
    }

    /// <summary>A reader that walks the old table meanwhile may miss a series, and then looks again under the lock.</summary>
    private void Grow()
    {
        var table = new Series?[_table.Length * 2];
        foreach (var series in _series)
            Link(table, series);
        _table = table;
    }

    private static void Link(Series?[] table, Series series)
    {
        ref var head = ref table[series.Hash & (table.Length - 1)];
        series.Next = head;
        Volatile.Write(ref head, series);
    }
}
