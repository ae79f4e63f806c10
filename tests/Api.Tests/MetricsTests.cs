using System.Buffers;
using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using System.Text;
using System.Text.RegularExpressions;
using FeatureStore.Monitoring;

namespace FeatureStore.Api.Tests;

[TestClass]
public sealed partial class MetricsTests
{
    [TestMethod]
    public async Task ShowsRequestsByRouteAndStatusAndThePipeline()
    {
        await using var host = await ApiHost.StartAsync();
        host.Pipeline.Current = OperationsTests.Busy;
        await host.PostAsync("/get-online-features", """{"features":["spending:total"],"entities":{"customer":[1,2]}}""");
        await host.PostAsync("/get-online-features", "x");
        await host.GetAsync("/nowhere/" + Guid.NewGuid());
        var samples = Samples((await host.GetAsync("/metrics")).Text);

        Assert.IsGreaterThanOrEqualTo(1, samples["""featurestore_api_request_duration_seconds_count{method="POST",route="/get-online-features",status="200"}"""]);
        Assert.IsGreaterThanOrEqualTo(1, samples["""featurestore_api_request_duration_seconds_count{method="POST",route="/get-online-features",status="400"}"""]);
        Assert.IsGreaterThanOrEqualTo(1, samples["""featurestore_api_request_duration_seconds_count{method="GET",route="(none)",status="404"}"""]);
        Assert.IsTrue(samples.ContainsKey("""featurestore_api_request_duration_seconds_bucket{method="POST",route="/get-online-features",status="200",le="5e-05"}"""));
        Assert.IsGreaterThanOrEqualTo(2, samples["""featurestore_api_values_served_total{status="NOT_FOUND"}"""]);
        Assert.IsGreaterThanOrEqualTo(1, samples["featurestore_api_requests_active"], "this one");
        Assert.IsTrue(samples.ContainsKey("process_cpu_seconds_total"));
        Assert.IsGreaterThan(1e6, samples["process_resident_memory_bytes"]);
        Assert.IsTrue(samples.Keys.Any(key => key.StartsWith("dotnet_gc_", StringComparison.Ordinal)), "the runtime's own");
        Assert.IsFalse(samples.Keys.Any(key => key.Contains("/nowhere", StringComparison.Ordinal)), "paths that clients invent are no labels");
    }

    [TestMethod]
    public void ACountIsThatOfTheMomentWheneverTheExporterBegan()
    {
        using var meter = new Meter("Test" + Guid.NewGuid().ToString("N"));
        var count = new LiveCount(meter, "shop.visitors", "{visitor}", "Visitors.");
        count.Enter();
        count.Enter();
        using var exporter = new PrometheusExporter(new PrometheusExporterOptions { Meters = [meter.Name] });
        count.Leave();

        var text = new ArrayBufferWriter<byte>();
        exporter.Write(text, MetricsFormat.Prometheus);

        StringAssert.Contains(Encoding.UTF8.GetString(text.WrittenSpan), "\nshop_visitors 1\n", StringComparison.Ordinal);
    }

    [TestMethod]
    [DataRow("application/openmetrics-text;version=1.0.0;q=0.6,text/plain;version=0.0.4;q=0.5,*/*;q=0.1", "application/openmetrics-text; version=1.0.0; charset=utf-8")]
    [DataRow("text/plain;version=0.0.4;q=0.6,application/openmetrics-text;q=0.5", "text/plain; version=0.0.4; charset=utf-8")]
    [DataRow("text/html", "text/plain; version=0.0.4; charset=utf-8")]
    [DataRow(null, "text/plain; version=0.0.4; charset=utf-8")]
    public async Task GivesTheFormatThatIsPreferred(string? accept, string contentType)
    {
        await using var host = await ApiHost.StartAsync();
        using var request = new HttpRequestMessage(HttpMethod.Get, "/metrics");
        if (accept is not null)
            request.Headers.TryAddWithoutValidation("Accept", accept);

        using var response = await host.Client.SendAsync(request);

        var text = await response.Content.ReadAsStringAsync();
        Assert.AreEqual(contentType, response.Content.Headers.ContentType?.ToString());
        Assert.AreEqual(contentType.StartsWith("application/openmetrics", StringComparison.Ordinal), text.EndsWith("# EOF\n", StringComparison.Ordinal));
    }

    /// <summary>Sections of the document are named for meters; those of meters that this process lacks are not looked at.</summary>
    [TestMethod]
    public async Task TheDocumentHasEveryMetricAndNoOther()
    {
        await using var host = await ApiHost.StartAsync();
        // Other tests make instruments meanwhile.
        var instruments = new ConcurrentQueue<Instrument>();
        using var listener = new MeterListener { InstrumentPublished = (instrument, _) => instruments.Enqueue(instrument) };
        listener.Start();
        var meters = new[] { "FeatureStore.Api", "FeatureStore.Pipeline", "FeatureStore.Process", "FeatureStore.Monitoring" };
        var existing = instruments.Where(instrument => meters.Contains(instrument.Meter.Name)).Select(instrument =>
        {
            var description = MetricDescription.Of(instrument);
            var (suffix, type) = description.Kind switch
            {
                MetricKind.Counter => ("_total", "counter"),
                MetricKind.Histogram => ("", "histogram"),
                _ => ("", "gauge"),
            };
            return $"{instrument.Meter.Name} | `{description.Name}{suffix}` | {type} | {description.Help}";
        }).Distinct().Order(StringComparer.Ordinal).ToList();

        var documented = new List<string>();
        var section = "";
        foreach (var line in await File.ReadAllLinesAsync(Path.Combine(Project.Root, "docs", "metrics.md")))
        {
            if (line.StartsWith("## ", StringComparison.Ordinal))
                section = line[3..];
            else if (line.StartsWith("| `", StringComparison.Ordinal) && meters.Contains(section) && line.Split('|') is [_, var name, var type, _, var meaning, _])
                documented.Add($"{section} | {name.Trim()} | {type.Trim()} | {meaning.Trim()}");
        }

        Assert.AreEqual(string.Join('\n', existing), string.Join('\n', documented.Order(StringComparer.Ordinal)));
    }

    private static Dictionary<string, double> Samples(string text) => text.Split('\n', StringSplitOptions.RemoveEmptyEntries).Where(line => line[0] != '#')
        .Select(line => Line().Match(line)).ToDictionary(
            match => match.Success ? match.Groups[1].Value : throw new FormatException("not a sample"),
            match => double.Parse(match.Groups[2].Value.Replace("+Inf", "Infinity", StringComparison.Ordinal), System.Globalization.CultureInfo.InvariantCulture));

    [GeneratedRegex("""^([a-zA-Z_:][a-zA-Z0-9_:]*(?:\{(?:[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\[\\"n])*",?)*\})?) (\S+)$""")]
    private static partial Regex Line();
}
