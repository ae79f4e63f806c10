using System.Numerics;
using System.Text;
using FeatureStore.Core.Definitions;
using FeatureStore.Core.Tests.Plans;

namespace FeatureStore.Core.Tests.Oracle;

/// <summary>An input: a double, a long, a string, or what stands for an event that has none.</summary>
internal readonly record struct TimedInput(long TimeMs, object Value)
{
    public double Number => Value is long integer ? integer : (double)Value;
}

/// <summary>What an aggregate makes of the inputs in a window.</summary>
/// <param name="feature">The definition.</param>
/// <param name="window">What the window covers.</param>
/// <param name="inputs">Those that are not skipped, in order of time, then of arrival.</param>
/// <param name="ever">With those that were retracted since and still shape the rounding of a state from which they were subtracted; else the same.</param>
internal sealed class NaiveAggregate(FeatureDefinition feature, NaiveWindow window, IReadOnlyList<TimedInput> inputs, IReadOnlyList<TimedInput> ever)
{
    /// <summary>Longest text that is kept, in bytes of UTF-8.</summary>
    public const int TextBytesMax = 63;

    private const double Rounding = 1.0 / (1L << 53);

    /// <summary>Standard error of the approximate number of distinct values.</summary>
    private const double DistinctError = 0.023;

    private const double QuantileError = 0.01;

    /// <summary>Counters of a top_k: all is exact up to so many values.</summary>
    private readonly int _counters = Math.Max(32, 8 * (feature.K ?? 0));

    /// <summary>The inputs where they are integers.</summary>
    private List<BigInteger>? Integers => inputs.All(input => input.Value is long) ? [.. inputs.Select(input => (BigInteger)(long)input.Value)] : null;

    private Expectation.Number Absent => feature.By is null && feature.Default is { } value ? new(value) : Expectation.Number.Null;

    public Expectation Value() => feature.Aggregate switch
    {
        Aggregate.Count => new Expectation.Number(inputs.Count),
        Aggregate.Rate => Expectation.Number.Near(inputs.Count / LengthSeconds(), 1e-12 * inputs.Count / LengthSeconds()),
        Aggregate.CountDistinct => CountDistinct(),
        Aggregate.ApproxCountDistinct => ApproxCountDistinct(),
        Aggregate.FirstN => List(inputs.Take(feature.N!.Value)),
        Aggregate.LastN => List(inputs.TakeLast(feature.N!.Value)),
        Aggregate.TopK => TopK(),
        Aggregate.Histogram => Histogram(),
        Aggregate.Sum => Integers is { Count: > 0 } integers ? new Expectation.Integer(integers.Aggregate(BigInteger.Add)) : Sum(1),
        Aggregate.DecayedSum or Aggregate.DecayedCount => Decayed(),
        Aggregate.SessionCount => new Expectation.Number(window.Sessions.Count),
        _ when inputs.Count == 0 => Absent,
        Aggregate.Mean => Sum(inputs.Count),
        Aggregate.Min when Integers is { } integers => new Expectation.Integer(integers.Min()),
        Aggregate.Max when Integers is { } integers => new Expectation.Integer(integers.Max()),
        Aggregate.Min => new Expectation.Number(inputs.Select(input => input.Number).Aggregate(Math.Min)),
        Aggregate.Max => new Expectation.Number(inputs.Select(input => input.Number).Aggregate(Math.Max)),
        Aggregate.First => One(inputs[0]),
        Aggregate.Last => One(inputs[^1]),
        Aggregate.Quantile => Quantile(),
        Aggregate.Variance or Aggregate.Stddev or Aggregate.Skew or Aggregate.Kurtosis => Moment(),
        Aggregate.DecayedMean => DecayedMean(),
        Aggregate.TimeSinceLast => Seconds(window.AsOfMs - inputs[^1].TimeMs, 1),
        Aggregate.TimeBetween => inputs.Count < 2 ? Absent : Seconds(inputs[^1].TimeMs - inputs[0].TimeMs, inputs.Count - 1),
        Aggregate.SessionDuration => Seconds(window.Sessions.Sum(session => session[^1].TimeMs - session[0].TimeMs), 1),
        Aggregate.SessionStart => new Expectation.Number(window.Sessions[0][0].TimeMs),
        _ => throw new InvalidOperationException($"{feature.Aggregate}"),
    };

