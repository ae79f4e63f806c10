using System.Globalization;
using System.Text;
using System.Text.Json;
using FeatureStore.Core.Plans;
using FeatureStore.Registry;
using FeatureStore.Runtime;
using FeatureStore.Runtime.Local;

namespace FeatureStore.Ingest.Tests.Simulation;

/// <summary>
/// Impressions and clicks from two topics, joined and scored under seeded schedules of everything that can go wrong: each pair, and each event without a partner,
/// is predicted once, or a dead letter once where the model fails on it; clicks are enriched by what impressions were there long enough before, whatever the order of reading.
/// See <see cref="SeededRuns"/>.
/// </summary>
[TestClass]
public sealed class JoinSimulationTests
{
    private const int Seeds = 60;
    private const int StepsMax = 20_000;
    private const int Users = 4;
    private const int Partitions = 2;
    private const int BadPrice = 13;
    private const long StartMs = 1_700_000_000_000;
    private const long LatenessMs = 600_000;
    private const long WithinMs = 1_800_000;
    private const long WindowMs = 3_600_000;

    public TestContext TestContext { get; set; } = null!;

    [TestMethod]
    public void Every_pair_is_answered_exactly_once()
    {
        var totals = new Totals();
        var isWhole = SeededRuns.Run(Seeds, seed => Run(seed, totals));
        TestContext.WriteLine($"{totals}");
        if (!isWhole)
            return;
        Assert.IsGreaterThan(Seeds, totals.Crashes);
        Assert.IsGreaterThan(Seeds, totals.SilentBatches);
        Assert.IsGreaterThan(50 * Seeds, totals.Pairs);
        Assert.IsGreaterThan(5 * Seeds, totals.Alone);
        Assert.IsGreaterThan(Seeds, totals.DeadLetters);
    }

    private static void Run(int seed, Totals totals)
    {
        var chaos = new Chaos(seed);
        var alignMs = chaos.Random.Next(3) * 300_000L;
        var plan = Plan(alignMs);
        var impressions = new SimulatedBroker("impressions", Partitions);
        var clicks = new SimulatedBroker("clicks", Partitions, impressions);
        var (disk, time, log) = (new SimulatedDisk(), new ManualTime(), new Log(chaos.Random, impressions, clicks));
        log.Write(50 + chaos.Random.Next(150));

        SimulatedProcess? process = null;
        for (var step = 0; ; step++)
        {
            Assert.IsLessThan(StepsMax, step, "The logs are not read to their end.");
            chaos.IsOn = chaos.IsOn && step < 1500;
            try
            {
                process ??= Start();
                time.Advance(TimeSpan.FromMilliseconds(chaos.Random.Next(200)));
                process.Step();
                if (!chaos.IsOn && process.IsDone)
                    break;
            }
            catch (SimulatedCrashException)
            {
                totals.Crashes++;
                End();
                if (chaos.OneIn(8))
                    disk.Wipe();
            }
        }

        var made = log.Made(LatenessMs + alignMs);
        CheckSaid(made, log, alignMs, impressions);
        CheckState(made, plan, process.Runtime);
        totals.Pairs += made.Count(one => one is { Impression: not null, Click: not null });
        totals.Alone += made.Count(one => one.Impression is null || one.Click is null);
        totals.DeadLetters += impressions.DeadLetters.Count;

        // Once more from what is durable: the same state, and not a word said twice.
        var said = impressions.Predictions.Count + impressions.DeadLetters.Count;
        End();
        chaos.IsOn = false;
        process = Start();
        for (var step = 0; !process.IsDone; step++)
        {
            Assert.IsLessThan(StepsMax, step, "The logs are not read to their end again.");
            time.Advance(TimeSpan.FromMilliseconds(chaos.Random.Next(800)));
            process.Step();
        }

        CheckState(made, plan, process.Runtime);
        Assert.AreEqual(said, impressions.Predictions.Count + impressions.DeadLetters.Count, "What was published is published again.");
        End();

        SimulatedProcess Start()
        {
            var on = chaos.IsOn;
            if (on)
                chaos.Arm(600);
            SimulatedProcess? started = null;
            started = new SimulatedProcess(plan, impressions, disk, chaos, time, _ => totals.SilentBatches += started!.IsLive ? 0 : 1, clicks);
            chaos.IsOn = on;
            return started;
        }

        void End()
        {
            var on = chaos.IsOn;
            chaos.IsOn = false;
            process?.Dispose();
            chaos.IsOn = on;
            process = null;
        }
    }

