using System.Globalization;
using System.Text;
using FeatureStore.Core.Definitions;
using FeatureStore.Core.Events;
using FeatureStore.Core.Expressions;

namespace FeatureStore.Core.Tests.Expressions;

/// <summary>
/// One row that the tables of this folder are about, and expressions over it. N = 7, NEG = -3, BIG = 2^53 + 1, D = 2.5, YES = true, NO = false,
/// S = "héllo 😀", ASCII = "Hello, world", T = 2018-06-01T06:30:15.250Z, OLD = 1969-12-31T23:59:59.999Z, and _N, _D, _B, _S, _T are null.
/// </summary>
internal static class Bench
{
    public static readonly RowSchema Schema = new(
    [
        new("N", FieldType.Int64), new("NEG", FieldType.Int64), new("BIG", FieldType.Int64), new("D", FieldType.Double),
        new("YES", FieldType.Bool), new("NO", FieldType.Bool), new("S", FieldType.String), new("ASCII", FieldType.String),
        new("T", FieldType.Timestamp), new("OLD", FieldType.Timestamp),
        new("_N", FieldType.Int64), new("_D", FieldType.Double), new("_B", FieldType.Bool), new("_S", FieldType.String), new("_T", FieldType.Timestamp),
    ]);

    private static readonly EventBatch Batch = Filled();

    public static FieldRow Row => Batch.Row(0);

    public static CompiledExpression Compile(string text)
    {
        var expression = CompiledExpression.Compile(text, Schema, out var error);
        Assert.IsNull(error, $"{text}: {error}");
        return expression!;
    }

    public static ExpressionError Error(string text)
    {
        Assert.IsNull(CompiledExpression.Compile(text, Schema, out var error), text);
        return error!;
    }

    /// <summary>The value as a literal that gives it; null where there is none.</summary>
    public static string Evaluate(string text) => Evaluate(Compile(text), Row);

    public static string Evaluate(CompiledExpression expression, in FieldRow row)
    {
        var node = Representations.ToValue(expression.Root.Node, expression.Root.Type);
        return node.Try(row, Scope.Rent(node.HighestSlot + 1), out var value) ? Literal(value) : "null";
    }

    /// <summary>Rows "expression → result" of a table; a line that starts with # is a comment.</summary>
    public static IEnumerable<object[]> Table(string table) =>
        from line in table.Split('\n')
        where line.Length > 0 && line[0] != '#'
        let cells = line.Split('→', StringSplitOptions.TrimEntries)
        select new object[] { cells[0], cells[1] };

    private static EventBatch Filled()
    {
        var batch = new EventBatch(Schema);
        var row = batch.Add(default);
        batch.SetInt64(row, 0, 7);
        batch.SetInt64(row, 1, -3);
        batch.SetInt64(row, 2, (1L << 53) + 1);
        batch.SetDouble(row, 3, 2.5);
        batch.SetInt64(row, 4, 1);
        batch.SetInt64(row, 5, 0);
        batch.SetText(row, 6, "héllo 😀"u8);
        batch.SetText(row, 7, "Hello, world"u8);
        batch.SetInt64(row, 8, new DateTimeOffset(2018, 6, 1, 6, 30, 15, 250, TimeSpan.Zero).ToUnixTimeMilliseconds());
        batch.SetInt64(row, 9, -1);
        return batch;
    }

    private static string Literal(Value value) => value.Kind switch
    {
        ExpressionType.Int => value.Int64.ToString(CultureInfo.InvariantCulture),
        ExpressionType.Uint => value.Uint64.ToString(CultureInfo.InvariantCulture) + "u",
        ExpressionType.Double => Literal(value.Double),
        ExpressionType.Bool => value.Bool ? "true" : "false",
        ExpressionType.String => $"\"{Escaped(Encoding.UTF8.GetString(value.Text))}\"",
        ExpressionType.Bytes => "b" + string.Concat(value.Text.Select(b => $"\\x{b:x2}")),
        ExpressionType.Timestamp => Encoding.UTF8.GetString(TimeText.Format(value.Instant)),
        ExpressionType.Duration => Encoding.UTF8.GetString(TimeText.Format(value.Int64)),
        ExpressionType.List => $"[{string.Join(", ", value.List.Select(Literal))}]",
        ExpressionType.Map => $"{{{string.Join(", ", value.Map.Keys.Zip(value.Map.Values, (k, v) => $"{Literal(k)}: {Literal(v)}"))}}}",
        _ => TypeNames.NameOf(value.TypeValue),
    };

    private static string Literal(double value)
    {
        var text = value.ToString("R", CultureInfo.InvariantCulture);
        return double.IsFinite(value) && !text.Contains('.') && !text.Contains('E') ? text + ".0" : text;
    }

    private static string Escaped(string text) =>
        string.Concat(text.Select(c => char.IsControl(c) || c is '"' or '\\' or '→' ? $"\\u{(int)c:x4}" : c.ToString()));
}
