using System.Globalization;
using System.Text;
using System.Text.Json;
using FeatureStore.Core.Plans;
using FeatureStore.Registry;
using FeatureStore.Runtime;
using FeatureStore.Runtime.Local;

namespace FeatureStore.Ingest.Tests.Simulation;

/// <summary>
/// A table whose rows are created, changed and deleted, under seeded schedules of everything that can go wrong, and somewhere on the way under other definitions: at the end, features are
/// those of the rows that are left, each row that came to be is predicted once, and each change that was refused is a dead letter once. See <see cref="SeededRuns"/>.
/// </summary>
[TestClass]
public sealed class ChangeSimulationTests
{
    private const int Seeds = 100;
    private const int StepsMax = 200_000;
    private const int Users = 6;
    private const int Partitions = 3;
    private const long StartMs = 1_700_000_000_000;
    private const long LatenessMs = 600_000;

    private const long MinuteMs = 60_000;

    private static readonly ProjectPlan _plan = Plan("");

    /// <summary>Features are added on top of all that there were: some can be computed from what was kept, some start empty, and one has a condition that was not known.</summary>
    private static readonly ProjectPlan _changedPlan = Plan("""
              - { name: hour_mean, aggregate: mean, of: AMOUNT, window: { sliding: 1h } }
              - { name: two_hours, aggregate: count, window: { sliding: 2h } }
              - { name: users_seen, aggregate: count, of: USER, window: { sliding: 1h } }
              - { name: tiled_n, aggregate: count, window: { sliding: 3h, tile: 10m } }
              - { name: tiled_mean, aggregate: mean, of: AMOUNT, window: { sliding: 2h, tile: 30m } }
              - { name: small, aggregate: sum, of: AMOUNT, where: AMOUNT < 20.0, window: { tumbling: 1h } }
              - { name: period_n, aggregate: count, window: { tumbling: 2h, closed: true } }

        """);

    private static ProjectPlan Plan(string more) => ProjectPlan.Compile(DefinitionLoader.Load([new DefinitionFile("changes.yaml", $$"""
        project: changes
        sources:
          - name: rows
            kafka: { topic: rows }
            timestamp: AT
            clock: stream
            lateness: 10m
            align: 1h
            id: ID
            envelope: debezium
            dead_letters: payments.dead-letter
            fields: { ID: int64, AT: timestamp, USER: int64, AMOUNT: double }
            clean:
              - { field: AMOUNT, missing: drop, below: 0, outside: dead_letter }
        entities:
          - { name: user, keys: [USER] }
        feature_views:
          - name: users
            entity: user
            source: rows
            features:
        {{more}}      - { name: n, aggregate: count }
              - { name: total, aggregate: sum, of: AMOUNT }
              - { name: mean, aggregate: mean, of: AMOUNT }
              - { name: large, aggregate: count, where: AMOUNT > 50.0 }
              - { name: hour, aggregate: sum, of: AMOUNT, window: { sliding: 1h } }
              - { name: hour_before, aggregate: count, window: { sliding: 1h, delay: 30m } }
              - { name: tiled, aggregate: sum, of: AMOUNT, window: { sliding: 2h, tile: 30m } }
              - { name: period, aggregate: sum, of: AMOUNT, window: { tumbling: 2h } }
              - { name: large_hour, aggregate: max, of: AMOUNT, where: AMOUNT > 50.0, window: { sliding: 1h } }
        feature_services:
          - { name: all, request: { AMOUNT: double }, features: [AMOUNT, "users:n", "users:total"] }
        models:
          - { name: sum, service: all, on: rows, sink: { topic: predictions, vector: true } }
        """)]).Project!);

    public TestContext TestContext { get; set; } = null!;

