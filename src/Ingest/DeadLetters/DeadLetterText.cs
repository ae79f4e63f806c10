using System.Globalization;
using System.Text;
using FeatureStore.Core.Definitions;
using FeatureStore.Core.Events;
using FeatureStore.Core.Plans;

namespace FeatureStore.Ingest.DeadLetters;

/// <summary>What the headers <c>reason</c> and <c>rule</c> of a dead letter say. The table of them is in <c>docs/events.md</c>.</summary>
internal static class DeadLetterText
{
    /// <summary>Longest text of a model's failure that is passed on, in characters.</summary>
    private const int FailureCharactersMax = 1000;

    private static readonly (string Unit, long Ms)[] _units = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];

    /// <param name="source">The event's source.</param>
    /// <param name="rejection">Why the event is a dead letter; not None.</param>
    /// <param name="failure">Of <see cref="RejectionReason.ModelFailure"/>: the model, and what it says.</param>
    /// <returns>A sentence for people; and for programs the cleaning rule's name, or a word for the kind of reason.</returns>
    public static (string Reason, string Rule) Of(SourcePlan source, in Rejection rejection, (string Model, string Reason)? failure) =>
        (Reason(source, rejection, failure), rejection.Reason == RejectionReason.Cleaning ? rejection.Cleaned.RuleName(source.Definition) : RuleOf(rejection.Reason));

    private static string Reason(SourcePlan source, in Rejection rejection, (string Model, string Reason)? failure)
    {
        var field = rejection.Field < 0 || rejection.Field >= source.Schema.Count ? null : source.Schema.Fields[rejection.Field];
        var at = string.Create(CultureInfo.InvariantCulture, $"at byte {rejection.PositionBytes}");
        var measured = rejection.Measured.ToString(CultureInfo.InvariantCulture);
        var limit = rejection.Limit.ToString(CultureInfo.InvariantCulture);
        return rejection.Reason switch
        {
            RejectionReason.TooLarge => $"value has {measured} bytes; at most {limit} are read",
            RejectionReason.MalformedJson => $"value is not JSON {at}: {Problem(rejection.Problem)}",
            RejectionReason.WrongType => $"field \"{field?.Name}\" is {Kind(rejection.Got)} {at}; {Expected(field?.Type)} is expected",
            RejectionReason.NotWhole => $"field \"{field?.Name}\" has a fraction {at}; {Expected(field?.Type)} is expected",
            RejectionReason.OutOfRange => $"field \"{field?.Name}\" is beyond {Range(field?.Type)} {at}",
            RejectionReason.TextTooLong => $"field \"{field?.Name}\" is too long {at}; a text has at most {RowSchema.TextBytesMax} bytes",
            RejectionReason.BadTimestamp => $"field \"{field?.Name}\" is not a time {at}; write 2018-04-01T00:00:31Z, with a zone, or an integer of Unix milliseconds",
            RejectionReason.MissingTimestamp => $"field \"{field?.Name}\" is missing; it holds the event's time",
            RejectionReason.TooLate => $"event is {Duration(rejection.Measured)} behind the newest of its partition; the source's lateness is {Duration(rejection.Limit)}",
            RejectionReason.TooFarAhead => $"event is {Duration(rejection.Measured)} past the wall clock; the source allows {Duration(rejection.Limit)} ahead",
            RejectionReason.NoOperation => "the change has no op that is known; it is c, r, u or d, as Debezium writes it (envelope: debezium)",
            RejectionReason.Truncated => "the table was truncated, which says of no row what it was; its rows still count",
            RejectionReason.MissingBefore => "the change does not have the whole row before it; set REPLICA IDENTITY FULL on the table (or what the database has for it)",
            RejectionReason.MissingAfter => "the change does not have the row after it",
            RejectionReason.LateRetraction => $"event to take back or to change is {Duration(rejection.Measured)} behind the newest of its partition; the source's lateness is {Duration(rejection.Limit)}, and session and last windows settle after it",
            RejectionReason.KeyMissing => $"field \"{field?.Name}\" is missing; it is a join key",
            RejectionReason.KeyTooLong => $"key that begins with field \"{field?.Name}\" has {measured} bytes; an entity's key has at most {limit}",
            RejectionReason.Cleaning => rejection.Cleaned.Reason(source.Definition),
            RejectionReason.ModelFailure => $"model \"{failure?.Model}\" fails on this event: {Shortened(failure?.Reason ?? "")}",
            _ => throw new ArgumentOutOfRangeException(nameof(rejection), rejection.Reason, "No dead letter without a reason."),
        };
    }

    private static string RuleOf(RejectionReason reason) => reason switch
    {
        RejectionReason.TooLarge => "too-large",
        RejectionReason.MalformedJson => "malformed-json",
        RejectionReason.WrongType => "wrong-type",
        RejectionReason.NotWhole => "not-whole",
        RejectionReason.OutOfRange => "out-of-range",
        RejectionReason.TextTooLong => "text-too-long",
        RejectionReason.BadTimestamp => "bad-timestamp",
        RejectionReason.MissingTimestamp => "missing-timestamp",
        RejectionReason.TooLate => "too-late",
        RejectionReason.TooFarAhead => "too-far-ahead",
        RejectionReason.NoOperation => "no-operation",
        RejectionReason.Truncated => "truncated",
        RejectionReason.MissingBefore => "missing-before",
        RejectionReason.MissingAfter => "missing-after",
        RejectionReason.LateRetraction => "late-retraction",
        RejectionReason.KeyMissing => "key-missing",
        RejectionReason.KeyTooLong => "key-too-long",
        _ => "model-failure",
    };

    private static string Problem(JsonProblem problem) => problem switch
    {
        JsonProblem.Empty => "it is empty",
        JsonProblem.ByteOrderMark => "a byte order mark; send UTF-8 without one",
        JsonProblem.NotAnObject => "an object is expected",
        JsonProblem.EndsEarly => "it ends early",
        JsonProblem.NameExpected => "a member's name in quotes is expected",
        JsonProblem.ColonExpected => "a colon is expected",
        JsonProblem.ValueExpected => "a value is expected",
        JsonProblem.CommaExpected => "a comma or the closing bracket is expected",
        JsonProblem.BadNumber => "not a number",
        JsonProblem.BadEscape => "not an escape",
        JsonProblem.LoneSurrogate => "half of a surrogate pair",
        JsonProblem.ControlCharacter => "a control character; escape it",
        JsonProblem.InvalidUtf8 => "a text that is not UTF-8",
        JsonProblem.TooDeep => "more than 64 levels",
        _ => "more bytes after the object",
    };

    private static string Kind(JsonKind kind) => kind switch
    {
        JsonKind.Null => "null",
        JsonKind.Bool => "true or false",
        JsonKind.Number => "a number",
        JsonKind.String => "a string",
        JsonKind.Object => "an object",
        _ => "an array",
    };

    private static string Expected(FieldType? type) => type switch
    {
        FieldType.Int64 => "a whole number",
        FieldType.Double => "a number",
        FieldType.Bool => "true or false",
        FieldType.String => "a string",
        _ => "an RFC 3339 string or an integer of Unix milliseconds",
    };

    private static string Range(FieldType? type) => type switch
    {
        FieldType.Int64 => "the range of int64",
        FieldType.Double => "the range of double",
        _ => "the years 0001 to 9999",
    };

    /// <summary>As definitions write durations, in as many units as it takes: 1d2h3m4s5ms.</summary>
    private static string Duration(long ms)
    {
        if (ms == 0)
            return "0s";
        var text = new StringBuilder();
        foreach (var (unit, unitMs) in _units)
        {
            var count = ms / unitMs;
            ms -= count * unitMs;
            if (count != 0)
                text.Append(CultureInfo.InvariantCulture, $"{count}{unit}");
        }

        return text.ToString();
    }

    private static string Shortened(string text) => text.Length <= FailureCharactersMax ? text : $"{text.AsSpan(0, FailureCharactersMax)}…";
}
