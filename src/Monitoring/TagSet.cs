using System.Globalization;
using System.Text;

namespace FeatureStore.Monitoring;

/// <summary>Label values of a measurement, equal whatever their order.</summary>
internal static class TagSet
{
    public static int Hash(ReadOnlySpan<KeyValuePair<string, object?>> tags)
    {
        var hash = 0;
        foreach (var (name, value) in tags)
            hash += HashCode.Combine(name, value);
        return hash;
    }

    public static bool Equal(KeyValuePair<string, object?>[] left, ReadOnlySpan<KeyValuePair<string, object?>> right)
    {
        if (left.Length != right.Length)
            return false;
        for (var i = 0; i < left.Length; i++)
        {
            // Nearly always in the same order.
            if (!Same(left[i], right[i]) && !Contains(right, left[i]))
                return false;
        }

        return true;
    }

    /// <summary>The labels as text. Names that become equal share one label, their values joined by ';'.</summary>
    public static byte[] Labels(KeyValuePair<string, object?>[] tags)
    {
        var labels = new SortedDictionary<string, string>(StringComparer.Ordinal);
        foreach (var (name, value) in tags)
        {
            var safe = MetricsTextWriter.SafeName(name, colons: false);
            if (safe is "le")
                safe = "le_";
            var text = value switch
            {
                null => "",
                bool flag => flag ? "true" : "false",
                IFormattable formattable => formattable.ToString(null, CultureInfo.InvariantCulture),
                _ => value.ToString() ?? "",
            };
            labels[safe] = labels.TryGetValue(safe, out var first) ? first + ";" + text : text;
        }

        var builder = new StringBuilder();
        foreach (var (name, value) in labels)
        {
            builder.Append(builder.Length > 0 ? "," : "").Append(name).Append("=\"");
            MetricsTextWriter.Escape(builder, value, quotes: true);
            builder.Append('"');
        }

        return Encoding.UTF8.GetBytes(builder.ToString());
    }

    private static bool Contains(ReadOnlySpan<KeyValuePair<string, object?>> tags, KeyValuePair<string, object?> tag)
    {
        foreach (var other in tags)
        {
            if (Same(other, tag))
                return true;
        }

        return false;
    }

    private static bool Same(KeyValuePair<string, object?> left, KeyValuePair<string, object?> right) =>
        left.Key == right.Key && (ReferenceEquals(left.Value, right.Value) || Equals(left.Value, right.Value));
}