    [TestMethod]
    public void Features_are_those_of_the_rows_that_are_left()
    {
        var (crashes, changes) = (0, 0);
        var isWhole = SeededRuns.Run(Seeds, seed => Run(seed, ref crashes, ref changes));
        TestContext.WriteLine($"{crashes} crashes, {changes} updates and deletes");
        if (!isWhole)
            return;
        Assert.IsGreaterThan(Seeds, crashes);
        Assert.IsGreaterThan(50 * Seeds, changes);
    }

    private static void Run(int seed, ref int crashes, ref int changes)
    {
        var chaos = new Chaos(seed);
        var broker = new SimulatedBroker("rows", Partitions);
        var (disk, time) = (new SimulatedDisk(), new ManualTime());
        var table = new Table(chaos.Random, broker);
        for (var count = 100 + chaos.Random.Next(300); count > 0; count--)
            table.Change();
        changes += table.Changes;

        SimulatedProcess? process = null;
        var (plan, changeAt) = (_plan, chaos.Random.Next(1200));
        for (var step = 0; ; step++)
        {
            Assert.IsLessThan(StepsMax, step, "The log is not read to its end.");
            chaos.IsOn = chaos.IsOn && step < 1200;
            if (step == changeAt)
            {
                End(process, chaos);
                disk.Migrate(_plan, _changedPlan);
                (process, plan) = (null, _changedPlan);
            }

            try
            {
                process ??= Start(plan, broker, disk, chaos, time);
                time.Advance(TimeSpan.FromMilliseconds(chaos.Random.Next(200)));
                process.Step();
                if (!chaos.IsOn && process.IsDone)
                    break;
            }
            catch (SimulatedCrashException)
            {
                crashes++;
                End(process, chaos);
                process = null;
            }
        }

        Check(plan, table, broker, process.Runtime);
        var said = broker.Predictions.Count + broker.DeadLetters.Count;
        End(process, chaos);

        // Once more from what is durable: the same state, and not a word said twice.
        process = Start(plan, broker, disk, chaos, time);
        for (var step = 0; !process.IsDone; step++)
        {
            Assert.IsLessThan(StepsMax, step, "The log is not read to its end again.");
            time.Advance(TimeSpan.FromMilliseconds(chaos.Random.Next(800)));
            process.Step();
        }

        Check(plan, table, broker, process.Runtime);
        Assert.AreEqual(said, broker.Predictions.Count + broker.DeadLetters.Count, "What was published is published again.");
        End(process, chaos);
    }

    private static void Check(ProjectPlan plan, Table table, SimulatedBroker broker, LocalRuntime runtime)
    {
        var entity = plan.Entities[0];
        for (var user = 0; user < Users; user++)
        {
            var key = new byte[8];
            System.Buffers.Binary.BinaryPrimitives.WriteInt64BigEndian(key, user);
            var (keys, blocks) = (new BlockSet(), new BlockSet());
            keys.Add(key);
            runtime.ReadAsync(0, keys, blocks, CancellationToken.None).AsTask().GetAwaiter().GetResult();
            var values = new double[entity.Features.Count];
            entity.Read(blocks[0], runtime.StreamTimeMs(0), [.. Enumerable.Range(0, values.Length)], values);
            foreach (var (name, expected) in Expected(table, user, runtime.StreamTimeMs(0)))
            {
                if (entity.IndexOf("users", name) is >= 0 and var index)
                    Assert.AreEqual(expected, values[index], 1e-9 * (double.IsNaN(expected) ? 1 : Math.Max(1, Math.Abs(expected))), $"user {user}: {name}");
            }
        }

        Assert.AreEqual(table.NewestMs, runtime.StreamTimeMs(0), "A deletion moves no time.");
        var predicted = broker.Predictions.Select(prediction => JsonDocument.Parse(prediction.Value).RootElement.GetProperty("position").GetString()!);
        Assert.AreEqual(string.Join('\n', table.Predicted.Order(StringComparer.Ordinal)), string.Join('\n', predicted.Order(StringComparer.Ordinal)));
        var refused = broker.DeadLetters.Select(letter => string.Join(' ', letter.Record.Headers.Where(header => header.Key is "source-position" or "rule").Select(header => Encoding.UTF8.GetString(header.Value!))));
        Assert.AreEqual(string.Join('\n', table.Refused.Order(StringComparer.Ordinal)), string.Join('\n', refused.Order(StringComparer.Ordinal)));
    }

