using System.Globalization;
using System.Text;
using FeatureStore.Core.Plans;
using FeatureStore.Ingest.Pipeline;
using FeatureStore.Ingest.Tests.Simulation;
using FeatureStore.Registry;

namespace FeatureStore.Ingest.Tests.Pipeline;

/// <summary>Sources whose events meet hold each other back as partitions of one source do.</summary>
[TestClass]
public sealed class PeerAlignmentTests
{
    private const long StartMs = 1_700_000_000_000;

    [TestMethod]
    public void NeitherRunsFurtherAheadThanTheSmallerAlignment()
    {
        using var sources = new Sources("1h", "60s");
        foreach (var seconds in new[] { 0, 59, 60, 61 })
            sources.Append("payments", 0, seconds);
        sources.Append("logins", 0, 0);
        sources.Append("logins", 0, 100);
        sources.Records["logins"].Stuck[0] = 1;
        CollectionAssert.AreEquivalent(new[] { "payments/0", "payments/1", "logins/0" }, sources.LetThrough());
        for (var round = 0; round < 20; round++)
            Assert.IsEmpty(sources.LetThrough(), "The logins have lag that is known.");
        sources.Records["logins"].Stuck.Clear();
        CollectionAssert.AreEquivalent(new[] { "payments/2", "payments/3", "logins/1" }, sources.LetThrough());
    }

    [TestMethod]
    public void AnIdlePeerHoldsNobodyBack()
    {
        using var sources = new Sources("60s", "60s");
        sources.Append("payments", 0, 0);
        sources.Append("payments", 0, 1000);
        CollectionAssert.AreEqual(new[] { "payments/0", "payments/1" }, sources.LetThrough());
    }

    [TestMethod]
    public void APeerWhoseEndCannotBeAskedHoldsBack()
    {
        using var sources = new Sources("60s", "60s");
        sources.Append("payments", 0, 0);
        sources.Records["logins"].Away.Add(0);
        Assert.IsEmpty(sources.LetThrough());
        sources.Records["logins"].Away.Clear();
        Assert.HasCount(1, sources.LetThrough());
    }

    [TestMethod]
    public void SourcesThatDoNotMeetDoNotWait()
    {
        using var sources = new Sources("60s", "60s");
        sources.Append("payments", 0, 0);
        sources.Append("logins", 0, 0);
        sources.Append("others", 0, 5000);
        sources.Records["others"].Stuck[0] = 0;
        CollectionAssert.AreEquivalent(new[] { "payments/0", "logins/0" }, sources.LetThrough());
    }

    /// <summary>With align 0 two sources are one sequence by time; of equal times the first source's goes first.</summary>
    [TestMethod]
    public void AStrictMergeGoesByTimeThroughBothSources()
    {
        var random = new Random(5);
        for (var round = 0; round < 20; round++)
        {
            using var sources = new Sources("0", "1h");
            var (payments, logins) = (0, 0);
            for (var index = 0; index < 40; index++)
            {
                if (random.Next(2) == 0)
                    sources.Append("payments", 0, payments += random.Next(3));
                else
                    sources.Append("logins", 0, logins += random.Next(3));
            }

            var through = sources.LetThrough();
            Assert.HasCount(40, through);
            CollectionAssert.AreEqual(through.Order(new ByTime(sources)).ToArray(), through);
        }
    }

    private sealed class ByTime(Sources sources) : IComparer<string>
    {
        public int Compare(string? left, string? right) => Key(left!).CompareTo(Key(right!));

        private (long, int, int) Key(string position)
        {
            var parts = position.Split('/');
            var offset = int.Parse(parts[1], CultureInfo.InvariantCulture);
            return (sources.Times[(parts[0], offset)], parts[0] == "payments" ? 0 : 1, offset);
        }
    }

    /// <summary>Payments, enriched by what logins feed, and others; a partition each.</summary>
    private sealed class Sources : IDisposable
    {
        private static readonly string[] _names = ["payments", "logins", "others"];
        private readonly IngestOptions _options = new();
        private readonly ManualTime _time = new();
        private readonly Dictionary<string, SimulatedBroker> _brokers;
        private readonly SourceLane[] _lanes;

        public Sources(string paymentsAlign, string loginsAlign)
        {
            var plan = Plan(paymentsAlign, loginsAlign);
            _brokers = _names.ToDictionary(name => name, name => new SimulatedBroker(name, 1));
            Records = _brokers.ToDictionary(broker => broker.Key, broker => new SimulatedSource(broker.Value, new Chaos(1) { IsOn = false }));
            _lanes = [.. plan.Sources.Select(source =>
            {
                var records = Records[source.Definition.Name];
                var partitions = StartingPoints.Open(plan, source, records, null, _brokers[source.Definition.Name].Published, false, _time);
                records.Start([0]);
                return new SourceLane(plan, source, records, partitions);
            })];
            foreach (var lane in _lanes)
                lane.AlignWith(_lanes);
        }

        public Dictionary<string, SimulatedSource> Records { get; }

        public Dictionary<(string Name, int Offset), long> Times { get; } = [];

        public void Append(string name, int partition, int seconds)
        {
            var log = _brokers[name].Partitions[partition];
            Times.Add((name, (int)log.End), StartMs + 1000L * seconds);
            log.Append(null, Encoding.UTF8.GetBytes($"{{\"AT\":{StartMs + 1000L * seconds},\"DEVICE\":1}}"));
        }

        /// <summary>What payments and logins let through, asking for ends where nothing comes: <c>source/offset</c>.</summary>
        public List<string> LetThrough()
        {
            List<string> through = [];
            for (var still = 0; still < 20; still++)
            {
                foreach (var lane in _lanes)
                {
                    var batch = new PipelineBatch(lane.Source, lane.Services, 1, _options);
                    lane.Fill(batch, silent: false);
                    still = batch.RecordCount == 0 ? still : 0;
                    for (var row = 0; row < batch.Events.Count; row++)
                        through.Add($"{lane.Source.Definition.Name}/{batch.Events[row].Offset}");
                    Records[lane.Source.Definition.Name].Release(batch.Handles);
                    if (batch.RecordCount == 0)
                        lane.ProbeIdle();
                }
            }

            return [.. through.Where(position => !position.StartsWith("others", StringComparison.Ordinal))];
        }

        public void Dispose()
        {
            foreach (var lane in _lanes)
                lane.Partitions[0].Abandon();
            foreach (var records in Records.Values)
                records.Dispose();
        }

        private static ProjectPlan Plan(string paymentsAlign, string loginsAlign)
        {
            var text = $$"""
                project: peers
                sources:
                  - { name: payments, kafka: { topic: payments }, timestamp: AT, clock: stream, align: {{paymentsAlign}}, fields: { AT: timestamp, DEVICE: int64 }, enrich: [{ feature: devices:n, as: N }] }
                  - { name: logins, kafka: { topic: logins }, timestamp: AT, clock: stream, align: {{loginsAlign}}, fields: { AT: timestamp, DEVICE: int64 } }
                  - { name: others, kafka: { topic: others }, timestamp: AT, clock: stream, fields: { AT: timestamp, DEVICE: int64 } }
                entities: [{ name: device, keys: [DEVICE] }]
                feature_views:
                  - { name: devices, entity: device, source: logins, features: [{ name: n, aggregate: count }] }
                """;
            var result = DefinitionLoader.Load([new DefinitionFile("peers.yaml", text)]);
            return ProjectPlan.Compile(result.Project ?? throw new InvalidOperationException(result.ToString()));
        }
    }
}
