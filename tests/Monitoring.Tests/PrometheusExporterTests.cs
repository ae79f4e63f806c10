using System.Buffers;
using System.Diagnostics;
using System.Diagnostics.Metrics;
using System.Text;

namespace FeatureStore.Monitoring.Tests;

[TestClass]
public sealed class PrometheusExporterTests
{
    private readonly string _meterName = "Test" + Guid.NewGuid().ToString("N");

    [TestMethod]
    public void WritesCountersGaugesAndUpDownCounters()
    {
        using var exporter = Exporter();
        using var meter = new Meter(_meterName);
        var counter = meter.CreateCounter<long>("shop.orders", "{order}", "Orders, by kind.");
        var active = meter.CreateUpDownCounter<int>("shop.active");
        var gauge = meter.CreateGauge<double>("shop.size", "By", "Size.");
        counter.Add(2, new KeyValuePair<string, object?>("kind", "a"));
        counter.Add(3, new KeyValuePair<string, object?>("kind", "b"));
        counter.Add(1, new KeyValuePair<string, object?>("kind", "a"));
        active.Add(5);
        active.Add(-7);
        gauge.Record(1.5);
        gauge.Record(0.25);

        Assert.AreEqual(
            """
            # TYPE shop_active gauge
            shop_active -2
            # HELP shop_orders_total Orders, by kind.
            # TYPE shop_orders_total counter
            shop_orders_total{kind="a"} 3
            shop_orders_total{kind="b"} 3
            # HELP shop_size_bytes Size.
            # TYPE shop_size_bytes gauge
            shop_size_bytes 0.25

            """,
            Own(Text(exporter, MetricsFormat.Prometheus)));
    }

    [TestMethod]
    public void WritesHistogramsWithCumulativeBuckets()
    {
        using var exporter = Exporter();
        using var meter = new Meter(_meterName);
        var histogram = meter.CreateHistogram("shop.wait", "s", "Wait.", null, new InstrumentAdvice<double> { HistogramBucketBoundaries = [0.00005, 1] });
        foreach (var value in new[] { 0.00005, 0.000051, 1, 7, double.NaN })
            histogram.Record(value, new KeyValuePair<string, object?>("to", "x"));

        Assert.AreEqual(
            """
            # HELP shop_wait_seconds Wait.
            # TYPE shop_wait_seconds histogram
            shop_wait_seconds_bucket{to="x",le="5e-05"} 1
            shop_wait_seconds_bucket{to="x",le="1"} 3
            shop_wait_seconds_bucket{to="x",le="+Inf"} 4
            shop_wait_seconds_sum{to="x"} 8.000101
            shop_wait_seconds_count{to="x"} 4

            """,
            Own(Text(exporter, MetricsFormat.Prometheus)));
    }

    [TestMethod]
    public void WritesOpenMetrics()
    {
        using var exporter = Exporter();
        using var meter = new Meter(_meterName);
        meter.CreateCounter<double>("shop.busy", "s", "Says \"busy\".").Add(0.5);
        meter.CreateHistogram("shop.n", null, null, null, new InstrumentAdvice<long> { HistogramBucketBoundaries = [1] }).Record(1);

        Assert.AreEqual(
            """
            # HELP shop_busy_seconds Says \"busy\".
            # UNIT shop_busy_seconds seconds
            # TYPE shop_busy_seconds counter
            shop_busy_seconds_total 0.5
            # TYPE shop_n histogram
            shop_n_bucket{le="1.0"} 1
            shop_n_bucket{le="+Inf"} 1
            shop_n_sum 1
            shop_n_count 1
            # EOF

            """,
            Own(Text(exporter, MetricsFormat.OpenMetrics)));
    }

    [TestMethod]
    public void EscapesWhatIsHostile()
    {
        using var exporter = Exporter();
        using var meter = new Meter(_meterName);
        meter.CreateCounter<long>("shop.9 lives\n", null, "a\\b\nc").Add(1, new("a\"b", "x\"y\\z\n}"), new("le", true), new("a.b", 1.5), new("", null));

        Assert.AreEqual("""
            # HELP shop_9_lives__total a\\b\nc
            # TYPE shop_9_lives__total counter
            shop_9_lives__total{_="",a_b="x\"y\\z\n};1.5",le_="true"} 1

            """, Own(Text(exporter, MetricsFormat.Prometheus)));
    }

    [TestMethod]
    public void TagsAreOneSeriesInAnyOrder()
    {
        using var exporter = Exporter();
        using var meter = new Meter(_meterName);
        var counter = meter.CreateCounter<long>("shop.orders");
        counter.Add(1, new("a", 1), new("b", "x"));
        counter.Add(1, new("b", "x"), new("a", 1));
        counter.Add(1, new("a", 2), new("b", "x"));

        StringAssert.Contains(Text(exporter, MetricsFormat.Prometheus), "shop_orders_total{a=\"1\",b=\"x\"} 2\nshop_orders_total{a=\"2\",b=\"x\"} 1\n", StringComparison.Ordinal);
    }