    /// <summary>Whether a state could take in an input.</summary>
    public static bool IsUsable(Aggregate aggregate, object? value) => value switch
    {
        null => false,
        double number => double.IsFinite(number),
        long => true,
        string text => aggregate == Aggregate.Count || Encoding.UTF8.GetByteCount(text) <= TextBytesMax,
        _ => throw new InvalidOperationException($"{value}"),
    };

    /// <summary>Whether integers are not taken as the nearest doubles.</summary>
    public static bool TakesInteger(Aggregate aggregate) => aggregate is Aggregate.Sum or Aggregate.Min or Aggregate.Max or Aggregate.First or Aggregate.Last
        or Aggregate.FirstN or Aggregate.LastN or Aggregate.CountDistinct or Aggregate.ApproxCountDistinct or Aggregate.TopK;

    private static Expectation One(TimedInput input) => input.Value switch
    {
        string text => new Expectation.Text(text),
        long integer => new Expectation.Integer(integer),
        _ => new Expectation.Number(input.Number),
    };

    private static Expectation.Number Seconds(long ms, int divisor) =>
        Expectation.Number.Near(ms / 1000.0 / divisor, 1e-12 * Math.Abs(ms));

    private static Expectation.Items List(IEnumerable<TimedInput> values)
    {
        var list = values.Select(One).ToList();
        return new Expectation.Items(list.Count == 0 ? null : list);
    }

    private double LengthSeconds() => feature.Window switch
    {
        WindowDefinition.Sliding sliding => sliding.Length.TotalSeconds,
        WindowDefinition.Tumbling tumbling => tumbling.Length.TotalSeconds,
        _ => throw new InvalidOperationException($"{feature.Window}"),
    };

    /// <summary>Zeros of both signs are one value.</summary>
    private static object Distinct(TimedInput input) => input.Value is double number ? number + 0.0 : input.Value;

    private Expectation.Number CountDistinct()
    {
        var limit = feature.Limit ?? 1000;
        var distinct = Math.Min(limit, inputs.Select(Distinct).Distinct().Count());
        // Which values a full state left out, and so cannot give back, its order of arrival decides.
        return ever.Count > inputs.Count && ever.Select(Distinct).Distinct().Count() > limit ? new(0, limit) : new(distinct);
    }

    private Expectation.Number ApproxCountDistinct()
    {
        var distinct = inputs.Select(Distinct).Distinct().Count();
        return distinct == 0 ? new(0) : Expectation.Number.Near(distinct, Math.Max(1, 5 * DistinctError * distinct));
    }

    private Expectation.Top TopK()
    {
        var counts = inputs.GroupBy(Distinct).ToDictionary(group => group.Key, group => group.Count());
        return new Expectation.Top(counts, feature.K!.Value, counts.Count <= _counters ? 0 : (double)inputs.Count / _counters);
    }

    private Expectation.Items Histogram()
    {
        if (inputs.Count == 0)
            return new(null);
        var counts = new int[feature.Bounds!.Count + 1];
        foreach (var input in inputs)
            counts[feature.Bounds.Count(bound => bound <= input.Number)]++;
        return new([.. counts.Select(count => new Expectation.Number(count))]);
    }

    private Expectation.Number Quantile()
    {
        var sorted = inputs.Select(input => input.Number).Order().ToList();
        // A product that rounding alone lifts above a whole number counts as that number.
        var rank = Math.Max(1, (int)Math.Ceiling((decimal)feature.Q!.Value * sorted.Count));
        var value = sorted[rank - 1];
        if (feature.Window is WindowDefinition.Sliding { Tile: null } or WindowDefinition.Last)
            return value == 0 ? Expectation.Number.Near(0, 0) : new Expectation.Number(value);
        return Expectation.Number.Near(value, QuantileError * 1.0000001 * Math.Abs(value));
    }

