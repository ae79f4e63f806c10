using FeatureStore.Core.Definitions;
using FeatureStore.Core.Plans;
using FeatureStore.Core.Tests.Plans;

namespace FeatureStore.Core.Tests.Oracle;

/// <summary>A random and valid set of features of one entity.</summary>
internal sealed class RandomDefinition
{
    public const long HourMs = 3_600_000;

    private const int FeaturesMax = 12;

    private static readonly Input[] _numbers =
    [
        new("A", e => e.A), new("B", e => e.B), new("C", e => e.C) { IsInteger = true }, new("F", e => Number(e.F)), new("TS", e => (double)e.TimeMs),
        new("A + B", e => e.A + e.B), new("A / B", e => e.A / e.B), new("A * 0.1", e => e.A * 0.1), new("F ? A : B", e => e.F is null ? null : e.F.Value ? e.A : e.B),
        new("C", e => e.C) { IsInteger = true }, new("C > 0 ? C : 7", e => e.C is null ? null : e.C > 0 ? e.C : 7L) { IsInteger = true },
    ];

    private static readonly Input[] _texts = [new("S", e => e.S), new("S", e => e.S), new("F ? S : 'other'", e => e.F is null ? null : e.F.Value ? e.S : "other")];

    private static readonly Input[] _countable = [new("[A]", e => e.A is null ? null : 1.0), new("S + '!'", e => e.S is null ? null : e.S + "!")];

    private static readonly Input[] _keys =
        [new("S", e => e.S), new("C % 3", e => e.C % 3), new("C", e => e.C), new("F ? 0.5 : -1.25", e => e.F is null ? null : e.F.Value ? 0.5 : -1.25), new("F", e => Number(e.F))];

    private static readonly Condition[] _conditions =
    [
        Condition.Always, Condition.Always, new("F", e => e.F == true), new("A > 0.0", e => e.A > 0), new("C % 2 == 0", e => e.C % 2 == 0),
        new("has(B)", e => e.B is not null), new("S == 'a'", e => e.S == "a"),
    ];

    /// <summary>Days before some zone's clock changes (in São Paulo at midnight, on Lord Howe by half an hour), a quiet day, and the epoch.</summary>
    private static readonly (DateTime From, string Zone)[] _changes =
    [
        (new(2018, 6, 1), "Asia/Kolkata"), (new(2018, 3, 24), "Europe/Berlin"), (new(2018, 10, 26), "Europe/Berlin"), (new(2018, 11, 3), "America/New_York"),
        (new(2018, 11, 3), "America/Sao_Paulo"), (new(2018, 2, 16), "America/Sao_Paulo"), (new(2018, 3, 31), "Australia/Lord_Howe"), (new(1969, 12, 30), "UTC"),
    ];

    private readonly Random _random;
    private readonly (DateTime From, string Zone) _change;
    private readonly bool _isLimited;

    public RandomDefinition(int seed)
    {
        Seed = seed;
        _random = new Random(seed);
        UnitMs = _random.Next(3) == 0 ? HourMs : 1;
        _change = Pick(_changes);
        StartMs = UnitMs == 1
            ? Pick(1_527_811_200_000, 1_527_811_200_000 + _random.Next(1000), -50, 0)
            : new DateTimeOffset(_change.From, TimeSpan.Zero).ToUnixTimeMilliseconds();
        Sources = [.. Enumerable.Range(0, _random.Next(1, 3)).Select(index => TestEntity.Source(index, Pick(0, 3, 60) * UnitMs, Pick(0, 20, 500) * UnitMs) with
        {
            Envelope = _random.Next(4) == 0 ? EventEnvelope.Debezium : EventEnvelope.None,
        })];
        _isLimited = _random.Next(6) == 0 && Sources.All(source => source.Envelope == EventEnvelope.None);

        var windows = Windows();
        var conditions = Enumerable.Range(0, 2).Select(_ => Pick(_conditions)).ToArray();
        Features = [.. Enumerable.Range(0, _random.Next(1, FeaturesMax + 1)).Select(index => Feature($"f{index}", _random.Next(Sources.Count), Pick([.. windows]), Pick(conditions)))
            .OrderBy(feature => feature.Source)];
        var views = Features.GroupBy(feature => feature.Source).Select(view => TestEntity.View($"v{view.Key}", view.Key, [.. view.Select(feature => feature.Definition)])).ToList();
        Plan = TestEntity.Plan(Sources, [.. views]);
        var added = TestEntity.Feature("added", Aggregate.Count, where: "C > 1000");
        Grown = new Lazy<EntityPlan>(() => TestEntity.Plan(Sources, [TestEntity.View("before", Features[0].Source, added), .. views, TestEntity.View("after", Features[0].Source, added)]));
    }

    public int Seed { get; }

    /// <summary>What durations are multiples of.</summary>
    public long UnitMs { get; }

    /// <summary>Where streams begin.</summary>
    public long StartMs { get; }