    [TestMethod]
    public void WhatIsNoLongerObservedIsGone()
    {
        using var exporter = Exporter();
        using var meter = new Meter(_meterName);
        var partitions = new List<int> { 1, 2 };
        meter.CreateObservableGauge("shop.lag", () => partitions.Select(partition => new Measurement<int>(partition * 10, new KeyValuePair<string, object?>("partition", partition))));

        StringAssert.Contains(Text(exporter, MetricsFormat.Prometheus), "shop_lag{partition=\"1\"} 10\nshop_lag{partition=\"2\"} 20\n", StringComparison.Ordinal);
        partitions.Remove(1);
        Assert.AreEqual("# TYPE shop_lag gauge\nshop_lag{partition=\"2\"} 20\n", Own(Text(exporter, MetricsFormat.Prometheus)));
        partitions.Clear();
        Assert.AreEqual("", Own(Text(exporter, MetricsFormat.Prometheus)));
    }

    [TestMethod]
    public void ObservedCountersAreAbsolute()
    {
        using var exporter = Exporter();
        using var meter = new Meter(_meterName);
        var total = 10L;
        meter.CreateObservableCounter("shop.total", () => total);

        StringAssert.Contains(Text(exporter, MetricsFormat.Prometheus), "shop_total 10\n", StringComparison.Ordinal);
        total = 12;
        StringAssert.Contains(Text(exporter, MetricsFormat.Prometheus), "shop_total 12\n", StringComparison.Ordinal);
    }

    [TestMethod]
    public void AFailingObservationCostsItselfAlone()
    {
        using var exporter = Exporter();
        using var meter = new Meter(_meterName);
        meter.CreateObservableGauge<int>("shop.bad", Fail);
        meter.CreateObservableGauge("shop.good", () => 1);

        var text = Text(exporter, MetricsFormat.Prometheus);

        StringAssert.Contains(text, "shop_good 1\n", StringComparison.Ordinal);
        Assert.IsFalse(text.Contains("shop_bad", StringComparison.Ordinal));
        StringAssert.Contains(Text(exporter, MetricsFormat.Prometheus), "featurestore_metrics_observe_errors_total 1\n", StringComparison.Ordinal);

        static int Fail() => throw new InvalidOperationException("no");
    }

    [TestMethod]
    public void BoundsSeriesAndCountsWhatItDrops()
    {
        using var exporter = Exporter(new() { SeriesPerInstrumentMax = 3 });
        using var meter = new Meter(_meterName);
        var counter = meter.CreateCounter<long>("shop.orders");
        for (var customer = 0; customer < 10; customer++)
            counter.Add(1, new KeyValuePair<string, object?>("customer", customer));

        var text = Text(exporter, MetricsFormat.Prometheus);

        Assert.AreEqual(3, text.Split('\n').Count(line => line.StartsWith("shop_orders_total{", StringComparison.Ordinal)));
        StringAssert.Contains(text, "featurestore_metrics_dropped_total 7\n", StringComparison.Ordinal);
    }

    [TestMethod]
    public void BoundsSeriesOfAllInstrumentsTogether()
    {
        using var exporter = Exporter(new() { SeriesMax = 6 });
        using var meter = new Meter(_meterName);
        var counters = Enumerable.Range(0, 10).Select(number => meter.CreateCounter<long>($"shop.c{number}")).ToList();
        foreach (var counter in counters)
            counter.Add(1);

        var text = Text(exporter, MetricsFormat.Prometheus);

        Assert.AreEqual(6, text.Split('\n').Count(line => line.StartsWith("shop_c", StringComparison.Ordinal)));
    }

    [TestMethod]
    public void AnInstrumentOfAnotherKindUnderATakenNameIsLeftOut()
    {
        using var exporter = Exporter();
        using var meter = new Meter(_meterName);
        meter.CreateCounter<long>("shop.size", "By").Add(1);
        meter.CreateGauge<long>("shop.size.bytes").Record(7);

        var text = Text(exporter, MetricsFormat.Prometheus);

        StringAssert.Contains(text, "shop_size_bytes_total 1\n", StringComparison.Ordinal);
        Assert.IsFalse(text.Contains("shop_size_bytes 7", StringComparison.Ordinal));
        StringAssert.Contains(text, "featurestore_metrics_conflicts_total 1\n", StringComparison.Ordinal);
    }

    [TestMethod]
    public void HearsTheMetersItIsToldOf()
    {
        using var exporter = Exporter();
        using var inner = new Meter(_meterName + ".Inner");
        using var other = new Meter(_meterName + "Other");
        inner.CreateCounter<long>("shop.inner").Add(1);
        other.CreateCounter<long>("shop.other").Add(1);

        Assert.AreEqual("# TYPE shop_inner_total counter\nshop_inner_total 1\n", Own(Text(exporter, MetricsFormat.Prometheus)));
    }

