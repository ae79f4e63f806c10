using System.Globalization;
using FeatureStore.Harness;

namespace FeatureStore.Benchmarks;

/// <summary>What silos have counted at /metrics, by the name of the series without its labels, buckets by their bound too; several silos are added up.</summary>
internal sealed class SiloCounts
{
    public const string CutPause = "featurestore_grains_cut_pause_seconds";
    public const string SlicesGap = "featurestore_grains_slices_gap_seconds";
    private const string Bound = "le=\"";

    private readonly Dictionary<string, double> _values = [];
    private readonly Dictionary<string, SortedDictionary<double, double>> _buckets = [];

    public static SiloCounts Of(params IEnumerable<SiloProcess> silos)
    {
        var counts = new SiloCounts();
        foreach (var silo in silos)
        {
            foreach (var line in silo.Http.GetStringAsync(new Uri("metrics", UriKind.Relative)).GetAwaiter().GetResult().Split('\n'))
            {
                if (line.Length > 0 && line[0] != '#')
                    counts.Add(line);
            }
        }

        return counts;
    }

    public double this[string name] => _values.GetValueOrDefault(name);

    /// <summary>What came after an earlier look at the same silos.</summary>
    public SiloCounts Since(SiloCounts before)
    {
        var since = new SiloCounts();
        foreach (var (name, value) in _values)
            since._values[name] = value - before[name];
        foreach (var (name, buckets) in _buckets)
        {
            var earlier = before._buckets.GetValueOrDefault(name, []);
            since._buckets[name] = new(buckets.ToDictionary(bucket => bucket.Key, bucket => bucket.Value - earlier.GetValueOrDefault(bucket.Key)));
        }

        return since;
    }

    /// <summary>The bound of the bucket that a share of a histogram's measurements does not exceed; NaN: there are none.</summary>
    public double AtMost(string histogram, double share)
    {
        var count = this[histogram + "_count"];
        return count == 0 ? double.NaN : _buckets[histogram].First(bucket => bucket.Value >= share * count).Key;
    }

    private void Add(string line)
    {
        var (end, value) = (line.IndexOfAny(['{', ' ']), double.Parse(line.AsSpan(line.LastIndexOf(' ') + 1), CultureInfo.InvariantCulture));
        var name = line[..end];
        if (!name.EndsWith("_bucket", StringComparison.Ordinal))
        {
            _values[name] = this[name] + value;
            return;
        }

        var from = line.LastIndexOf(Bound, StringComparison.Ordinal) + Bound.Length;
        var text = line.AsSpan(from, line.IndexOf('"', from) - from);
        var bound = text is "+Inf" ? double.PositiveInfinity : double.Parse(text, CultureInfo.InvariantCulture);
        var histogram = name[..^"_bucket".Length];
        if (!_buckets.TryGetValue(histogram, out var buckets))
            _buckets[histogram] = buckets = [];
        buckets[bound] = buckets.GetValueOrDefault(bound) + value;
    }
}