    public IReadOnlyList<SourceDefinition> Sources { get; }

    public EntityPlan Plan { get; }

    /// <summary>The plan with another feature before and one after, which share nothing with the others.</summary>
    public Lazy<EntityPlan> Grown { get; }

    /// <summary>In the order of the plan's.</summary>
    public IReadOnlyList<NaiveFeature> Features { get; }

    /// <summary>Whether an input is a text or a list that the expression itself makes.</summary>
    public static bool MakesValues(Input input) => _countable.Contains(input);

    /// <summary>Whether an aggregate goes with a window of a source, which may have retractions.</summary>
    public static bool IsAllowed(WindowDefinition? window, Aggregate aggregate, bool isRetractable) => aggregate switch
    {
        Aggregate.Rate => window is WindowDefinition.Sliding or WindowDefinition.Tumbling,
        Aggregate.SessionCount or Aggregate.SessionDuration or Aggregate.SessionStart => window is WindowDefinition.Session,
        Aggregate.Min or Aggregate.Max or Aggregate.First or Aggregate.Last or Aggregate.FirstN or Aggregate.LastN or Aggregate.TopK or Aggregate.ApproxCountDistinct
            or Aggregate.TimeSinceLast or Aggregate.TimeBetween => !isRetractable || KeepsEvents(window),
        _ => true,
    };

    public static bool KeepsEvents(WindowDefinition? window) => window is WindowDefinition.Sliding { Tile: null } or WindowDefinition.Session or WindowDefinition.Last;

    /// <summary>The kind of a window, for counting which were exercised.</summary>
    public static string KindOf(WindowDefinition? window) => window switch
    {
        null => "lifetime",
        WindowDefinition.Sliding sliding => $"{(sliding.Tile is null ? "exact" : "tiled")}{(sliding.Delay == TimeSpan.Zero ? "" : " delayed")}",
        WindowDefinition.Tumbling tumbling => tumbling.Closed ? "tumbling closed" : "tumbling",
        WindowDefinition.Session session => session.Closed > 0 ? "session closed" : "session",
        _ => "last",
    };

    public override string ToString() => string.Join(Environment.NewLine, Sources.Select(source => $"{source.Name}: lateness {source.Lateness}, align {source.Align}, {source.Envelope}")
        .Concat(Features.Select(feature => $"  s{feature.Source} {Describe(feature.Definition)}")));

    /// <summary>What is set.</summary>
    public static string Describe(FeatureDefinition definition) =>
        System.Text.RegularExpressions.Regex.Replace(definition.ToString(), @"(, )?\w+ = (?=,| \})|, Sample = False|FeatureDefinition ", "");

    private static double? Number(bool? value) => value is null ? null : value.Value ? 1 : 0;

    private NaiveFeature Feature(string name, int source, WindowDefinition? window, Condition where)
    {
        var isRetractable = Sources[source].Envelope == EventEnvelope.Debezium;
        var aggregate = Pick(Enum.GetValues<Aggregate>().Where(aggregate => IsAllowed(window, aggregate, isRetractable)).ToArray());
        var by = _random.Next(4) == 0 && TakesBy(aggregate) ? Pick(_keys) : null;
        var of = aggregate switch
        {
            Aggregate.TimeSinceLast or Aggregate.TimeBetween or Aggregate.SessionCount or Aggregate.SessionDuration or Aggregate.SessionStart => null,
            Aggregate.Count => Pick([null, null, .. _numbers, .. _texts, .. _countable]),
            Aggregate.Rate or Aggregate.DecayedCount => Pick([null, .. _numbers]),
            _ when TakesText(aggregate) && by is null && _random.Next(2) == 0 => Pick(_texts),
            _ => Pick(_numbers),
        };
        var isNumber = by is null && !(of is not null && _texts.Contains(of) && aggregate is Aggregate.First or Aggregate.Last) &&
            aggregate is not (Aggregate.FirstN or Aggregate.LastN or Aggregate.TopK or Aggregate.Histogram);
        return new NaiveFeature(source, new FeatureDefinition
        {
            Name = name,
            Aggregate = aggregate,
            Of = of?.Text,
            Where = where.Text,
            By = by?.Text,
            Window = window,
            Default = !isNumber || _random.Next(3) > 0 ? null : IsZeroOfNothing(aggregate) ? 0 : -1.5,
            Limit = by is not null ? Pick<int?>(null, null, 1, 2, 4) : aggregate == Aggregate.CountDistinct ? Pick<int?>(null, 1, 3, 20) : null,
            N = aggregate is Aggregate.FirstN or Aggregate.LastN ? _random.Next(1, 6) : null,
            K = aggregate is Aggregate.TopK ? _random.Next(1, 6) : null,
            Q = aggregate is Aggregate.Quantile ? Pick(0, 0.07, 0.25, 0.5, 0.9, 0.95, 1) : null,
            HalfLife = aggregate is Aggregate.DecayedSum or Aggregate.DecayedCount or Aggregate.DecayedMean ? Duration(1, 10, 100, 80_000) : null,
            Bounds = aggregate is Aggregate.Histogram ? Pick<double[]>([0], [-1, 0, 1, 2.5, 1e16], [0.1, 100]) : null,
            Sample = aggregate is Aggregate.Variance or Aggregate.Stddev or Aggregate.Skew or Aggregate.Kurtosis && _random.Next(2) == 0,
        }, where, of, by);
    }