    /// <summary>Each of what was made is said once, under the position of one of its records, and with the fields of both.</summary>
    private static void CheckSaid(List<Made> made, Log log, long alignMs, SimulatedBroker broker)
    {
        var positions = new HashSet<string>();
        List<string> said = [];
        foreach (var (_, key, value) in broker.Predictions)
        {
            using var document = JsonDocument.Parse(value);
            var root = document.RootElement;
            var position = root.GetProperty("position").GetString()!;
            var features = root.GetProperty("features");
            Assert.AreEqual(position, root.GetProperty("id").GetString());
            Assert.IsTrue(positions.Add(position), $"{position} is predicted twice.");
            var impression = Number(features, "IMPRESSION") is { } i ? log.Events[0][(int)i] : null;
            var click = Number(features, "CLICK") is { } c ? log.Events[1][(int)c] : null;
            said.Add(new Made(impression, click).ToString());
            Assert.AreEqual((impression ?? click)!.User.ToString(CultureInfo.InvariantCulture), key, position);
            Assert.AreEqual(click is null ? null : log.SeenBefore(click, alignMs + LatenessMs + 1), Number(features, "SEEN"), position);
            Assert.AreEqual(Math.Max(impression?.TimeMs ?? 0, click?.TimeMs ?? 0), root.GetProperty("event_time").GetDateTimeOffset().ToUnixTimeMilliseconds(), position);
            CheckPosition(position, impression, click);
        }

        foreach (var (topic, letter) in broker.DeadLetters)
        {
            string Header(string name) => Encoding.UTF8.GetString(letter.Headers.Single(header => header.Key == name).Value!);
            var position = Header("source-position");
            Assert.AreEqual(position.Split('/')[0] + ".dead-letter", topic);
            Assert.AreEqual("model-failure", Header("rule"));
            Assert.IsTrue(positions.Add(position), $"{position} is said twice.");
            Assert.AreEqual(position.EndsWith("#u", StringComparison.Ordinal), letter.Value is null, position);
        }

        var expected = made.Where(one => one.Impression?.Price != BadPrice).Select(one => one.ToString());
        Assert.AreEqual(string.Join('\n', expected.Order(StringComparer.Ordinal)), string.Join('\n', said.Order(StringComparer.Ordinal)));
        Assert.HasCount(made.Count - said.Count, broker.DeadLetters);
    }

    private static double? Number(JsonElement features, string name) =>
        features.GetProperty(name) is { ValueKind: JsonValueKind.Number } number ? number.GetDouble() : null;

    private static void CheckPosition(string position, Event? impression, Event? click)
    {
        var (of, ordinal) = (position[..position.IndexOf('#', StringComparison.Ordinal)], position[(position.IndexOf('#', StringComparison.Ordinal) + 1)..]);
        Assert.Contains(of, new[] { impression, click }.OfType<Event>().Select(one => one.Position));
        Assert.AreEqual(impression is null || click is null, ordinal == "u", position);
        Assert.IsTrue(ordinal == "u" || int.Parse(ordinal, CultureInfo.InvariantCulture) > 0, position);
    }

    private static void CheckState(List<Made> made, ProjectPlan plan, LocalRuntime runtime)
    {
        for (var user = 0; user < Users; user++)
        {
            var key = new byte[8];
            System.Buffers.Binary.BinaryPrimitives.WriteInt64BigEndian(key, user);
            var (keys, blocks) = (new BlockSet(), new BlockSet());
            keys.Add(key);
            runtime.ReadAsync(1, keys, blocks, CancellationToken.None).AsTask().GetAwaiter().GetResult();
            var values = new double[2];
            plan.Entities[1].Read(blocks[0], runtime.StreamTimeMs(2), [0, 1], values);
            var own = made.Where(one => (one.Impression ?? one.Click)!.User == user).ToList();
            CollectionAssert.AreEqual(new double[] { own.Count, own.Where(one => one.Click is not null).Sum(one => one.Impression?.Price ?? 0) }, values, $"user {user}");
        }
    }