    /// <summary>
    /// Exact windows and lifetimes add numbers that fit a fixed point exactly; all others are within 10⁻¹² of the sum of magnitudes, of what was taken back too where the window keeps no events. A sum beyond the greatest
    /// double is null; where only a part of it may be beyond, it may be null.
    /// </summary>
    private Expectation.Number Sum(int divisor)
    {
        var sum = ExactSum.ToDouble(Total(inputs.Select(input => input.Number)));
        if (!double.IsFinite(sum))
            return Absent;
        var magnitude = ExactSum.ToDouble(Total(ever.Select(input => Math.Abs(input.Number))));
        if (!double.IsFinite(magnitude))
            return new(double.NegativeInfinity, double.PositiveInfinity, OrNull: true);
        var isFixed = feature.By is null && feature.Window is null or WindowDefinition.Sliding { Tile: null } && inputs.All(input => ExactSum.IsFixedPoint(input.Number));
        return isFixed ? new(sum / divisor) : Expectation.Number.Near(sum / divisor, 1e-12 * (magnitude / divisor));
    }

    private static BigInteger Total(IEnumerable<double> values) => values.Aggregate(BigInteger.Zero, (total, value) => total + ExactSum.Of(value));

    private Expectation Decayed()
    {
        if (inputs.Count == 0)
            return new Expectation.Number(0);
        var sum = inputs.Sum(input => Weighted(input, window.AsOfMs));
        // What each step rounds is bounded by the magnitudes; a weight below the least normal double is rounded by itself.
        var tolerance = 1e-11 * ever.Sum(input => Math.Abs(Weighted(input, window.AsOfMs))) + 1e-300 * ever.Sum(input => Math.Abs(Magnitude(input))) + 1e-300;
        // Where the sum as of the newest event is next to the greatest double, it may be beyond it.
        return double.IsFinite(tolerance) && ever.Sum(input => Math.Abs(Magnitude(input))) < double.MaxValue / 4 ? Expectation.Number.Near(sum, tolerance) : new Expectation.Anything();
    }

    /// <summary>The mean does not depend on the time it is asked for, so it is known even where every weight has become 0.</summary>
    private Expectation DecayedMean()
    {
        var newestMs = inputs[^1].TimeMs;
        var weights = inputs.Sum(input => Weight(newestMs - input.TimeMs, 1));
        var mean = inputs.Sum(input => Weight(newestMs - input.TimeMs, input.Number) / weights);
        var tolerance = ever.Sum(input => 2e-11 * (Math.Abs(Weight(newestMs - input.TimeMs, input.Number)) + Weight(newestMs - input.TimeMs, Math.Abs(mean))) / weights) + 1e-300;
        // What is left of the weights after newer events were taken back may be all rounding.
        var isKnown = tolerance < 1e-3 * inputs.Max(input => Math.Abs(input.Number)) + 1e-299;
        return double.IsFinite(mean) && isKnown && ever.All(input => Math.Abs(input.Number) < 1e300) ? Expectation.Number.Near(mean, tolerance) : new Expectation.Anything();
    }

    private double Magnitude(TimedInput input) => feature.Aggregate == Aggregate.DecayedCount ? 1 : input.Number;

    private double Weighted(TimedInput input, long asOfMs) => Weight(asOfMs - input.TimeMs, Magnitude(input));

    /// <summary>A value at half the weight a half-life. In two steps, so that a large value of small weight is not lost.</summary>
    private double Weight(long ageMs, double value)
    {
        var half = Math.Pow(2, -ageMs / feature.HalfLife!.Value.TotalMilliseconds / 2);
        return value * half * half;
    }

