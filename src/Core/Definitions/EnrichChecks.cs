using FeatureStore.Core.Events;
using FeatureStore.Core.Expressions;

namespace FeatureStore.Core.Definitions;

/// <summary>Fields that enrich events: where they come from, and that nothing is made from itself.</summary>
internal sealed class EnrichChecks
{
    private readonly DefinitionChecks _checks;
    private readonly List<Field> _fields = [];

    /// <summary>The sound fields that each view uses.</summary>
    private readonly Dictionary<FeatureViewDefinition, Field[]> _usedBy = new(ReferenceEqualityComparer.Instance);

    private EnrichChecks(DefinitionChecks checks) => _checks = checks;

    public static void Check(DefinitionChecks checks)
    {
        var sources = checks.Definition.Sources;
        if (sources.Count > DefinitionLimits.SourcesMax || sources.All(source => source.Enrich.Count == 0))
            return;
        var all = new EnrichChecks(checks);
        var features = new ViewFeatures(checks);
        for (var index = 0; index < sources.Count; index++)
            all.Source(sources[index], features, $"sources[{index}]");
        all.Circles();
    }

    /// <summary>The fields of a source's events, one bit each, that the expressions of a view name.</summary>
    public static ulong FieldsUsed(FeatureViewDefinition view, RowSchema schema) =>
        view.Features.SelectMany(feature => new[] { feature.Of, feature.Where, feature.By }).OfType<string>().Distinct()
            .Aggregate(0UL, (fields, text) => fields | (CompiledExpression.Compile(text, schema, out _)?.FieldsUsed ?? 0));

    private void Source(SourceDefinition source, ViewFeatures features, string path)
    {
        var subject = DefinitionText.Subject("source", source.Name, path);
        if (source.Join is not null)
            return;
        if (source.Enrich.Count > 0 && source.Envelope == EventEnvelope.Debezium)
        {
            _checks.Add($"{path}.enrich", subject, "its events can be taken back (envelope: debezium), and what enriched one then is not known any more. Enrich a source whose records are events.");
            return;
        }

        if (source.Fields.Count <= RowSchema.FieldsMax && source.EventFields.Count > RowSchema.FieldsMax)
        {
            _checks.Add($"{path}.enrich", subject, $"{source.EventFields.Count} fields with those that enrich it are too many. At most {RowSchema.FieldsMax} are allowed.");
            return;
        }

        var names = source.Fields.Select(field => field.Name).ToHashSet(StringComparer.Ordinal);
        for (var index = 0; index < source.Enrich.Count; index++)
        {
            var enrich = source.Enrich[index];
            var at = $"{path}.enrich[{index}]";
            if (_checks.FieldName($"{at}.as", subject, enrich.As) && !names.Add(enrich.As))
                _checks.Add($"{at}.as", subject, $"field {DefinitionText.Quote(enrich.As)} is declared twice.");
            if (features.Resolve(enrich.Feature, $"{at}.feature", subject) is var (view, feature))
                From(source, enrich, view, features.ShapeOf(view, feature), $"{at}.feature", subject);
        }
    }

    private void From(SourceDefinition source, EnrichDefinition enrich, FeatureViewDefinition view, string? shape, string path, string subject)
    {
        var reference = DefinitionText.Quote(enrich.Feature);
        if (shape is not null)
        {
            _checks.Add(path, subject, $"{reference} is {shape}, and a field that enriches an event takes a number.");
            return;
        }

        if (_checks.Entities.Find(view.Entity) is not { } entity || _checks.Sources.Find(view.Source) is not { } feeding)
            return;
        if (feeding.Envelope == EventEnvelope.Debezium)
        {
            _checks.Add(path, subject, $"events that feed {reference} can be taken back (source {DefinitionText.Quote(feeding.Name)} has envelope: debezium), and what they enriched cannot. Take a view of a source whose records are events.");
            return;
        }

        if (feeding.Join is not null)
        {
            _checks.Add(path, subject, $"{reference} is made of joined events (source {DefinitionText.Quote(feeding.Name)}), which come after the events that they are of. Take a view of a source that reads a topic.");
            return;
        }

        foreach (var key in entity.Keys)
        {
            if (EntityChecks.KeyField(_checks, entity, key) is not { } declared)
                continue;
            var field = source.Fields.FirstOrDefault(field => field.Name == key);
            if (field is null)
                _checks.Add(path, subject, $"{reference} is of entity {DefinitionText.Quote(entity.Name)}, whose key {DefinitionText.Quote(key)} is not a field of this source.{_checks.Hint(key, DefinitionChecks.FieldNames(source.Fields))}");
            else if (field.Type != declared.Type && Enum.IsDefined(field.Type) && Enum.IsDefined(declared.Type))
                _checks.Add(path, subject, $"{reference} is of entity {DefinitionText.Quote(entity.Name)}, whose key {DefinitionText.Quote(key)} is {DefinitionText.AValueOf(declared.Type)}, and {DefinitionText.AValueOf(field.Type)} in this source. Declare one type.");
        }

        _fields.Add(new Field(source, enrich, view, path, subject));
    }

