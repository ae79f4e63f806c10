using FeatureStore.Core.Events;

namespace FeatureStore.Core.Definitions;

internal static class JoinChecks
{
    /// <param name="checks">Of expanded definitions.</param>
    /// <param name="source">A joined source.</param>
    /// <param name="path">Its path.</param>
    /// <param name="subject">What messages call it.</param>
    public static void Check(DefinitionChecks checks, SourceDefinition source, string path, string subject)
    {
        var join = source.Join!;
        var at = $"{path}.join";
        Own(checks, source, path, subject);
        var left = Side(checks, join.Left, $"{at}.left", subject);
        var right = Side(checks, join.Right, $"{at}.right", subject);
        checks.Duration($"{at}.within", subject, "within", join.Within, isZeroAllowed: true);
        checks.Defined($"{at}.unmatched", subject, "unmatched", join.Unmatched);
        if (join.Limit is < 1 or > DefinitionLimits.JoinEventsMax)
            checks.Add($"{at}.limit", subject, $"limit is outside 1 to {DefinitionLimits.JoinEventsMax}.");
        if (join.On.Count is 0 or > DefinitionLimits.EntityKeysMax)
            checks.Add($"{at}.on", subject, $"on has {join.On.Count} fields. It takes 1 to {DefinitionLimits.EntityKeysMax}.");
        if (left is null || right is null)
            return;
        if (left == right)
        {
            checks.Add($"{at}.right", subject, $"left and right are one source, {DefinitionText.Quote(left.Name)}. A join is of two.");
            return;
        }

        for (var index = 0; index < join.On.Count; index++)
            On(checks, join, index, left, right, $"{at}.on[{index}]", subject);
        Fields(checks, source, left, at, subject);
        Size(checks, join, left, right, at, subject);
    }

    /// <summary>What a source of a topic has, and a joined one takes from its sides.</summary>
    private static void Own(DefinitionChecks checks, SourceDefinition source, string path, string subject)
    {
        var standard = new SourceDefinition { Name = "", Timestamp = "", Fields = [] };
        Refuse("kafka", source.Kafka is not null);
        Refuse("timestamp", source.Timestamp.Length > 0);
        Refuse("ahead", source.Ahead != standard.Ahead);
        Refuse("dead_letters", source.DeadLetters is not null);
        Refuse("id", source.Id is not null);
        Refuse("envelope", source.Envelope != standard.Envelope);
        Refuse("clean", source.Clean.Count > 0);
        if (source.Enrich.Count > 0)
            checks.Add($"{path}.enrich", subject, "a joined source takes no enrich. Enrich its sides: their fields are its fields.");

        void Refuse(string key, bool isThere)
        {
            if (isThere)
                checks.Add($"{path}.{key}", subject, $"a joined source takes no {key}: it has what its sides have. Remove it.");
        }
    }

    private static SourceDefinition? Side(DefinitionChecks checks, string name, string path, string subject)
    {
        if (checks.Resolve(checks.Sources, name, path, subject) is not { } side)
            return null;
        if (side.Join is not null)
            checks.Add(path, subject, $"source {DefinitionText.Quote(name)} is a join itself, and a join is of sources that read topics.");
        else if (side.Envelope == EventEnvelope.Debezium)
            checks.Add(path, subject, $"events of source {DefinitionText.Quote(name)} can be taken back (envelope: debezium), and the pairs that they made cannot. Join sources whose records are events.");
        else
            return side.Fields.Count > 0 ? side : null;
        return null;
    }

    private static void On(DefinitionChecks checks, JoinDefinition join, int index, SourceDefinition left, SourceDefinition right, string path, string subject)
    {
        var name = join.On[index];
        if (join.On.Take(index).Contains(name))
        {
            checks.Add(path, subject, $"{DefinitionText.Quote(name)} is listed twice.");
            return;
        }

        if (checks.Field(left, name, path, subject, $"on of source {DefinitionText.Quote(left.Name)}:") is not { } ofLeft
            || checks.Field(right, name, path, subject, $"on of source {DefinitionText.Quote(right.Name)}:") is not { } ofRight)
            return;
        if (ofLeft.Type != ofRight.Type)
            checks.Add(path, subject, $"{DefinitionText.Quote(name)} is {DefinitionText.AValueOf(ofLeft.Type)} in source {DefinitionText.Quote(left.Name)}, and {DefinitionText.AValueOf(ofRight.Type)} in source {DefinitionText.Quote(right.Name)}. Declare one type.");
        else if (ofLeft.Type == FieldType.Double)
            checks.Add(path, subject, $"{DefinitionText.Quote(name)} is a double, which has no reliable equality. Join on an int64, a string, a bool or a timestamp.");
    }

    private static void Fields(DefinitionChecks checks, SourceDefinition source, SourceDefinition left, string path, string subject)
    {
        if (source.Fields.Count > RowSchema.FieldsMax)
        {
            checks.Add(path, subject, $"the fields of both sides are {source.Fields.Count}, too many. At most {RowSchema.FieldsMax} are allowed.");
            return;
        }

        foreach (var twice in source.Fields.GroupBy(field => field.Name).Where(fields => fields.Count() > 1))
            checks.Add(path, subject, $"both sides give a field {DefinitionText.Quote(twice.Key)}: a field of the right that source {DefinitionText.Quote(left.Name)} has too is called right_ and its name. Give one of them another name.");
        foreach (var field in source.Fields.Where(field => field.Name.Length > DefinitionLimits.NameLengthMax && field.Name.StartsWith("right_", StringComparison.Ordinal)).Take(1))
            checks.Add(path, subject, $"field {DefinitionText.Quote(field.Name)} of the joined event is longer than {DefinitionLimits.NameLengthMax}. Give the field of the right another name.");
    }

    /// <summary>A block stays one value of every store, whatever its events.</summary>
    private static void Size(DefinitionChecks checks, JoinDefinition join, SourceDefinition left, SourceDefinition right, string path, string subject)
    {
        var bytes = (double)Math.Clamp(join.Limit, 1, DefinitionLimits.JoinEventsMax) * (Row(left) + Row(right));
        if (bytes > DefinitionLimits.EntityBytesMax)
            checks.Add($"{path}.limit", subject, $"the events of one key may come to {bytes:N0} bytes. At most {DefinitionLimits.EntityBytesMax:N0} are allowed. Lower limit, or join sources with fewer fields.");

        static long Row(SourceDefinition side) => Joins.JoinRow.HeadBytes + side.EventFields.Sum(field => 8L + (field.Type == FieldType.String ? RowSchema.TextBytesMax : 0));
    }
}
