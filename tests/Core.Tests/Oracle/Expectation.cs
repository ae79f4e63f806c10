using System.Globalization;
using System.Numerics;
using System.Text.Json;
using FeatureStore.Core.Tests.Plans;

namespace FeatureStore.Core.Tests.Oracle;

/// <summary>What a value may be.</summary>
internal abstract record Expectation
{
    /// <summary>Whether there is but one right value, whatever the order of arrival.</summary>
    public virtual bool IsExact => true;

    public abstract bool Fits(JsonElement actual);

    /// <summary>For a number; NaN is null.</summary>
    public virtual bool Fits(double actual) => throw new InvalidOperationException($"{this} is no number.");

    /// <summary>A number between two bounds, or null where that is right too; NaN in both bounds: null. Equal bounds: the same bits.</summary>
    public sealed record Number(double Low, double High, bool OrNull = false) : Expectation
    {
        public static readonly Number Null = new(double.NaN, double.NaN);

        public Number(double value)
            : this(value, value)
        {
        }

        /// <summary>Within a tolerance of a value; never so near that the sign of zero counts.</summary>
        public static Number Near(double value, double tolerance) => new(value - Math.Max(tolerance, double.Epsilon), value + Math.Max(tolerance, double.Epsilon));

        public override bool IsExact => !OrNull && Low.Equals(High);

        public override bool Fits(JsonElement actual) => actual.ValueKind switch
        {
            JsonValueKind.Null => Fits(double.NaN),
            JsonValueKind.Number => Fits(actual.GetDouble()),
            _ => false,
        };

        public override bool Fits(double actual)
        {
            if (double.IsNaN(actual) || double.IsNaN(Low))
                return double.IsNaN(actual) && (OrNull || double.IsNaN(Low));
            return Low.Equals(High)
                ? BitConverter.DoubleToInt64Bits(actual) == BitConverter.DoubleToInt64Bits(Low)
                : double.IsFinite(actual) && actual >= Low && actual <= High;
        }

        public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Low:R} to {High:R}{(OrNull ? " or null" : "")}");
    }

    /// <summary>An integer to its last digit; where a double is asked for, the nearest.</summary>
    public sealed record Integer(BigInteger Value) : Expectation
    {
        public override bool Fits(JsonElement actual) => actual.GetRawText() == Value.ToString(CultureInfo.InvariantCulture);

        public override bool Fits(double actual) => actual == ExactSum.ToDouble(Value * ExactSum.Of(1));
    }

    /// <summary>Nothing that the oracle could say.</summary>
    public sealed record Anything : Expectation
    {
        public override bool IsExact => false;

        public override bool Fits(JsonElement actual) => true;

        public override bool Fits(double actual) => !double.IsInfinity(actual);
    }

    /// <summary>A text; null: null.</summary>
    public sealed record Text(string? Value) : Expectation
    {
        public override bool Fits(JsonElement actual) =>
            Value is null ? actual.ValueKind == JsonValueKind.Null : actual.ValueKind == JsonValueKind.String && actual.GetString() == Value;
    }

    /// <summary>A list; null: null.</summary>
    public sealed record Items(IReadOnlyList<Expectation>? Values) : Expectation
    {
        public override bool IsExact => Values?.All(value => value.IsExact) ?? true;

        public override bool Fits(JsonElement actual) => Values is null
            ? actual.ValueKind == JsonValueKind.Null
            : actual.ValueKind == JsonValueKind.Array && actual.GetArrayLength() == Values.Count && actual.EnumerateArray().Zip(Values).All(pair => pair.Second.Fits(pair.First));

        public override string ToString() => Values is null ? "null" : $"[{string.Join(", ", Values)}]";
    }

    /// <summary>
    /// The most frequent values: sorted as they should be, no count below the true one or above it by more than the error, and no value left out that came more
    /// often than one that is there.
    /// </summary>
    public sealed record Top(IReadOnlyDictionary<object, int> Counts, int Most, double Error) : Expectation
    {
        public override bool IsExact => Error == 0;

        public override bool Fits(JsonElement actual)
        {
            if (Counts.Count == 0)
                return actual.ValueKind == JsonValueKind.Null;
            if (actual.ValueKind != JsonValueKind.Array || actual.EnumerateArray().Any(item => item.ValueKind != JsonValueKind.Object))
                return false;
            List<(object Value, long Count)> items = [.. actual.EnumerateArray().Select(item => (ValueOf(item.GetProperty("value"), Counts.Keys.First() is long), item.GetProperty("count").GetInt64()))];
            if (items.Count != Math.Min(Most, Counts.Count) || items.Any(item => !Counts.TryGetValue(item.Value, out var count) || item.Count < count || item.Count > count + Error))
                return false;
            for (var at = 1; at < items.Count; at++)
            {
                if (items[at].Count > items[at - 1].Count || (items[at].Count == items[at - 1].Count && Compare(items[at].Value, items[at - 1].Value) <= 0))
                    return false;
            }

            if (Error > 0)
                return Counts.Values.Count(count => count > items[^1].Count) <= items.Count;
            return items.Select(item => item.Value).SequenceEqual(Counts.OrderByDescending(pair => pair.Value).ThenBy(pair => pair.Key, Comparer<object>.Create(Compare)).Take(Most).Select(pair => pair.Key));
        }

        public override string ToString() => $"top {Most} within {Error} of {string.Join(", ", Counts.OrderByDescending(pair => pair.Value).Select(pair => $"{pair.Key}×{pair.Value}"))}";
    }

    /// <summary>Keys with their values, in ascending order; of an incomplete one the keys may be a part.</summary>
    public sealed record Map(IReadOnlyDictionary<object, Expectation> Values, int Most = int.MaxValue) : Expectation
    {
        public override bool IsExact => Values.Values.All(value => value.IsExact);

        public override bool Fits(JsonElement actual)
        {
            if (actual.ValueKind != JsonValueKind.Object)
                return false;
            List<JsonProperty> properties = [.. actual.EnumerateObject()];
            var sorted = Values.Keys.Order(Comparer<object>.Create(Compare)).Select(TextOf).ToList();
            var places = properties.Select(property => sorted.IndexOf(property.Name)).ToList();
            return properties.Count == Math.Min(Most, Values.Count) && !places.Contains(-1) && places.SequenceEqual(places.Distinct().Order()) &&
                Values.All(pair => !actual.TryGetProperty(TextOf(pair.Key), out var value) || pair.Value.Fits(value));
        }

        public override string ToString() => $"{{{string.Join(", ", Values.Select(pair => $"{TextOf(pair.Key)}: {pair.Value}"))}}}";

        private static string TextOf(object key) => Convert.ToString(key, CultureInfo.InvariantCulture)!;
    }

    private static object ValueOf(JsonElement element, bool isInteger) => element.ValueKind switch
    {
        JsonValueKind.String => element.GetString()!,
        _ when isInteger => element.GetInt64(),
        _ => (object)(element.GetDouble() + 0.0),
    };

    /// <summary>Numbers by size, texts by their code points.</summary>
    private static int Compare(object left, object right) => left is string text
        ? System.Text.Encoding.UTF8.GetBytes(text).AsSpan().SequenceCompareTo(System.Text.Encoding.UTF8.GetBytes((string)right))
        : ((IComparable)left).CompareTo(right);
}
