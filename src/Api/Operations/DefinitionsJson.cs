using System.Buffers;
using System.Text.Json;
using FeatureStore.Core.Definitions;

namespace FeatureStore.Api.Operations;

/// <summary>Definitions as JSON, in the shape of the YAML they come from.</summary>
internal static class DefinitionsJson
{
    public static byte[] Write(ProjectDefinition project)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var writer = new Utf8JsonWriter(buffer))
        {
            writer.WriteStartObject();
            writer.WriteString("project", project.Project);
            Array(writer, "sources", project.Sources, Source);
            Array(writer, "entities", project.Entities, Entity);
            Array(writer, "feature_views", project.FeatureViews, View);
            Array(writer, "feature_services", project.FeatureServices, Service);
            Array(writer, "models", project.Models, Model);
            writer.WriteEndObject();
        }

        return buffer.WrittenSpan.ToArray();
    }

    private static void Source(Utf8JsonWriter writer, SourceDefinition source)
    {
        writer.WriteString("name", source.Name);
        if (source.Join is { } join)
        {
            Join(writer, join);
            writer.WriteString("clock", DefinitionText.Name(source.Clock));
            Fields(writer, "fields", source.Fields);
            return;
        }

        writer.WriteStartObject("kafka");
        writer.WriteString("topic", source.Kafka!.Topic);
        writer.WriteString("format", DefinitionText.Name(source.Kafka.Format));
        writer.WriteEndObject();
        writer.WriteString("timestamp", source.Timestamp);
        writer.WriteString("clock", DefinitionText.Name(source.Clock));
        writer.WriteString("lateness", Duration(source.Lateness));
        if (source.Clock is SourceClock.Wall)
            writer.WriteString("ahead", Duration(source.Ahead));
        writer.WriteString("align", Duration(source.Align));
        writer.WriteString("dead_letters", source.DeadLetterTopic);
        if (source.Id is not null)
            writer.WriteString("id", source.Id);
        writer.WriteString("envelope", DefinitionText.Name(source.Envelope));
        Fields(writer, "fields", source.Fields);
        Array(writer, "clean", source.Clean, Rule);
        if (source.Enrich.Count > 0)
            Array(writer, "enrich", source.Enrich, Enrich);
    }

    private static void Join(Utf8JsonWriter writer, JoinDefinition join)
    {
        writer.WriteStartObject("join");
        writer.WriteString("left", join.Left);
        writer.WriteString("right", join.Right);
        writer.WriteStartArray("on");
        foreach (var field in join.On)
            writer.WriteStringValue(field);
        writer.WriteEndArray();
        writer.WriteString("within", Duration(join.Within));
        writer.WriteString("unmatched", DefinitionText.Name(join.Unmatched));
        writer.WriteNumber("limit", join.Limit);
        writer.WriteEndObject();
    }

    private static void Enrich(Utf8JsonWriter writer, EnrichDefinition enrich)
    {
        writer.WriteString("feature", enrich.Feature);
        writer.WriteString("as", enrich.As);
    }

    private static void Rule(Utf8JsonWriter writer, CleanRule rule)
    {
        writer.WriteString("field", rule.Field);
        writer.WriteString("missing", DefinitionText.Name(rule.Missing));
        if (rule.Fill is not null)
            writer.WriteString("fill", Convert.ToString(rule.Fill, System.Globalization.CultureInfo.InvariantCulture));
        Number(writer, "below", rule.Below);
        Number(writer, "above", rule.Above);
        writer.WriteString("outside", DefinitionText.Name(rule.Outside));
    }

    private static void Entity(Utf8JsonWriter writer, EntityDefinition entity)
    {
        writer.WriteString("name", entity.Name);
        writer.WriteStartArray("keys");
        foreach (var key in entity.Keys)
            writer.WriteStringValue(key);
        writer.WriteEndArray();
    }

    private static void View(Utf8JsonWriter writer, FeatureViewDefinition view)
    {
        writer.WriteString("name", view.Name);
        writer.WriteString("entity", view.Entity);
        writer.WriteString("source", view.Source);
        if (view.Ttl is { } ttl)
            writer.WriteString("ttl", Duration(ttl));
        Array(writer, "features", view.Features, Feature);
    }

    private static void Feature(Utf8JsonWriter writer, FeatureDefinition feature)
    {
        writer.WriteString("name", feature.Name);
        writer.WriteString("aggregate", DefinitionText.Name(feature.Aggregate));
        if (feature.Of is not null)
            writer.WriteString("of", feature.Of);
        if (feature.Where is not null)
            writer.WriteString("where", feature.Where);
        if (feature.By is not null)
            writer.WriteString("by", feature.By);
        Number(writer, "limit", feature.Limit);
        Number(writer, "n", feature.N);
        Number(writer, "k", feature.K);
        Number(writer, "q", feature.Q);
        if (feature.HalfLife is { } halfLife)
            writer.WriteString("half_life", Duration(halfLife));
        if (feature.Bounds is not null)
            Numbers(writer, "bounds", feature.Bounds);
        if (feature.Sample)
            writer.WriteBoolean("sample", true);
        if (feature.Window is not null)
        {
            writer.WriteStartObject("window");
            Window(writer, feature.Window);
            writer.WriteEndObject();
        }

        Number(writer, "default", feature.Default);
    }

    private static void Window(Utf8JsonWriter writer, WindowDefinition definition)
    {
        switch (definition)
        {
            case WindowDefinition.Sliding window:
                writer.WriteString("sliding", Duration(window.Length));
                if (window.Delay > TimeSpan.Zero)
                    writer.WriteString("delay", Duration(window.Delay));
                if (window.Tile is { } tile)
                    writer.WriteString("tile", Duration(tile));
                else
                    writer.WriteNumber("limit", window.Limit);
                break;
            case WindowDefinition.Tumbling window:
                writer.WriteString("tumbling", Duration(window.Length));
                if (window.Offset > TimeSpan.Zero)
                    writer.WriteString("offset", Duration(window.Offset));
                writer.WriteBoolean("closed", window.Closed);
                writer.WriteString("time_zone", window.TimeZone);
                break;
            case WindowDefinition.Session window:
                writer.WriteString("session", Duration(window.Gap));
                if (window.Max is { } max)
                    writer.WriteString("max", Duration(max));
                writer.WriteNumber("closed", window.Closed);
                writer.WriteNumber("limit", window.Limit);
                break;
            case WindowDefinition.Last window:
                writer.WriteNumber("last", window.Count);
                break;
        }
    }

    private static void Service(Utf8JsonWriter writer, FeatureServiceDefinition service)
    {
        writer.WriteString("name", service.Name);
        Fields(writer, "request", service.Request);
        Array(writer, "features", service.Features, ServiceFeature);
    }

    private static void ServiceFeature(Utf8JsonWriter writer, ServiceFeatureDefinition feature)
    {
        writer.WriteString("name", feature.Name);
        if (feature.Feature is not null)
            writer.WriteString("feature", feature.Feature);
        if (feature.RequestField is not null)
            writer.WriteString("request", feature.RequestField);
        if (feature.Expression is not null)
            writer.WriteString("expression", feature.Expression);
        Array(writer, "transform", feature.Transforms, Transform);
    }

    private static void Transform(Utf8JsonWriter writer, TransformDefinition transform)
    {
        switch (transform)
        {
            case TransformDefinition.Standardize step:
                Step("standardize", ("mean", step.Mean), ("std", step.Std));
                break;
            case TransformDefinition.MinMax step:
                Step("minmax", ("min", step.Min), ("max", step.Max));
                break;
            case TransformDefinition.Clip step:
                Step("clip", ("min", step.Min), ("max", step.Max));
                break;
            case TransformDefinition.Impute step:
                writer.WriteNumber("impute", step.Value);
                break;
            case TransformDefinition.OneHot step:
                writer.WriteStartArray("one_hot");
                foreach (var category in step.Categories)
                    writer.WriteStringValue(category);
                writer.WriteEndArray();
                break;
            case TransformDefinition.Bucketize step:
                Numbers(writer, "bucketize", step.Bounds);
                break;
            default:
                writer.WriteBoolean("log1p", true);
                break;
        }

        void Step(string name, params ReadOnlySpan<(string Name, double Value)> members)
        {
            writer.WriteStartObject(name);
            foreach (var (member, value) in members)
                writer.WriteNumber(member, value);
            writer.WriteEndObject();
        }
    }

    private static void Model(Utf8JsonWriter writer, ModelDefinition model)
    {
        writer.WriteString("name", model.Name);
        writer.WriteString("service", model.Service);
        if (model.Entity is not null)
            writer.WriteString("entity", model.Entity);
        if (model.On is not null)
            writer.WriteString("on", model.On);
        writer.WriteStartObject("outputs");
        foreach (var (name, path) in model.Outputs)
            writer.WriteString(name, path);
        writer.WriteEndObject();
        if (model.Sink is { } sink)
        {
            writer.WriteStartObject("sink");
            writer.WriteString("topic", sink.Topic);
            writer.WriteBoolean("vector", sink.Vector);
            writer.WriteEndObject();
        }
    }

    private static void Array<T>(Utf8JsonWriter writer, string name, IReadOnlyList<T> items, Action<Utf8JsonWriter, T> write)
    {
        writer.WriteStartArray(name);
        foreach (var item in items)
        {
            writer.WriteStartObject();
            write(writer, item);
            writer.WriteEndObject();
        }

        writer.WriteEndArray();
    }

    private static void Fields(Utf8JsonWriter writer, string name, IReadOnlyList<FieldDefinition> fields)
    {
        writer.WriteStartObject(name);
        foreach (var field in fields)
            writer.WriteString(field.Name, DefinitionText.Name(field.Type));
        writer.WriteEndObject();
    }

    private static void Numbers(Utf8JsonWriter writer, string name, IReadOnlyList<double> values)
    {
        writer.WriteStartArray(name);
        foreach (var value in values)
            writer.WriteNumberValue(value);
        writer.WriteEndArray();
    }

    private static void Number(Utf8JsonWriter writer, string name, double? value)
    {
        if (value is not null)
            writer.WriteNumber(name, value.Value);
    }

    /// <summary>In the largest unit that leaves no rest: 36h, not 1.5d.</summary>
    private static string Duration(TimeSpan duration)
    {
        ReadOnlySpan<(string Unit, long Ms)> units = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000)];
        var ms = (long)duration.TotalMilliseconds;
        foreach (var (unit, unitMs) in units)
        {
            if (ms > 0 && ms % unitMs == 0)
                return ms / unitMs + unit;
        }

        return ms == 0 ? "0s" : ms + "ms";
    }
}