    /// <summary>
    /// Central moments from exact sums. What a state that holds means and moments as doubles can be asked for: its updates round relative to the values, not to
    /// their distances from the mean, so that each distance is off by about n·2⁻⁵³·max|v|. The variance may be off accordingly (T. Chan, G. Golub, R. LeVeque,
    /// 1983: relative n·κ·2⁻⁵³ with κ² = 1 + mean²/variance), where that is more than 10⁻⁹; skew and kurtosis by that distance in standard deviations, and nothing is
    /// asked of them where it is more than 10⁻⁴, or where fourth powers leave the range of doubles.
    /// </summary>
    private Expectation Moment()
    {
        var values = inputs.Select(input => input.Number).ToList();
        var all = ever.Select(input => input.Number).ToList();
        var n = values.Count;
        var isShape = feature.Aggregate is Aggregate.Skew or Aggregate.Kurtosis;
        var least = feature.Sample ? feature.Aggregate switch { Aggregate.Skew => 3, Aggregate.Kurtosis => 4, _ => 2 } : 1;
        if (n < least)
            return Absent;
        var most = all.Max(Math.Abs);
        if (most > (isShape ? 1e70 : 1e150))
            return new Expectation.Anything();

        // n times the distance from the mean, in units of 2⁻¹⁰⁷⁴: whole numbers.
        var exact = values.Select(ExactSum.Of).ToList();
        var total = exact.Aggregate(BigInteger.Zero, (sum, value) => sum + value);
        var distances = exact.Select(value => n * value - total).ToList();
        var isZero = distances.All(distance => distance.IsZero);
        if (isZero && all.Count == n)
            return isShape ? Absent : new Expectation.Number(0);
        var doubles = distances.Select(distance => ExactSum.ToDouble(distance) / n).ToList();
        var variance = doubles.Sum(distance => distance * distance) / n;
        return isShape ? Shape(doubles, variance, most) : Spread(variance, n, all);
    }

    private Expectation.Number Spread(double variance, int n, List<double> all)
    {
        var factor = feature.Sample ? (double)n / (n - 1) : 1;
        var square = all.Sum(value => value * value) / n;
        var tolerance = factor * (Math.Max(1e-9 * variance, 16 * n * Rounding * Math.Sqrt(variance * square)) + 1e-290);
        if (all.Count > n)
            tolerance += factor * 64 * all.Count * Rounding * square;
        else
            tolerance += factor * Math.Pow(4 * n * Rounding, 2) * square;
        variance *= factor;
        if (feature.Aggregate == Aggregate.Variance)
            return Expectation.Number.Near(variance, tolerance);
        // Between the roots of the bounds.
        return new Expectation.Number(Math.Sqrt(Math.Max(0, variance - tolerance)), Math.Sqrt(variance + tolerance) * (1 + 1e-12));
    }

    private Expectation Shape(List<double> distances, double variance, double most)
    {
        double n = distances.Count;
        var deviation = Math.Sqrt(variance);
        var perturbation = 16 * ever.Count * Rounding * most / deviation;
        var power = feature.Aggregate == Aggregate.Skew ? 3 : 4;
        // A value that was taken out leaves what rounding made of its power.
        if (ever.Count > inputs.Count)
            perturbation = Math.Max(perturbation, 64 * ever.Count * Rounding * Math.Pow(most / deviation, power));
        if (!(perturbation < 1e-4) || deviation < 1e-70)
            return new Expectation.Anything();
        var standardized = distances.Select(distance => distance / deviation).ToList();
        var value = standardized.Sum(z => Math.Pow(z, power)) / n - (power == 4 ? 3 : 0);
        var factor = 1.0;
        if (feature.Sample && power == 3)
        {
            factor = Math.Sqrt(n * (n - 1)) / (n - 2);
            value *= factor;
        }
        else if (feature.Sample)
        {
            factor = (n - 1) * (n + 1) / ((n - 2) * (n - 3));
            value = (n - 1) / ((n - 2) * (n - 3)) * ((n + 1) * value + 6);
        }

        return Expectation.Number.Near(value, factor * (1e-9 + 8 * perturbation) * (1 + standardized.Sum(z => Math.Pow(Math.Abs(z), power)) / n));
    }
}
