using System.Diagnostics.Metrics;

namespace FeatureStore.Monitoring;

internal enum MetricKind
{
    Counter,

    /// <summary>Measurements are values.</summary>
    Gauge,

    /// <summary>Measurements are changes; to Prometheus a gauge.</summary>
    UpDown,
    Histogram,
}

/// <summary>An instrument in Prometheus's terms.</summary>
/// <param name="Name">Name of the family, unit included; a counter's without <c>_total</c>.</param>
/// <param name="Unit">Last part of the name where it is a unit; empty else.</param>
/// <param name="Help">The instrument's description.</param>
/// <param name="Kind">What it is.</param>
/// <param name="Observable">Whether values come by observation, as absolute values.</param>
/// <param name="Bounds">Upper bounds of a histogram's buckets, ascending, without infinity.</param>
internal sealed record MetricDescription(string Name, string Unit, string Help, MetricKind Kind, bool Observable, double[] Bounds)
{
    /// <summary>For durations in seconds: 50 µs to 60 s.</summary>
    private static readonly double[] _secondBounds =
        [0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

    private static readonly double[] _byteBounds =
        [256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304, 16777216, 67108864, 268435456, 1073741824];

    private static readonly double[] _countBounds =
        [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 100000];

    public static MetricDescription Of(Instrument instrument)
    {
        var type = instrument.GetType();
        var generic = type.IsGenericType ? type.GetGenericTypeDefinition() : type;
        var kind = generic == typeof(Counter<>) || generic == typeof(ObservableCounter<>) ? MetricKind.Counter
            : generic == typeof(Histogram<>) ? MetricKind.Histogram
            : generic == typeof(UpDownCounter<>) ? MetricKind.UpDown
            : MetricKind.Gauge;
        var unit = UnitName(instrument.Unit, kind);
        var name = MetricsTextWriter.SafeName(instrument.Name, colons: true);
        if (kind is MetricKind.Counter && name.EndsWith("_total", StringComparison.Ordinal))
            name = name[..^"_total".Length];
        if (unit.Length > 0 && !name.EndsWith("_" + unit, StringComparison.Ordinal))
            name += "_" + unit;
        return new MetricDescription(name, unit, instrument.Description ?? "", kind, instrument.IsObservable, kind is MetricKind.Histogram ? BoundsOf(instrument) : []);
    }

    /// <summary>OpenTelemetry's rules for units (UCUM) in Prometheus names: seconds, bytes; annotations in braces vanish.</summary>
    private static string UnitName(string? unit, MetricKind kind)
    {
        if (string.IsNullOrEmpty(unit) || unit[0] == '{')
            return "";
        if (unit == "1")
            return kind is MetricKind.Counter ? "" : "ratio";
        var slash = unit.IndexOf('/', StringComparison.Ordinal);
        if (slash > 0)
            return UnitName(unit[..slash], kind) + "_per_" + UnitName(unit[(slash + 1)..], kind).TrimEnd('s');
        return unit switch
        {
            "s" => "seconds",
            "ms" => "milliseconds",
            "us" => "microseconds",
            "ns" => "nanoseconds",
            "min" => "minutes",
            "h" => "hours",
            "d" => "days",
            "By" => "bytes",
            "KiBy" => "kibibytes",
            "MiBy" => "mebibytes",
            "%" => "percent",
            _ => MetricsTextWriter.SafeName(unit, colons: false).Trim('_'),
        };
    }

    private static double[] BoundsOf(Instrument instrument)
    {
        double[]? advised = instrument switch
        {
            Histogram<double> histogram => Advised(histogram.Advice),
            Histogram<float> histogram => Advised(histogram.Advice),
            Histogram<long> histogram => Advised(histogram.Advice),
            Histogram<int> histogram => Advised(histogram.Advice),
            Histogram<short> histogram => Advised(histogram.Advice),
            Histogram<byte> histogram => Advised(histogram.Advice),
            _ => null,
        };
        return advised ?? instrument.Unit switch
        {
            "s" => _secondBounds,
            "ms" => [.. _secondBounds.Select(bound => bound * 1000)],
            "By" => _byteBounds,
            _ => _countBounds,
        };
    }

    private static double[]? Advised<T>(InstrumentAdvice<T>? advice)
        where T : struct => advice?.HistogramBucketBoundaries is { Count: > 0 } bounds
            ? [.. bounds.Select(bound => Convert.ToDouble(bound, System.Globalization.CultureInfo.InvariantCulture)).Where(double.IsFinite).Distinct().Order()]
            : null;
}
