using System.Globalization;
using System.Text;
using FeatureStore.Core.Definitions;
using FeatureStore.Core.Events;
using FeatureStore.Core.Plans;

namespace FeatureStore.Runtime.Tests;

/// <summary>Impressions and clicks, joined; and an oracle that keeps all events and looks at each pair.</summary>
internal static class JoinCase
{
    public const int Impressions = 0;
    public const int Clicks = 1;
    public const int Joined = 2;
    public const long WithinMs = 30_000;
    public const long LatenessMs = 10_000;
    public const long AlignMs = 5_000;
    public const long KeptMs = WithinMs + LatenessMs + AlignMs;

    public static ProjectPlan Plan(JoinUnmatched unmatched, int limit) => TestProject.Compile(Definition(unmatched, limit));

    /// <summary>With a user fed by the pairs, a place fed by one side, and an ad that the pairs feed too.</summary>
    public static ProjectPlan PlanOfOwners(JoinUnmatched unmatched)
    {
        var definition = Definition(unmatched, 1000);
        return TestProject.Compile(definition with
        {
            Entities = [.. definition.Entities, new() { Name = "place", Keys = ["PLACE"] }, new() { Name = "ad", Keys = ["AD"] }],
            FeatureViews =
            [
                .. definition.FeatureViews,
                new() { Name = "places", Entity = "place", Source = "clicks", Features = [new() { Name = "clicks", Aggregate = Aggregate.Count }] },
                new() { Name = "ads", Entity = "ad", Source = "clicked", Features = [new() { Name = "pairs", Aggregate = Aggregate.Count }, new() { Name = "prices", Aggregate = Aggregate.Sum, Of = "PRICE" }] },
            ],
        });
    }

    public static ProjectDefinition Definition(JoinUnmatched unmatched, int limit) => new()
    {
        Project = "test",
        Sources =
        [
            Side("impressions", new FieldDefinition("PRICE", FieldType.Double)),
            Side("clicks", new FieldDefinition("PLACE", FieldType.String)),
            new SourceDefinition
            {
                Name = "clicked",
                Timestamp = "",
                Fields = [],
                Join = new() { Left = "impressions", Right = "clicks", On = ["AD", "USER"], Within = TimeSpan.FromMilliseconds(WithinMs), Unmatched = unmatched, Limit = limit },
            },
        ],
        Entities = [new() { Name = "user", Keys = ["USER"] }],
        FeatureViews =
        [
            new()
            {
                Name = "users",
                Entity = "user",
                Source = "clicked",
                Features =
                [
                    new() { Name = "all", Aggregate = Aggregate.Count },
                    new() { Name = "paid", Aggregate = Aggregate.Sum, Of = "PRICE", Where = "has(PLACE)" },
                    new() { Name = "alone", Aggregate = Aggregate.Count, Where = "!has(PLACE) || !has(PRICE)" },
                ],
            },
        ],
    };

    private static SourceDefinition Side(string name, FieldDefinition own) => new()
    {
        Name = name,
        Kafka = new() { Topic = name },
        Timestamp = "AT",
        Lateness = TimeSpan.FromMilliseconds(LatenessMs),
        Align = TimeSpan.FromMilliseconds(AlignMs),
        Fields = [new("AT", FieldType.Timestamp), new("USER", FieldType.Int64), new("AD", FieldType.String), own],
    };

    /// <summary>Batches of both sides in turn: few keys, ties in time, disorder, now and then a key that is missing, and a long gap.</summary>
    public static IEnumerable<SideBatch> Batches(ProjectPlan plan, int seed, int batches)
    {
        var random = new Random(seed);
        var (timeMs, offset) = (TestProject.StartMs, 0);
        for (var number = 0; number < batches; number++)
        {
            var side = random.Next(2);
            List<Event> events = [];
            timeMs += random.Next(12) == 0 ? 2 * KeptMs : 0;
            for (var left = random.Next(40); left > 0; left--)
            {
                timeMs += random.Next(2) * random.Next(1500);
                var user = random.Next(15) == 0 ? null : (long?)random.Next(4);
                events.Add(new Event(side, timeMs - random.Next(2) * random.Next((int)LatenessMs), random.Next(3), offset++, user, $"ad \"{random.Next(3)}", random.Next(100)));
            }

            yield return Event.Batch(plan, side, events);
        }
    }

    /// <summary>Applies a batch and what is made of it.</summary>
    /// <returns>What is made of it, as text.</returns>
    public static List<string> Apply(IEntityRuntime runtime, ProjectPlan plan, SideBatch batch)
    {
        var joined = new EventBatch(plan.Sources[Joined].Schema);
        runtime.ApplyAsync(new ApplyBatch(batch.Side, batch.Events, [], [joined]), CancellationToken.None).AsTask().GetAwaiter().GetResult();
        runtime.ApplyAsync(new ApplyBatch(Joined, joined, []), CancellationToken.None).AsTask().GetAwaiter().GetResult();
        return [.. Enumerable.Range(0, joined.Count).Select(row => Text(plan.Sources[Joined], joined, row, plan))];
    }

    public static void CheckViews(ProjectPlan plan, IEntityRuntime runtime, Oracle oracle)
    {
        for (var user = 0L; user < 4; user++)
        {
            var key = new byte[8];
            System.Buffers.Binary.BinaryPrimitives.WriteInt64BigEndian(key, user);
            var block = runtime.Read([(0, Convert.ToHexString(key))]).Values.Single();
            var values = new double[3];
            plan.Entities[0].Read(block, long.MaxValue >> 14, [0, 1, 2], values);
            var own = oracle.Made.Where(made => made.User == user).ToList();
            CollectionAssert.AreEqual(
                new double[] { own.Count, own.Sum(made => made is { Impression: { } impression, Click: not null } ? impression.Price : 0), own.Count(made => made.Impression is null || made.Click is null) },
                values, $"user {user}");
        }
    }

