using System.Buffers;
using System.Diagnostics.Metrics;

namespace FeatureStore.Monitoring;

/// <summary>
/// Collects the process's metrics and writes them as Prometheus text (0.0.4) or OpenMetrics text (1.0.0).
/// Recording takes no lock and does not allocate once a series exists. Any thread may record and write.
/// </summary>
public sealed class PrometheusExporter : IDisposable
{
    private readonly PrometheusExporterOptions _options;
    private readonly MeterListener _listener = new();
    private readonly Lock _lock = new();
    private readonly SortedDictionary<string, MetricFamily> _families = new(StringComparer.Ordinal);
    private readonly SeriesBudget _budget;
    private readonly Meter _meter = new("FeatureStore.Monitoring");
    private long _observeErrors;
    private long _conflicts;

    public PrometheusExporter(PrometheusExporterOptions? options = null)
    {
        _options = options ?? new();
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(_options.SeriesPerInstrumentMax);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(_options.SeriesPerInstrumentMax, 100_000);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(_options.SeriesMax);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(_options.SeriesMax, 1_000_000);
        _budget = new SeriesBudget(_options.SeriesMax);
        _meter.CreateObservableCounter("featurestore.metrics.dropped", () => _budget.Dropped, "{measurement}", "Measurements dropped because their series would be one too many.");
        _meter.CreateObservableGauge("featurestore.metrics.series", () => (long)_budget.Used, "{series}", "Series kept.");
        _meter.CreateObservableCounter("featurestore.metrics.observe.errors", () => Interlocked.Read(ref _observeErrors), "{error}", "Observable instruments that failed while they were read.");
        _meter.CreateObservableCounter("featurestore.metrics.conflicts", () => Interlocked.Read(ref _conflicts), "{instrument}", "Instruments left out because another kind of instrument has their name.");

        _listener.InstrumentPublished = Publish;
        _listener.SetMeasurementEventCallback<byte>(static (_, value, tags, state) => ((MetricFamily)state!).Record(value, tags));
        _listener.SetMeasurementEventCallback<short>(static (_, value, tags, state) => ((MetricFamily)state!).Record(value, tags));
        _listener.SetMeasurementEventCallback<int>(static (_, value, tags, state) => ((MetricFamily)state!).Record(value, tags));
        _listener.SetMeasurementEventCallback<long>(static (_, value, tags, state) => ((MetricFamily)state!).Record(value, tags));
        _listener.SetMeasurementEventCallback<float>(static (_, value, tags, state) => ((MetricFamily)state!).Record(value, tags));
        _listener.SetMeasurementEventCallback<double>(static (_, value, tags, state) => ((MetricFamily)state!).Record(value, tags));
        _listener.SetMeasurementEventCallback<decimal>(static (_, value, tags, state) => ((MetricFamily)state!).Record((double)value, tags));
        _listener.Start();
    }

    /// <summary>Reads the observable instruments and writes every metric, families in order of name.</summary>
    public void Write(IBufferWriter<byte> output, MetricsFormat format)
    {
        ArgumentNullException.ThrowIfNull(output);
        // One writer at a time: the observed values of two would mix.
        lock (_lock)
        {
            foreach (var family in _families.Values)
                family.BeginObservation();
            try
            {
                _listener.RecordObservableInstruments();
            }
            catch (AggregateException exception)
            {
                Interlocked.Add(ref _observeErrors, exception.InnerExceptions.Count);
            }

            var writer = new MetricsTextWriter(output, format);
            foreach (var family in _families.Values)
                family.WriteTo(ref writer);
            writer.End();
        }
    }

    public void Dispose()
    {
        _listener.Dispose();
        _meter.Dispose();
    }

    private void Publish(Instrument instrument, MeterListener listener)
    {
        var meter = instrument.Meter.Name;
        if (meter == _meter.Name && !ReferenceEquals(instrument.Meter, _meter) && instrument.Name.StartsWith("featurestore.metrics.", StringComparison.Ordinal))
            return; // Another exporter's own.
        if (!_options.Meters.Any(prefix => meter.StartsWith(prefix, StringComparison.Ordinal) && (meter.Length == prefix.Length || meter[prefix.Length] == '.')))
            return;
        var description = MetricDescription.Of(instrument);
        MetricFamily? family;
        lock (_lock)
        {
            if (!_families.TryGetValue(description.Name, out family))
                _families.Add(description.Name, family = new MetricFamily(description, _options.SeriesPerInstrumentMax, _budget));
        }

        // Of two instruments with one name, those of one kind share the family; a family of two kinds would make the whole page unreadable.
        if (family.Description.Kind == description.Kind && family.Description.Observable == description.Observable)
            listener.EnableMeasurementEvents(instrument, family);
        else
            Interlocked.Increment(ref _conflicts);
    }
}

/// <summary>Text formats of metrics.</summary>
public enum MetricsFormat
{
    /// <summary><c>text/plain; version=0.0.4</c>.</summary>
    Prometheus,

    /// <summary><c>application/openmetrics-text; version=1.0.0</c>.</summary>
    OpenMetrics,
}

/// <summary>Counts the series of all families against one bound.</summary>
internal sealed class SeriesBudget(int max)
{
    private int _used;
    private long _dropped;

    public int Used => Volatile.Read(ref _used);

    public long Dropped => Interlocked.Read(ref _dropped);

    public bool TryTake()
    {
        if (Interlocked.Increment(ref _used) <= max)
            return true;
        Interlocked.Decrement(ref _used);
        return false;
    }

    public void Drop() => Interlocked.Increment(ref _dropped);
}
