using System.Text;
using FeatureStore.Core.Events;

namespace FeatureStore.Core.Definitions;

internal static class SourceChecks
{
    public static void Check(DefinitionChecks checks)
    {
        var sources = checks.Definition.Sources;
        var topics = new Dictionary<string, SourceDefinition>(StringComparer.Ordinal);
        foreach (var source in sources.Where(source => source.Kafka is not null))
            topics.TryAdd(source.Kafka!.Topic, source);

        foreach (var (source, path, subject) in checks.Section(checks.Sources, "sources", DefinitionLimits.SourcesMax))
        {
            if (source.Join is not null)
            {
                checks.Defined($"{path}.clock", subject, "clock", source.Clock);
                JoinChecks.Check(checks, source, path, subject);
                continue;
            }

            if (source.Kafka is null)
                checks.Add($"{path}.kafka", subject, "has no events. Add kafka, a topic, or join, two other sources.");
            else
                Topics(checks, topics, source, source.Kafka, path, subject);
            Times(checks, source, path, subject);
            if (source.Fields.Count == 0)
                checks.Add($"{path}.fields", subject, "declares no fields.");
            checks.Fields($"{path}.fields", subject, source.Fields);
            if (source.Id is { } id && checks.Field(source, id, $"{path}.id", subject, "id") is { Type: not (FieldType.Int64 or FieldType.String) } field)
                checks.Add($"{path}.id", subject, $"id {DefinitionText.Quote(id)} is {DefinitionText.AValueOf(field.Type)}. An id is an int64 or a string.");
            Clean(checks, source, path, subject);
        }
    }

    private static void Topics(DefinitionChecks checks, Dictionary<string, SourceDefinition> topics, SourceDefinition source, KafkaTopicDefinition kafka, string path, string subject)
    {
        var topic = kafka.Topic;
        checks.Topic($"{path}.kafka.topic", subject, "topic", topic);
        checks.Defined($"{path}.kafka.format", subject, "format", kafka.Format);
        checks.Defined($"{path}.envelope", subject, "envelope", source.Envelope);
        if (topic.Length > 0 && !ReferenceEquals(topics[topic], source))
            checks.Add($"{path}.kafka.topic", subject, $"topic {DefinitionText.Quote(topic)} is read by source {DefinitionText.Quote(topics[topic].Name)} already. One source reads a topic.");

        // The default is as long as its topic allows; a fault of it is told at the topic.
        if (source.DeadLetters is not null)
            checks.Topic($"{path}.dead_letters", subject, "dead-letter topic", source.DeadLetters);
        else if (topic.Length <= DefinitionLimits.TopicLengthMax && source.DeadLetterTopic.Length > DefinitionLimits.TopicLengthMax)
            checks.Add($"{path}.kafka.topic", subject, $"the dead-letter topic's name, the topic's and \".dead-letter\", is longer than {DefinitionLimits.TopicLengthMax}. Name one with dead_letters.");
        if (topic.Length > 0 && topics.TryGetValue(source.DeadLetterTopic, out var reader))
            checks.Add($"{path}.dead_letters", subject, $"dead-letter topic {DefinitionText.Quote(source.DeadLetterTopic)} is what source {DefinitionText.Quote(reader.Name)} reads. Dead letters would come back as events.");
    }

    private static void Times(DefinitionChecks checks, SourceDefinition source, string path, string subject)
    {
        if (checks.Field(source, source.Timestamp, $"{path}.timestamp", subject, "timestamp") is { Type: not FieldType.Timestamp } field)
            checks.Add($"{path}.timestamp", subject, $"timestamp {DefinitionText.Quote(field.Name)} is {DefinitionText.AValueOf(field.Type)}. Declare the field as timestamp.");
        checks.Defined($"{path}.clock", subject, "clock", source.Clock);
        checks.Duration($"{path}.lateness", subject, "lateness", source.Lateness, isZeroAllowed: true);
        checks.Duration($"{path}.ahead", subject, "ahead", source.Ahead, isZeroAllowed: true);
        checks.Duration($"{path}.align", subject, "align", source.Align, isZeroAllowed: true);
        if (source.Clock == SourceClock.Stream && source.Ahead != SourceDefinition.AheadDefault)
            checks.Add($"{path}.ahead", subject, "ahead is measured against the wall clock, and this source's clock is stream. Remove ahead.");
    }