    private void Circles()
    {
        foreach (var view in _checks.Views.Items)
            _usedBy.Add(view, [.. UsedBy(view)]);
        var told = new HashSet<Field>();
        foreach (var field in _fields)
        {
            if (told.Contains(field))
                continue;
            if (CircleOf(field) is { } circle)
            {
                told.UnionWith(circle.Select(step => step.Field));
                _checks.Add(field.Path, field.Subject, $"field {DefinitionText.Quote(field.Name)} feeds the view that it is read from: {string.Join("; ", circle.Select(Step))}. Read it from a view that does not depend on it.");
            }
            else if (field.Source.Name == field.From.Source && OfOneEntity(field) is { } other)
            {
                _checks.Add(field.Path, field.Subject, $"feature view {DefinitionText.Quote(other.View.Name)} uses {DefinitionText.Quote(other.Field.Name)}, and the same events feed feature view {DefinitionText.Quote(field.From.Name)} of its entity, which enriches them before. Give one of the views another entity of the same keys.");
            }
        }
    }

    private IEnumerable<Field> UsedBy(FeatureViewDefinition view)
    {
        if (_checks.Sources.Find(view.Source) is not { Enrich.Count: > 0 } source || _checks.SchemaOf(source) is not { } schema)
            return [];
        var used = FieldsUsed(view, schema);
        return _fields.Where(field => field.Source == source && (used >> schema.IndexOf(field.Name) & 1) != 0);
    }

    /// <summary>How a field leads back to the view that it is read from, in the shortest way: views, each with a field that it uses. Null where it does not.</summary>
    private List<(FeatureViewDefinition View, Field Field)>? CircleOf(Field field)
    {
        var reachedBy = new Dictionary<FeatureViewDefinition, (FeatureViewDefinition View, Field Field)>(ReferenceEqualityComparer.Instance);
        var queue = new Queue<FeatureViewDefinition>([field.From]);
        while (queue.TryDequeue(out var view))
        {
            foreach (var used in _usedBy[view])
            {
                if (used == field)
                    return Steps(view);
                if (used.From != field.From && reachedBy.TryAdd(used.From, (view, used)))
                    queue.Enqueue(used.From);
            }
        }

        return null;

        List<(FeatureViewDefinition View, Field Field)> Steps(FeatureViewDefinition last)
        {
            List<(FeatureViewDefinition View, Field Field)> steps = [(last, field)];
            while (reachedBy.TryGetValue(steps[^1].View, out var step))
                steps.Add(step);
            return steps;
        }
    }

    /// <summary>A view of the entity that a field is read from, fed by the events that the field enriches, which uses enriched fields: an event changes an entity once.</summary>
    private (FeatureViewDefinition View, Field Field)? OfOneEntity(Field field)
    {
        foreach (var view in _checks.Views.Items)
        {
            if (view.Entity == field.From.Entity && view.Source == field.Source.Name && _usedBy[view] is [var used, ..])
                return (view, used);
        }

        return null;
    }

    private static string Step((FeatureViewDefinition View, Field Field) step) =>
        $"{DefinitionText.Quote(step.View.Name)} uses {DefinitionText.Quote(step.Field.Name)}, read from {DefinitionText.Quote(step.Field.From.Name)}";

    /// <summary>A field that enriches a source's events.</summary>
    private sealed record Field(SourceDefinition Source, EnrichDefinition Enrich, FeatureViewDefinition From, string Path, string Subject)
    {
        public string Name => Enrich.As;
    }
}