    /// <summary>What features say that were there from the beginning, and those that are made of what was kept.</summary>
    private static (string Name, double Value)[] Expected(Table table, int user, long nowMs)
    {
        var rows = table.Effective.Values.Where(row => row.User == user).ToList();
        double[] all = Amounts(long.MinValue);
        var hour = Amounts(nowMs - 60 * MinuteMs + 1);
        return
        [
            ("n", all.Length), ("total", all.Sum()), ("mean", all.Length == 0 ? double.NaN : all.Average()), ("large", all.Count(amount => amount > 50)),
            ("hour", hour.Sum()), ("hour_before", Amounts(nowMs - 90 * MinuteMs + 1, nowMs - 30 * MinuteMs).Length),
            ("tiled", Amounts((nowMs - 120 * MinuteMs + 1) / (30 * MinuteMs) * 30 * MinuteMs).Sum()), ("period", Amounts(nowMs / (120 * MinuteMs) * 120 * MinuteMs).Sum()),
            ("large_hour", hour.Where(amount => amount > 50).DefaultIfEmpty(double.NaN).Max()), ("hour_mean", hour.Length == 0 ? double.NaN : hour.Average()),
            ("tiled_mean", Amounts((nowMs - 120 * MinuteMs + 1) / (30 * MinuteMs) * 30 * MinuteMs) is { Length: > 0 } tiled ? tiled.Average() : double.NaN),
        ];

        double[] Amounts(long fromMs, long toMs = long.MaxValue) => [.. rows.Where(row => row.AtMs >= fromMs && row.AtMs <= toMs).Select(row => row.Amount!.Value)];
    }

    private static SimulatedProcess Start(ProjectPlan plan, SimulatedBroker broker, SimulatedDisk disk, Chaos chaos, ManualTime time)
    {
        var on = chaos.IsOn;
        if (on)
            chaos.Arm(600);
        var process = new SimulatedProcess(plan, broker, disk, chaos, time, _ => { });
        chaos.IsOn = on;
        return process;
    }

    private static void End(SimulatedProcess? process, Chaos chaos)
    {
        var on = chaos.IsOn;
        chaos.IsOn = false;
        process?.Dispose();
        chaos.IsOn = on;
    }

    private sealed record Row(long Id, long AtMs, long? User, double? Amount)
    {
        public string Json => string.Create(CultureInfo.InvariantCulture,
            $"{{\"ID\":{Id},\"AT\":{AtMs},\"USER\":{(User is { } user ? user : "null")},\"AMOUNT\":{(Amount is { } amount ? amount : "null")}}}");
    }

    /// <summary>A table of a database and its log of changes. All changes of a row are in one partition.</summary>
    private sealed class Table(Random random, SimulatedBroker broker)
    {
        private readonly Dictionary<long, Row> _rows = [];
        private readonly long[] _newestMs = [.. Enumerable.Repeat(long.MinValue, Partitions)];
        private long _nowMs = StartMs;
        private long _id;

        /// <summary>The rows that features show: what cleaning leaves of the table.</summary>
        public Dictionary<long, Row> Effective { get; } = [];

        public List<string> Predicted { get; } = [];

        public List<string> Refused { get; } = [];

        public int Changes { get; private set; }

        public long NewestMs => _newestMs.Max();

        public void Change()
        {
            _nowMs += random.Next(60_000);
            var kind = random.Next(100);
            if (kind < 5)
                Noise();
            else if (kind < 50 || _rows.Count == 0)
                Create();
            else
                Change(_rows.Values.ElementAt(random.Next(_rows.Count)), isDelete: kind >= 80);
        }