    private static void Clean(DefinitionChecks checks, SourceDefinition source, string path, string subject)
    {
        if (source.Clean.Count > DefinitionLimits.CleanRulesMax)
        {
            checks.Add($"{path}.clean", subject, $"{source.Clean.Count} clean rules are too many. At most {DefinitionLimits.CleanRulesMax} are allowed.");
            return;
        }

        var withMissing = new HashSet<string>(StringComparer.Ordinal);
        for (var index = 0; index < source.Clean.Count; index++)
        {
            var rule = source.Clean[index];
            var rulePath = $"{path}.clean[{index}]";
            var isKnown = checks.Defined($"{rulePath}.missing", subject, "missing", rule.Missing)
                & checks.Defined($"{rulePath}.outside", subject, "outside", rule.Outside);
            if (checks.Field(source, rule.Field, $"{rulePath}.field", subject, "the clean rule's field") is not { } field || !isKnown)
                continue;
            var hasBounds = rule.Below is not null || rule.Above is not null;
            if (rule.Missing == MissingAction.Keep && !hasBounds && rule.Outside == OutsideAction.DeadLetter && rule.Fill is null)
                checks.Add(rulePath, subject, $"the clean rule of {DefinitionText.Quote(field.Name)} does nothing. Give it missing, below or above.");
            if (rule.Missing != MissingAction.Keep && !withMissing.Add(field.Name))
                checks.Add($"{rulePath}.missing", subject, $"a clean rule says already what to do where {DefinitionText.Quote(field.Name)} is missing.");
            Bounds(checks, rule, field, hasBounds, rulePath, subject);
            Fill(checks, rule, field, source.Timestamp, rulePath, subject);
        }
    }

    private static void Bounds(DefinitionChecks checks, CleanRule rule, FieldDefinition field, bool hasBounds, string path, string subject)
    {
        if (!hasBounds)
        {
            if (rule.Outside != OutsideAction.DeadLetter)
                checks.Add($"{path}.outside", subject, "outside has no bounds to be outside of. Add below or above.");
            return;
        }

        if (field.Type is not (FieldType.Int64 or FieldType.Double))
        {
            checks.Add(rule.Below is null ? $"{path}.above" : $"{path}.below", subject, $"{DefinitionText.Quote(field.Name)} is {DefinitionText.AValueOf(field.Type)}. Only an int64 or a double has bounds.");
            return;
        }

        var isSound = Bound(checks, rule, field, rule.Below, $"{path}.below", subject, "below") & Bound(checks, rule, field, rule.Above, $"{path}.above", subject, "above");
        if (isSound && rule.Below > rule.Above)
            checks.Add($"{path}.above", subject, $"above {rule.Above} is less than below {rule.Below}, so that every value is outside.");
    }

    private static bool Bound(DefinitionChecks checks, CleanRule rule, FieldDefinition field, double? bound, string path, string subject, string what)
    {
        if (bound is not { } value)
            return true;
        if (!checks.Finite(path, subject, what, value))
            return false;
        if (rule.Outside != OutsideAction.Clip || field.Type != FieldType.Int64 || IsInt64(value))
            return true;
        checks.Add(path, subject, $"{what} {value} is not an int64, to which {DefinitionText.Quote(field.Name)} could be clipped.");
        return false;
    }

    private static void Fill(DefinitionChecks checks, CleanRule rule, FieldDefinition field, string timestamp, string path, string subject)
    {
        if (rule.Missing != MissingAction.Fill)
        {
            if (rule.Fill is not null)
                checks.Add($"{path}.fill", subject, "fill is used with missing: fill only.");
            return;
        }

        var fillPath = $"{path}.fill";
        if (field.Name == timestamp)
            checks.Add($"{path}.missing", subject, $"{DefinitionText.Quote(field.Name)} is the event's time, which cannot be made up. Use drop or dead_letter.");
        else if (rule.Fill is null)
            checks.Add($"{path}.missing", subject, $"missing: fill needs a fill, the value that {DefinitionText.Quote(field.Name)} takes.");
        else if (!IsOfType(rule.Fill, field.Type))
            checks.Add(fillPath, subject, $"fill is a {rule.Fill.GetType().Name}, which {DefinitionText.Quote(field.Name)} cannot take. It takes {ClrType(field.Type)}.");
        else if (rule.Fill is double fill && !double.IsFinite(fill))
            checks.Add(fillPath, subject, "fill is not a finite number.");
        else if (field.Type == FieldType.Timestamp && rule.Fill is < Rfc3339.MinMs or > Rfc3339.MaxMs)
            checks.Add(fillPath, subject, "fill is outside the years 0001 to 9999.");
        else if (rule.Fill is string text && Encoding.UTF8.GetByteCount(text) > RowSchema.TextBytesMax)
            checks.Add(fillPath, subject, $"fill is longer than {RowSchema.TextBytesMax} bytes, the longest text of a field.");
        else if (Number(rule.Fill) is { } number && field.Type != FieldType.Timestamp && (number < rule.Below || number > rule.Above))
            checks.Add(fillPath, subject, $"fill {number} is outside the rule's own bounds.");
    }

    private static bool IsOfType(object value, FieldType type) => type switch
    {
        FieldType.Int64 or FieldType.Timestamp => value is long,
        FieldType.Double => value is double,
        FieldType.Bool => value is bool,
        _ => value is string,
    };

    private static string ClrType(FieldType type) => type switch
    {
        FieldType.Int64 => "a long",
        FieldType.Timestamp => "a long of Unix milliseconds",
        FieldType.Double => "a double",
        FieldType.Bool => "a bool",
        _ => "a string",
    };

    private static double? Number(object value) => value switch
    {
        long number => number,
        double number => number,
        _ => null,
    };

    /// <summary>2^63 is a double and not an int64.</summary>
    private static bool IsInt64(double value) => value == Math.Floor(value) && value is >= long.MinValue and < 9223372036854775808.0;
}
