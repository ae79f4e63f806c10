using System.Text.RegularExpressions;

namespace FeatureStore.Core.Definitions;

internal static partial class ModelChecks
{
    public static void Check(DefinitionChecks checks)
    {
        foreach (var (model, path, subject) in checks.Section(checks.Models, "models", DefinitionLimits.ModelsMax))
        {
            var service = checks.Resolve(checks.Services, model.Service, $"{path}.service", subject);
            var entities = service is null ? null : EntitiesOf(checks, service);
            Entity(checks, model, entities, path, subject);
            if (model.On is not null && checks.Resolve(checks.Sources, model.On, $"{path}.on", subject) is { Fields.Count: > 0 } on && service is not null)
                On(checks, on, service, entities ?? [], path, subject);
            Outputs(checks, model, path, subject);
            Sink(checks, model, path, subject);
        }
    }

    /// <summary>Entities of the service's views, that of the first view first; null where some view or entity is not known.</summary>
    private static List<EntityDefinition>? EntitiesOf(DefinitionChecks checks, FeatureServiceDefinition service)
    {
        var entities = new List<EntityDefinition>();
        foreach (var feature in service.Features)
        {
            if (feature.Feature is null)
                continue;
            if (!FeatureServiceChecks.TrySplit(feature.Feature, out var viewName, out _)
                || checks.Views.Find(viewName) is not { } view
                || checks.Entities.Find(view.Entity) is not { } entity)
                return null;
            if (!entities.Contains(entity))
                entities.Add(entity);
        }

        return entities;
    }

    private static void Entity(DefinitionChecks checks, ModelDefinition model, List<EntityDefinition>? entities, string path, string subject)
    {
        if (entities is { Count: 0 })
            checks.Add($"{path}.service", subject, $"feature service {DefinitionText.Quote(model.Service)} has no feature of a view, so predictions have no entity. Add one.");
        if (model.Entity is null || checks.Resolve(checks.Entities, model.Entity, $"{path}.entity", subject) is not { } entity)
            return;
        if (entities is { Count: > 0 } && !entities.Contains(entity))
            checks.Add($"{path}.entity", subject, $"no view of feature service {DefinitionText.Quote(model.Service)} is of entity {DefinitionText.Quote(model.Entity)}.{checks.Hint(model.Entity, [.. entities.Select(entity => entity.Name)])}");
    }

    /// <summary>An event of the source carries all that the service's vector needs.</summary>
    private static void On(DefinitionChecks checks, SourceDefinition on, FeatureServiceDefinition service, List<EntityDefinition> entities, string path, string subject)
    {
        if (DefinitionChecks.Schema(on.EventFields) is not { } schema)
            return;
        foreach (var field in service.Request)
            Carries(field, $"of the request of feature service {DefinitionText.Quote(service.Name)}");
        foreach (var entity in entities)
        {
            foreach (var key in entity.Keys)
            {
                if (EntityChecks.KeyField(checks, entity, key) is { } field)
                    Carries(field, $"a key of entity {DefinitionText.Quote(entity.Name)}");
            }
        }

        void Carries(FieldDefinition field, string use)
        {
            var index = schema.IndexOf(field.Name);
            if (index < 0)
                checks.Add($"{path}.on", subject, $"source {DefinitionText.Quote(on.Name)} has no field {DefinitionText.Quote(field.Name)}, {use}.{checks.Hint(field.Name, DefinitionChecks.FieldNames(on.EventFields))}");
            else if (schema.Fields[index].Type != field.Type && Enum.IsDefined(field.Type))
                checks.Add($"{path}.on", subject, $"{DefinitionText.Quote(field.Name)}, {use}, is {DefinitionText.AValueOf(field.Type)}, and {DefinitionText.AValueOf(schema.Fields[index].Type)} in source {DefinitionText.Quote(on.Name)}. Declare one type.");
        }
    }

    private static void Outputs(DefinitionChecks checks, ModelDefinition model, string path, string subject)
    {
        if (model.Outputs.Count > DefinitionLimits.ModelOutputsMax)
        {
            checks.Add($"{path}.outputs", subject, $"{model.Outputs.Count} outputs are too many. At most {DefinitionLimits.ModelOutputsMax} are allowed.");
            return;
        }

        foreach (var (name, from) in model.Outputs)
        {
            var outputPath = $"{path}.outputs.{name}";
            checks.Identifier(outputPath, subject, "output", name);
            if (from.Length == 0)
                checks.Add(outputPath, subject, $"output {DefinitionText.Quote(name)} does not say where it comes from.");
            else if (!OutputPath().IsMatch(from))
                checks.Add(outputPath, subject, $"output {DefinitionText.Quote(name)}: {DefinitionText.Quote(from)} is not a place in a model's outputs. Write name, name[2] or name[\"class\"].");
        }
    }

    private static void Sink(DefinitionChecks checks, ModelDefinition model, string path, string subject)
    {
        if (model.Sink is not { } sink)
        {
            if (model.On is not null)
                checks.Add($"{path}.sink", subject, "predictions of events need a sink. Add sink, with a topic.");
            return;
        }

        if (model.On is null)
            checks.Add($"{path}.sink", subject, "a sink takes predictions of events, and the model scores none. Add on, or remove sink.");
        checks.Topic($"{path}.sink.topic", subject, "topic", sink.Topic);
        foreach (var source in checks.Definition.Sources.Where(source => source.Kafka is not null))
        {
            if (sink.Topic.Length > 0 && source.Kafka!.Topic == sink.Topic)
                checks.Add($"{path}.sink.topic", subject, $"topic {DefinitionText.Quote(sink.Topic)} is what source {DefinitionText.Quote(source.Name)} reads. Predictions would come back as events.");
            else if (sink.Topic.Length > 0 && source.DeadLetterTopic == sink.Topic)
                checks.Add($"{path}.sink.topic", subject, $"topic {DefinitionText.Quote(sink.Topic)} takes the dead letters of source {DefinitionText.Quote(source.Name)}. Give predictions their own.");
        }
    }

    /// <summary>A name as ONNX has them (no brackets, quotes or blanks), and an index or a class in it, as a number or a text.</summary>
    [GeneratedRegex("""^[^\[\]"\s]+(\[-?[0-9]{1,18}\]|\["[^"]+"\])?\z""", RegexOptions.CultureInvariant)]
    private static partial Regex OutputPath();
}