        private void Create()
        {
            var row = Draw(_id++, _nowMs - random.Next((int)LatenessMs / 2));
            var partition = (int)(row.Id % Partitions);
            var isLate = random.Next(20) == 0 && _newestMs[partition] > long.MinValue;
            if (isLate)
                row = row with { AtMs = _newestMs[partition] - LatenessMs - 1 };
            var op = random.Next(4) == 0 ? "r" : "c";
            var position = Append(partition, $"{{\"op\":\"{op}\",\"before\":null,\"after\":{row.Json}}}");
            if (isLate && RuleOf(row) is null && row.Amount is not null)
            {
                // What never had an effect is not changed either: it would be taken back all the same.
                Refused.Add($"{position} too-late");
                return;
            }

            _rows.Add(row.Id, row);
            Take(partition, position, row);
            // The same again: dropped by its id.
            if (random.Next(10) == 0 && Effective.ContainsKey(row.Id))
                Append(partition, $"{{\"op\":\"c\",\"after\":{row.Json}}}");
        }

        private void Change(Row row, bool isDelete)
        {
            var partition = (int)(row.Id % Partitions);
            Changes++;
            if (random.Next(25) == 0)
            {
                // An update of a table without its full identity: nothing happens to the features.
                Refused.Add($"{Append(partition, $"{{\"op\":\"u\",\"before\":null,\"after\":{row.Json}}}")} missing-before");
                return;
            }

            if (isDelete)
            {
                Append(partition, $"{{\"op\":\"d\",\"before\":{row.Json},\"after\":null}}");
                Append(partition, null);
                _rows.Remove(row.Id);
                Effective.Remove(row.Id);
                return;
            }

            var changed = Draw(row.Id, random.Next(2) == 0 ? row.AtMs : _nowMs);
            var change = $"{{\"op\":\"u\",\"before\":{row.Json},\"after\":{changed.Json}}}";
            var position = Append(partition, random.Next(2) == 0 ? change : $"{{\"schema\":{{}},\"payload\":{change}}}");
            _rows[row.Id] = changed;
            Effective.Remove(row.Id);
            Take(partition, position, changed);
        }

        private void Take(int partition, string position, Row row)
        {
            if (row.Amount is null)
                return;
            if (RuleOf(row) is { } rule)
            {
                Refused.Add($"{position} {rule}");
                return;
            }

            Effective.Add(row.Id, row);
            Predicted.Add(position);
            _newestMs[partition] = Math.Max(_newestMs[partition], row.AtMs);
        }

        private void Noise()
        {
            var partition = random.Next(Partitions);
            var (value, rule) = random.Next(3) switch
            {
                0 => ("{\"op\":\"t\"}", "truncated"),
                1 => ("{\"op\":\"m\"}", null),
                _ => ("{\"op\":", "malformed-json"),
            };
            var position = Append(partition, value);
            if (rule is not null)
                Refused.Add($"{position} {rule}");
        }

        /// <summary>Amounts that cleaning drops or refuses, and users that are missing, are among them. Quarters, so that sums are exact, and none on which the model fails.</summary>
        private Row Draw(long id, long atMs) => new(
            id, atMs, random.Next(12) == 0 ? null : random.Next(Users), random.Next(12) switch { 0 => null, 1 => -1, _ => random.Next(200) / 2.0 + 0.25 });

        private static string? RuleOf(Row row) => row.Amount is null ? null : row.Amount < 0 ? "clean[0] AMOUNT" : row.User is null ? "key-missing" : null;

        private string Append(int partition, string? value)
        {
            if (random.Next(20) == 0)
                broker.Partitions[partition].AppendControl();
            var record = broker.Partitions[partition].Append(null, value is null ? null : Encoding.UTF8.GetBytes(value), _nowMs);
            return $"rows/{partition}/{record.Offset}";
        }
    }
}