    private static ProjectPlan Plan(long alignMs)
    {
        var text = $$"""
            project: joins
            sources:
              - { name: impressions, kafka: { topic: impressions }, timestamp: AT, clock: stream, lateness: 10m, align: {{alignMs}}ms, fields: { AT: timestamp, USER: int64, AD: string, IMPRESSION: int64, PRICE: double } }
              - name: clicks
                kafka: { topic: clicks }
                timestamp: AT
                clock: stream
                lateness: 10m
                align: {{alignMs}}ms
                fields: { AT: timestamp, USER: int64, AD: string, CLICK: int64 }
                enrich: [{ feature: seen:before, as: SEEN }]
              - name: clicked
                join: { left: impressions, right: clicks, on: [AD, USER], within: 30m, unmatched: both }
                clock: stream
            entities:
              - { name: viewer, keys: [USER] }
              - { name: user, keys: [USER] }
            feature_views:
              - { name: seen, entity: viewer, source: impressions, features: [{ name: before, aggregate: count, window: { sliding: 1h, delay: {{alignMs + LatenessMs + 1}}ms } }] }
              - name: users
                entity: user
                source: clicked
                features:
                  - { name: n, aggregate: count }
                  - { name: paid, aggregate: sum, of: PRICE, where: has(CLICK) }
            feature_services:
              - { name: all, request: { PRICE: double, IMPRESSION: int64, CLICK: int64, SEEN: double }, features: [PRICE, IMPRESSION, CLICK, SEEN, "users:n"] }
            models:
              - { name: sum, service: all, on: clicked, sink: { topic: predictions, vector: true } }
            """;
        var result = DefinitionLoader.Load([new DefinitionFile("joins.yaml", text)]);
        return ProjectPlan.Compile(result.Project ?? throw new InvalidOperationException(result.ToString()));
    }

    private sealed record Event(int Side, int Id, long TimeMs, int User, string Ad, int Price, string Position);

    private sealed record Made(Event? Impression, Event? Click)
    {
        public override string ToString() => $"{Impression?.Id.ToString(CultureInfo.InvariantCulture) ?? "-"} {Click?.Id.ToString(CultureInfo.InvariantCulture) ?? "-"}";
    }

    /// <summary>Both logs, and what must come of them: each pair is looked at.</summary>
    private sealed class Log(Random random, params SimulatedBroker[] topics)
    {
        private readonly long[][] _newestMs = [new long[Partitions], new long[Partitions]];

        /// <summary>By side; an event's id is its place.</summary>
        public List<Event>[] Events { get; } = [[], []];

        public void Write(int count)
        {
            var timeMs = StartMs;
            for (; count > 0; count--)
            {
                timeMs += random.Next(2) * random.Next(600_000) + (random.Next(25) == 0 ? 3 * WithinMs : 0);
                var (side, partition) = (random.Next(2), random.Next(Partitions));
                var ownMs = Math.Max(timeMs - random.Next(2) * random.Next((int)LatenessMs), _newestMs[side][partition] - LatenessMs);
                _newestMs[side][partition] = Math.Max(_newestMs[side][partition], ownMs);
                var log = topics[side].Partitions[partition];
                var one = new Event(side, Events[side].Count, ownMs, random.Next(Users), $"ad{random.Next(2)}", random.Next(10, 20), $"{topics[side].Topic}/{partition}/{log.End}");
                Events[side].Add(one);
                log.Append(null, Encoding.UTF8.GetBytes(string.Create(CultureInfo.InvariantCulture,
                    $"{{\"AT\":{one.TimeMs},\"USER\":{one.User},\"AD\":\"{one.Ad}\",{(side == 0 ? $"\"IMPRESSION\":{one.Id},\"PRICE\":{one.Price}" : $"\"CLICK\":{one.Id}")}}}")));
            }
        }

        public List<Made> Made(long disorderMs)
        {
            var pairs = Events[0].SelectMany(impression => Events[1]
                .Where(click => click.User == impression.User && click.Ad == impression.Ad && Math.Abs(click.TimeMs - impression.TimeMs) <= WithinMs)
                .Select(click => new Made(impression, click))).ToList();
            var matched = pairs.SelectMany(pair => new[] { pair.Impression, pair.Click }).ToHashSet();
            var passedMs = Events.SelectMany(events => events).Max(one => one.TimeMs);
            var alone = Events.SelectMany(events => events).Where(one => !matched.Contains(one) && one.TimeMs + WithinMs + disorderMs < passedMs);
            return [.. pairs, .. alone.Select(one => one.Side == 0 ? new Made(one, null) : new Made(null, one))];
        }

        public double SeenBefore(Event click, long delayMs) =>
            Events[0].Count(one => one.User == click.User && one.TimeMs > click.TimeMs - delayMs - WindowMs && one.TimeMs <= click.TimeMs - delayMs);
    }

    private sealed class Totals
    {
        public int Crashes { get; set; }

        public int SilentBatches { get; set; }

        public int Pairs { get; set; }

        public int Alone { get; set; }

        public int DeadLetters { get; set; }

        public override string ToString() => $"{Crashes} crashes, {SilentBatches} batches in silence, {Pairs} pairs, {Alone} without a partner, {DeadLetters} dead letters";
    }
}