    private static bool TakesText(Aggregate aggregate) => aggregate is Aggregate.First or Aggregate.Last or Aggregate.FirstN or Aggregate.LastN or Aggregate.CountDistinct
        or Aggregate.ApproxCountDistinct or Aggregate.TopK;

    private static bool TakesBy(Aggregate aggregate) => aggregate is Aggregate.Count or Aggregate.Sum or Aggregate.Mean or Aggregate.Min or Aggregate.Max or Aggregate.First
        or Aggregate.Last or Aggregate.Variance or Aggregate.Stddev or Aggregate.Rate;

    private static bool IsZeroOfNothing(Aggregate aggregate) => aggregate is Aggregate.Count or Aggregate.Sum or Aggregate.CountDistinct or Aggregate.ApproxCountDistinct
        or Aggregate.Rate or Aggregate.DecayedSum or Aggregate.DecayedCount or Aggregate.SessionCount;

    /// <summary>A few, which features share. Where exact windows are limited there is one of them, so that what overflows does not depend on who shares.</summary>
    private List<WindowDefinition?> Windows()
    {
        var windows = Enumerable.Range(0, _random.Next(1, 5)).Select(_ => Window()).ToList();
        if (_isLimited)
        {
            var limited = new WindowDefinition.Sliding(Duration(50, 500, 5000)) { Delay = Duration(0, 0, 10), Limit = Pick(1, 2, 5, 8) };
            windows = [limited, .. windows.Where(window => window is not WindowDefinition.Sliding { Tile: null })];
        }

        return windows;
    }

    private WindowDefinition? Window()
    {
        switch (_random.Next(10))
        {
            case 0:
                return null;
            case 1:
                return new WindowDefinition.Sliding(Length());
            case 2:
                return new WindowDefinition.Sliding(Length()) { Delay = Length() };
            case 3:
            case 4:
            case 5:
                var tile = UnitMs == 1 ? Pick(1, 2, 3, 10, 30) : Pick(1, 6, 24);
                var length = Duration(tile * Pick(1, 2, 5, 12)) + (_random.Next(3) == 0 ? Duration(_random.Next(tile)) : TimeSpan.Zero);
                return new WindowDefinition.Sliding(length) { Tile = Duration(tile), Delay = _random.Next(3) == 0 ? Duration(_random.Next(1, 4) * tile + _random.Next(2) * _random.Next(tile)) : TimeSpan.Zero };
            case 6:
            case 7:
                return Tumbling();
            case 8:
                var gap = UnitMs == 1 ? Pick(1, 2, 7, 10, 50) : Pick(1, 2, 6);
                return new WindowDefinition.Session(Duration(gap))
                {
                    Closed = Pick(0, 0, 1, 2, 5),
                    Max = _random.Next(2) == 0 ? null : Duration(gap * Pick(1, 2, 5) + _random.Next(2)),
                    // A session may be settled early only where nothing comes before what has come.
                    Limit = _isLimited && Sources.All(source => source.Lateness + source.Align == TimeSpan.Zero) ? Pick(1, 3) : WindowDefinition.LimitDefault,
                };
            default:
                return new WindowDefinition.Last(Pick(1, 2, 3, 10, 100));
        }
    }

    private WindowDefinition.Tumbling Tumbling()
    {
        var length = UnitMs == 1 ? Pick(1, 7, 10, 50, 500) : Pick(1, 6, 12, 24, 48, 168);
        return new WindowDefinition.Tumbling(Duration(length))
        {
            Offset = _random.Next(2) == 0 ? TimeSpan.Zero : Duration(_random.Next(length)) + TimeSpan.FromMinutes(UnitMs == HourMs ? Pick(0, 30) : 0),
            Closed = _random.Next(2) == 0,
            TimeZone = UnitMs == 1 ? Pick("UTC", "UTC", "Asia/Kolkata") : _random.Next(3) == 0 ? Pick(_changes).Zone : _change.Zone,
        };
    }

    private TimeSpan Length() => UnitMs == 1 ? Duration(1, 2, 7, 10, 50, 100, 500, 5000) : Duration(1, 2, 6, 24, 48, 168);

    private TimeSpan Duration(params int[] units) => TimeSpan.FromMilliseconds(Pick(units) * UnitMs);

    private T Pick<T>(params T[] from) => from[_random.Next(from.Length)];
}