    [TestMethod]
    [DataRow("1", true, "shop_x_ratio")]
    [DataRow("ms", true, "shop_x_milliseconds")]
    [DataRow("%", true, "shop_x_percent")]
    [DataRow("{event}", true, "shop_x")]
    [DataRow("By/s", true, "shop_x_bytes_per_second")]
    [DataRow("widget", true, "shop_x_widget")]
    [DataRow("1", false, "shop_x_total")]
    [DataRow("s", false, "shop_x_seconds_total")]
    public void NamesUnitsAsOpenTelemetryDoes(string unit, bool gauge, string expected)
    {
        using var exporter = Exporter();
        using var meter = new Meter(_meterName);
        if (gauge)
            meter.CreateGauge<long>("shop.x", unit).Record(1);
        else
            meter.CreateCounter<long>("shop.x", unit).Add(1);

        StringAssert.EndsWith(Own(Text(exporter, MetricsFormat.Prometheus)), $"\n{expected} 1\n", StringComparison.Ordinal);
    }

    [TestMethod]
    public void LosesNothingUnderConcurrency()
    {
        const int Threads = 4;
        const int Adds = 20_000;
        using var exporter = Exporter();
        using var meter = new Meter(_meterName);
        var counter = meter.CreateCounter<double>("shop.orders");
        var histogram = meter.CreateHistogram<double>("shop.wait");
        Parallel.For(0, Threads, new ParallelOptions { MaxDegreeOfParallelism = Threads }, _ =>
        {
            for (var add = 0; add < Adds; add++)
            {
                counter.Add(1, new KeyValuePair<string, object?>("k", add % 100));
                histogram.Record(1);
                if (add % 5000 == 0)
                    Text(exporter, MetricsFormat.Prometheus);
            }
        });

        var lines = Text(exporter, MetricsFormat.Prometheus).Split('\n');
        Assert.AreEqual(100, lines.Count(line => line.StartsWith("shop_orders_total{", StringComparison.Ordinal) && line.EndsWith(" " + Threads * Adds / 100, StringComparison.Ordinal)));
        CollectionAssert.Contains(lines, "shop_wait_count " + Threads * Adds);
        CollectionAssert.Contains(lines, "shop_wait_sum " + Threads * Adds);
    }

    [TestMethod]
    public void RecordingDoesNotAllocate()
    {
        using var exporter = Exporter();
        using var meter = new Meter(_meterName);
        var histogram = meter.CreateHistogram<double>("shop.wait", "s");
        object status = "200";
        Record(10);
        var before = GC.GetAllocatedBytesForCurrentThread();
        Record(10_000);

        Assert.AreEqual(0, GC.GetAllocatedBytesForCurrentThread() - before);

        void Record(int times)
        {
            for (var time = 0; time < times; time++)
                histogram.Record(0.001, new("route", "/push"), new("method", "POST"), new("status", status));
        }
    }

    [TestMethod]
    [DataRow(0, 1)]
    [DataRow(1, 0)]
    [DataRow(100_001, 1)]
    [DataRow(1, 1_000_001)]
    public void RefusesBoundsOutOfRange(int perInstrument, int all) =>
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => new PrometheusExporter(new() { SeriesPerInstrumentMax = perInstrument, SeriesMax = all }).Dispose());

    [TestMethod]
    public void PromtoolFindsNothingWrong()
    {
        const string Promtool = "/usr/bin/promtool";
        if (!File.Exists(Promtool))
            Assert.Inconclusive("promtool is missing: Debian package prometheus.");
        ProcessInstruments.Register();
        using var exporter = new PrometheusExporter();
        using var pipeline = new PipelineMetrics(PipelineMetricsTests.Busy, TimeProvider.System);
        using var meter = new Meter("FeatureStore." + _meterName);
        meter.CreateHistogram<double>("shop.wait", "s", "Wait.").Record(0.1, new KeyValuePair<string, object?>("a", "\"\\\n"));
        using var process = Process.Start(new ProcessStartInfo(Promtool, "check metrics") { RedirectStandardInput = true, RedirectStandardError = true, RedirectStandardOutput = true })!;
        // The runtime's own metrics have no unit suffix that promtool would like: they are not ours to name.
        process.StandardInput.Write(string.Concat(Text(exporter, MetricsFormat.Prometheus).Split('\n').Where(line => !line.Contains("dotnet_", StringComparison.Ordinal)).Select(line => line + "\n")).TrimEnd('\n') + "\n");
        process.StandardInput.Close();
        var output = process.StandardOutput.ReadToEnd() + process.StandardError.ReadToEnd();
        process.WaitForExit();

        Assert.AreEqual("", output);
        Assert.AreEqual(0, process.ExitCode);
    }

    internal static string Text(PrometheusExporter exporter, MetricsFormat format)
    {
        var buffer = new ArrayBufferWriter<byte>();
        exporter.Write(buffer, format);
        return Encoding.UTF8.GetString(buffer.WrittenSpan);
    }

    private PrometheusExporter Exporter(PrometheusExporterOptions? options = null) => new((options ?? new()) with { Meters = [_meterName, "FeatureStore.Monitoring"] });

    /// <summary>Without the exporter's own metrics.</summary>
    private static string Own(string text) =>
        string.Concat(text.Split('\n', StringSplitOptions.RemoveEmptyEntries).Where(line => !line.Contains("featurestore_metrics_", StringComparison.Ordinal)).Select(line => line + "\n"));
}
