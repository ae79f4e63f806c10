using System.Buffers;
using System.Globalization;
using System.Text;

namespace FeatureStore.Monitoring;

/// <summary>Writes lines of the exposition formats.</summary>
internal readonly ref struct MetricsTextWriter(IBufferWriter<byte> output, MetricsFormat format)
{
    private readonly bool _open = format is MetricsFormat.OpenMetrics;

    public void Head(MetricDescription description)
    {
        var name = description.Name + (description.Kind is MetricKind.Counter && !_open ? "_total" : "");
        var text = new StringBuilder();
        if (description.Help.Length > 0)
        {
            text.Append("# HELP ").Append(name).Append(' ');
            Escape(text, description.Help, quotes: _open);
            text.Append('\n');
        }

        if (_open && description.Unit.Length > 0)
            text.Append(CultureInfo.InvariantCulture, $"# UNIT {name} {description.Unit}\n");
        var type = description.Kind switch
        {
            MetricKind.Counter => "counter",
            MetricKind.Histogram => "histogram",
            _ => "gauge",
        };
        text.Append(CultureInfo.InvariantCulture, $"# TYPE {name} {type}\n");
        Write(text.ToString());
    }

    public void Sample(string name, string suffix, ReadOnlySpan<byte> labels, double value)
    {
        Write(name);
        Write(suffix);
        if (labels.Length > 0)
        {
            output.Write("{"u8);
            output.Write(labels);
            output.Write("}"u8);
        }

        output.Write(" "u8);
        Write(value, fraction: false);
        output.Write("\n"u8);
    }

    /// <param name="name">Of the histogram.</param>
    /// <param name="labels">Of the series.</param>
    /// <param name="bound">Upper bound, inclusive.</param>
    /// <param name="count">Measurements not above the bound.</param>
    public void Bucket(string name, ReadOnlySpan<byte> labels, double bound, long count)
    {
        Write(name);
        output.Write("_bucket{"u8);
        output.Write(labels);
        output.Write(labels.Length > 0 ? ",le=\""u8 : "le=\""u8);
        Write(bound, fraction: _open);
        output.Write("\"} "u8);
        Write(count, fraction: false);
        output.Write("\n"u8);
    }

    public void End()
    {
        if (_open)
            output.Write("# EOF\n"u8);
    }

    /// <summary>A name with every character that Prometheus does not take in names replaced by '_'.</summary>
    public static string SafeName(string name, bool colons)
    {
        var safe = string.Create(name.Length, (name, colons), static (span, source) =>
        {
            for (var i = 0; i < span.Length; i++)
            {
                var character = source.name[i];
                span[i] = char.IsAsciiLetterOrDigit(character) || (source.colons && character == ':') ? character : '_';
            }
        });
        return safe.Length == 0 || char.IsAsciiDigit(safe[0]) ? "_" + safe : safe;
    }

    public static void Escape(StringBuilder builder, string text, bool quotes)
    {
        foreach (var character in text)
        {
            _ = character switch
            {
                '\\' => builder.Append(@"\\"),
                '\n' => builder.Append(@"\n"),
                '"' when quotes => builder.Append("\\\""),
                _ => builder.Append(character),
            };
        }
    }

    private void Write(string text) => Encoding.UTF8.GetBytes(text, output);

    private void Write(double value, bool fraction)
    {
        if (!double.IsFinite(value))
        {
            output.Write(double.IsNaN(value) ? "NaN"u8 : value > 0 ? "+Inf"u8 : "-Inf"u8);
            return;
        }

        Span<byte> digits = stackalloc byte[32];
        value.TryFormat(digits, out var length, default, CultureInfo.InvariantCulture);
        digits = digits[..length];
        var exponent = digits.IndexOf((byte)'E');
        if (exponent >= 0)
            digits[exponent] = (byte)'e';
        output.Write(digits);
        if (fraction && exponent < 0 && !digits.Contains((byte)'.'))
            output.Write(".0"u8);
    }
}
