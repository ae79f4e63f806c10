using System.Globalization;
using System.Text;
using FeatureStore.Core.Definitions;
using FeatureStore.Core.Events;
using FeatureStore.Core.Plans;

namespace FeatureStore.Core.Cleaning;

/// <summary>
/// A source's cleaning rules, compiled. They are applied in order, each to the row as the ones before it left it; the first that drops an event or makes
/// it a dead letter ends it. A rule whose field is missing does its <c>missing</c> action only; a value that it fills in is not held against its own
/// bounds. Allocates nothing. Any number of threads.
/// </summary>
public sealed class Cleaner
{
    private readonly Rule[] _rules;

    /// <exception cref="ArgumentException">
    /// A rule that <see cref="DefinitionValidator"/> refuses: no such field, bounds on a field that is no number, a fill of another type.
    /// </exception>
    public Cleaner(SourcePlan source)
    {
        ArgumentNullException.ThrowIfNull(source);
        _rules = [.. source.Definition.Clean.Select((rule, index) => Compile(source, rule, index))];
    }

    /// <summary>Cleans one event. Its time follows its timestamp field where a rule clips that, and stays where a rule makes that null.</summary>
    /// <param name="batch">Batch of the source's schema.</param>
    /// <param name="row">The event's row; changed up to the rule that ends the event.</param>
    public CleanResult Clean(EventBatch batch, int row)
    {
        ArgumentNullException.ThrowIfNull(batch);
        for (var index = 0; index < _rules.Length; index++)
        {
            ref readonly var rule = ref _rules[index];
            var fields = batch.Row(row);
            var fault = !fields.Has(rule.Field) ? CleanFault.Missing
                : rule.Type is FieldType.Double ? rule.Check(fields.Double(rule.Field))
                : rule.Check(fields.Int64(rule.Field));
            if (fault == CleanFault.None)
                continue;
            var measured = fault == CleanFault.Missing ? 0 : fields.Int64(rule.Field);
            var verdict = fault == CleanFault.Missing ? Fill(rule, batch, row) : BringInside(rule, fault, batch, row);
            if (verdict != CleanVerdict.Keep)
                return new CleanResult(verdict, index, fault, measured);
        }

        return default;
    }

    private static CleanVerdict Fill(in Rule rule, EventBatch batch, int row)
    {
        switch (rule.Missing)
        {
            case MissingAction.Keep:
                return CleanVerdict.Keep;
            case MissingAction.Drop:
                return CleanVerdict.Drop;
            case MissingAction.DeadLetter:
                return CleanVerdict.DeadLetter;
            default:
                if (rule.FillText is { } text)
                    batch.SetText(row, rule.Field, text);
                else
                    batch.SetInt64(row, rule.Field, rule.FillBits);
                return CleanVerdict.Keep;
        }
    }

    private static CleanVerdict BringInside(in Rule rule, CleanFault fault, EventBatch batch, int row)
    {
        switch (rule.Outside)
        {
            case OutsideAction.DeadLetter:
                return CleanVerdict.DeadLetter;
            case OutsideAction.Drop:
                return CleanVerdict.Drop;
            case OutsideAction.Null:
                batch.SetNull(row, rule.Field);
                return CleanVerdict.Keep;
            default:
                var isBelow = fault == CleanFault.Below;
                if (rule.Type == FieldType.Double)
                    batch.SetDouble(row, rule.Field, isBelow ? rule.Below : rule.Above);
                else
                    batch.SetInt64(row, rule.Field, isBelow ? rule.Least : rule.Greatest);
                if (rule.IsEventTime)
                    batch[row].TimeMs = isBelow ? rule.Least : rule.Greatest;
                return CleanVerdict.Keep;
        }
    }

    private static Rule Compile(SourcePlan source, CleanRule definition, int index)
    {
        var field = source.Schema.IndexOf(definition.Field);
        if (field < 0)
            throw Unsound(definition, index, "no such field");
        var type = source.Schema.Fields[field].Type;
        var hasBounds = definition.Below is not null || definition.Above is not null;
        if (hasBounds && type is FieldType.Bool or FieldType.String)
            throw Unsound(definition, index, $"bounds on a field of type {type}");
        var below = definition.Below ?? double.NegativeInfinity;
        var above = definition.Above ?? double.PositiveInfinity;
        if (double.IsNaN(below) || double.IsNaN(above))
            throw Unsound(definition, index, "a bound is not a number");
        var fills = definition.Missing == MissingAction.Fill;
        return new Rule
        {
            Field = field,
            Type = type,
            IsEventTime = field == source.TimestampField,
            Missing = definition.Missing,
            FillBits = fills && type != FieldType.String ? FillBits(type, definition, index) : 0,
            FillText = fills && type == FieldType.String ? FillText(definition, index) : null,
            Outside = definition.Outside,
            Below = below,
            Above = above,
            // Casts saturate, so a bound beyond int64 becomes its end.
            Least = (long)Math.Ceiling(below),
            Greatest = (long)Math.Floor(above),
        };
    }

    private static byte[] FillText(CleanRule definition, int index) =>
        Encoding.UTF8.GetBytes(definition.Fill as string ?? throw Unsound(definition, index, "fill is not a text"));

    private static long FillBits(FieldType type, CleanRule definition, int index)
    {
        try
        {
            switch (type)
            {
                case FieldType.Bool when definition.Fill is bool value:
                    return value ? 1 : 0;
                case FieldType.Timestamp when definition.Fill is DateTimeOffset time:
                    return time.ToUnixTimeMilliseconds();
                case FieldType.Timestamp when definition.Fill is string text && Rfc3339.TryParse(Encoding.UTF8.GetBytes(text), out var unixMs):
                    return unixMs;
                case FieldType.Double when definition.Fill is double or float or decimal or int or long:
                    return BitConverter.DoubleToInt64Bits(Convert.ToDouble(definition.Fill, CultureInfo.InvariantCulture));
                case FieldType.Int64 or FieldType.Timestamp when definition.Fill is int or long:
                    return Convert.ToInt64(definition.Fill, CultureInfo.InvariantCulture);
                case FieldType.Int64 when definition.Fill is double number && number == Math.Truncate(number):
                    return checked((long)number);
            }
        }
        catch (OverflowException)
        {
        }

        throw Unsound(definition, index, $"fill is not of type {type}");
    }

    private static ArgumentException Unsound(CleanRule definition, int index, string detail) =>
        new($"clean[{index}] {definition.Field}: {detail}. Validate the definitions before they are compiled.");

    private readonly struct Rule
    {
        public required int Field { get; init; }

        public required FieldType Type { get; init; }

        /// <summary>Whether the field holds the event's time.</summary>
        public required bool IsEventTime { get; init; }

        public required MissingAction Missing { get; init; }

        public required long FillBits { get; init; }

        /// <summary>Of a text field, in place of <see cref="FillBits"/>.</summary>
        public required byte[]? FillText { get; init; }

        public required OutsideAction Outside { get; init; }

        public required double Below { get; init; }

        public required double Above { get; init; }

        /// <summary>The whole numbers that are inside begin here.</summary>
        public required long Least { get; init; }

        public required long Greatest { get; init; }

        public CleanFault Check(double value) => value < Below ? CleanFault.Below : value > Above ? CleanFault.Above : CleanFault.None;

        /// <summary>Against whole bounds, so that no int64 is rounded. Types without bounds have those of int64.</summary>
        public CleanFault Check(long value) => value < Least ? CleanFault.Below : value > Greatest ? CleanFault.Above : CleanFault.None;
    }
}