    public static string Text(SourcePlan joined, EventBatch events, int row, ProjectPlan plan)
    {
        var text = new StringBuilder();
        var fields = events.Row(row);
        for (var field = 0; field < joined.Schema.Count; field++)
        {
            text.Append(joined.Schema.Fields[field].Name).Append('=').Append(!fields.Has(field) ? "null" : joined.Schema.Fields[field].Type switch
            {
                FieldType.String => Encoding.UTF8.GetString(fields.Text(field)),
                FieldType.Double => fields.Double(field).ToString(CultureInfo.InvariantCulture),
                _ => fields.Int64(field).ToString(CultureInfo.InvariantCulture),
            }).Append(' ');
        }

        ref readonly var header = ref events[row];
        return Describe(text.ToString(), header.TimeMs, plan.Sources[header.Origin].Definition.Name, header.Partition, header.Offset, header.Ordinal);
    }

    private static string Describe(string fields, long timeMs, string topic, int partition, long offset, int ordinal) =>
        string.Create(CultureInfo.InvariantCulture, $"{fields}{timeMs} at {topic}/{partition}/{offset}#{(ordinal == 0 ? "u" : ordinal)}");

    public sealed record SideBatch(int Side, EventBatch Events, List<Event> All);

    public sealed record Event(int Side, long TimeMs, int Partition, long Offset, long? User, string Ad, double Price)
    {
        public string Topic => Side == Impressions ? "impressions" : "clicks";

        public string Place => $"place {Price}";

        public static Event Of(SideBatch batch, int row) => batch.All[row];

        public static SideBatch Batch(ProjectPlan plan, int side, IEnumerable<Event> events)
        {
            var batch = new SideBatch(side, new EventBatch(plan.Sources[side].Schema), [.. events]);
            foreach (var one in batch.All)
            {
                var row = batch.Events.Add(new EventHeader { TimeMs = one.TimeMs, Partition = one.Partition, Offset = one.Offset });
                batch.Events.SetInt64(row, 0, one.TimeMs);
                if (one.User is { } user)
                    batch.Events.SetInt64(row, 1, user);
                batch.Events.SetText(row, 2, Encoding.UTF8.GetBytes(one.Ad));
                if (side == Impressions)
                    batch.Events.SetDouble(row, 3, one.Price);
                else
                    batch.Events.SetText(row, 3, Encoding.UTF8.GetBytes(one.Place));
            }

            return batch;
        }
    }

    public sealed record Pair(Event? Impression, Event? Click, Event Cause, int Ordinal)
    {
        public long User => (Impression ?? Click)!.User!.Value;

        public long TimeMs => Math.Max(Impression?.TimeMs ?? long.MinValue, Click?.TimeMs ?? long.MinValue);

        public override string ToString() => Describe(
            string.Create(CultureInfo.InvariantCulture, $"AT={Null(Impression?.TimeMs)} USER={User} AD={(Impression ?? Click)!.Ad} PRICE={Null(Impression?.Price)} right_AT={Null(Click?.TimeMs)} PLACE={Null(Click?.Place)} "),
            TimeMs, Cause.Topic, Cause.Partition, Cause.Offset, Ordinal);

        private static string Null(object? value) => value is null ? "null" : Convert.ToString(value, CultureInfo.InvariantCulture)!;
    }

    /// <summary>Keeps all events in their order of arrival.</summary>
    public sealed class Oracle(JoinUnmatched unmatched, int limit)
    {
        private readonly List<Event> _kept = [];
        private readonly HashSet<Event> _matched = [];

        public List<Pair> Made { get; } = [];

        public int Overflowed { get; private set; }

        public List<string> Apply(SideBatch batch)
        {
            List<Pair> pairs = [];
            List<Event> gone = [];
            foreach (var one in batch.All)
            {
                gone.AddRange(_kept.Where(other => other.TimeMs + KeptMs < one.TimeMs));
                _kept.RemoveAll(other => other.TimeMs + KeptMs < one.TimeMs);
                if (one.User is null)
                    continue;
                var ordinal = 0;
                foreach (var other in _kept.Where(other => other.Side != one.Side && IsOfOneKey(one, other) && Math.Abs(one.TimeMs - other.TimeMs) <= WithinMs).OrderBy(other => other.TimeMs))
                {
                    pairs.Add(one.Side == Impressions ? new Pair(one, other, one, ++ordinal) : new Pair(other, one, one, ++ordinal));
                    _matched.UnionWith([one, other]);
                }

                _kept.Add(one);
                var own = _kept.Where(other => other.Side == one.Side && IsOfOneKey(one, other)).OrderBy(other => other.TimeMs).ToList();
                for (var index = 0; index < own.Count - limit; index++)
                {
                    gone.Add(own[index]);
                    _kept.Remove(own[index]);
                    Overflowed++;
                }
            }

            pairs.AddRange(gone.Where(one => !_matched.Contains(one) && unmatched is var asked && (asked == JoinUnmatched.Both || asked == (one.Side == Impressions ? JoinUnmatched.Left : JoinUnmatched.Right)))
                .OrderBy(one => one.TimeMs).ThenBy(one => one.Side).ThenBy(one => one.Partition).ThenBy(one => one.Offset)
                .Select(one => one.Side == Impressions ? new Pair(one, null, one, 0) : new Pair(null, one, one, 0)));
            Made.AddRange(pairs);
            return [.. pairs.Select(pair => pair.ToString())];
        }

        private static bool IsOfOneKey(Event left, Event right) => left.User == right.User && left.Ad == right.Ad;
    }
}
