using System.Reflection;
using System.Text.Json;
using System.Text.Json.Nodes;
using FeatureStore.Core.Definitions;
using FeatureStore.Core.Events;

namespace FeatureStore.Registry.Tests;

/// <summary>The JSON schema for editors and the loader say the same.</summary>
[TestClass]
public sealed class SchemaTests
{
    private static readonly JsonObject _root = Repository.Schema();
    private static readonly JsonSchema _schema = new(_root);

    [TestMethod]
    public void KeysAreTheLoaders()
    {
        var inSchema = _root["$defs"]!.AsObject()
            .Select(definition => (Name: definition.Key, Mapping: definition.Key == "transform" ? definition.Value!["anyOf"]![1]! : definition.Value!))
            .Append((Name: "root", Mapping: _root))
            .Where(definition => definition.Mapping["properties"] is not null)
            .Select(definition => $"{definition.Name}: {string.Join(", ", definition.Mapping["properties"]!.AsObject().Select(property => property.Key))}");
        var inLoader = typeof(DefinitionShape).GetFields(BindingFlags.Static | BindingFlags.Public)
            .Select(field => $"{JsonNamingPolicy.SnakeCaseLower.ConvertName(field.Name)}: {string.Join(", ", ((DefinitionShape)field.GetValue(null)!).Keys)}");
        Assert.AreEqual(string.Join('\n', inLoader.Order()), string.Join('\n', inSchema.Order()));
    }

    [TestMethod]
    public void EveryMappingHasADescriptionAndIsClosed()
    {
        foreach (var mapping in Descendants(_root).OfType<JsonObject>().Where(node => (node["type"] as JsonValue)?.ToString() == "object"))
        {
            Assert.IsNotNull(mapping["additionalProperties"], mapping.GetPath());
            Assert.IsNotNull(mapping["description"], mapping.GetPath());
        }
    }

    [TestMethod]
    public void EnumValuesAreTheLoaders()
    {
        Compare<FieldType>("field_type");
        Compare<EventFormat>("event_format");
        Compare<SourceClock>("source_clock");
        Compare<MissingAction>("missing_action");
        Compare<OutsideAction>("outside_action");
        Compare<Aggregate>("aggregate");
        Compare<EventEnvelope>("event_envelope");
        Compare<JoinUnmatched>("join_unmatched");
        Assert.AreEqual(8, _root["$defs"]!.AsObject().Count(definition => definition.Value!["enum"] is not null));

        // An editor takes a plain `null` for YAML's, the loader for the name.
        static void Compare<T>(string name)
            where T : struct, Enum =>
            Assert.AreEqual(
                string.Join(", ", DefinitionText.Names<T>()),
                string.Join(", ", _root["$defs"]![name]!["enum"]!.AsArray().Where(value => value is not null).Select(value => (string)value!)));
    }

    [TestMethod]
    public void LimitsAreTheValidators()
    {
        var definitions = _root["$defs"]!;
        var inSchema = new[]
        {
            _root["properties"]!["sources"]!["maxItems"], _root["properties"]!["entities"]!["maxItems"], _root["properties"]!["feature_views"]!["maxItems"],
            _root["properties"]!["feature_services"]!["maxItems"], _root["properties"]!["models"]!["maxItems"], definitions["fields"]!["maxProperties"],
            Property("source", "clean", "maxItems"), Property("entity", "keys", "maxItems"), Property("feature_view", "features", "maxItems"),
            Property("feature_service", "features", "maxItems"), Property("model", "outputs", "maxProperties"), Property("sliding_window", "limit", "maximum"),
            Property("session_window", "limit", "maximum"), Property("session_window", "closed", "maximum"), Property("last_window", "last", "maximum"),
            Property("feature", "limit", "maximum"), Property("feature", "n", "maximum"), Property("feature", "k", "maximum"), Property("feature", "bounds", "maxItems"),
            Property("join", "on", "maxItems"), Property("join", "limit", "maximum"),
        };
        int[] inValidator =
        [
            DefinitionLimits.SourcesMax, DefinitionLimits.EntitiesMax, DefinitionLimits.FeatureViewsMax,
            DefinitionLimits.FeatureServicesMax, DefinitionLimits.ModelsMax, RowSchema.FieldsMax,
            DefinitionLimits.CleanRulesMax, DefinitionLimits.EntityKeysMax, DefinitionLimits.EntityFeaturesMax,
            DefinitionLimits.ServiceFeaturesMax, DefinitionLimits.ModelOutputsMax, DefinitionLimits.WindowEventsMax,
            DefinitionLimits.WindowEventsMax, DefinitionLimits.SessionsClosedMax, DefinitionLimits.LastEventsMax,
            DefinitionLimits.DistinctValuesMax, DefinitionLimits.ListMax, DefinitionLimits.ListMax, DefinitionLimits.HistogramBoundsMax,
            DefinitionLimits.EntityKeysMax, DefinitionLimits.JoinEventsMax,
        ];
        CollectionAssert.AreEqual(inValidator, inSchema.Select(limit => (int)limit!).ToArray());
        Assert.AreEqual(WindowDefinition.LimitDefault, (int)Property("sliding_window", "limit", "default")!);
        Assert.AreEqual(JoinDefinition.LimitDefault, (int)Property("join", "limit", "default")!);
        Assert.AreEqual(WindowDefinition.LimitDefault, (int)Property("session_window", "limit", "default")!);

        JsonNode? Property(string definition, string key, string limit) => definitions[definition]!["properties"]![key]![limit];
    }

    [TestMethod]
    public void SoundDefinitionsAreAccepted() => Assert.IsNull(_schema.Refusal(Repository.ToJson(Definitions.Sound)));

    /// <summary>
    /// Each value in turn is removed, renamed, or replaced by one of another kind: what the loader calls a fault of structure the schema refuses,
    /// and what the schema refuses the loader does not load.
    /// </summary>
    [TestMethod]
    public void SchemaAndLoaderRefuseTheSame()
    {
        var faults = 0;
        foreach (var mutant in Mutants(Repository.ToJson(Definitions.Sound)!))
        {
            var yaml = mutant.ToJsonString(new() { WriteIndented = true, Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping });
            var refusal = _schema.Refusal(mutant);
            var faultsOfStructure = StructureErrors(yaml);
            faults += faultsOfStructure.Count;
            if (refusal is null)
                Assert.AreEqual("", string.Join('\n', faultsOfStructure), $"the schema accepts, the loader does not:\n{yaml}");
            else
                Assert.IsNull(Definitions.Load(yaml).Project, $"{refusal}, but the loader accepts:\n{yaml}");
        }

        Assert.IsGreaterThan(500, faults);
    }

    [TestMethod]
    [DynamicData(nameof(ErrorRows.Structure), typeof(ErrorRows))]
    public void SchemaRefusesFaultsOfStructure(string[] edits, string[] messages)
    {
        _ = messages;
        var (text, _) = Definitions.TakeMarks(Definitions.Edit(Definitions.Sound, edits));
        Assert.IsNotNull(_schema.Refusal(Repository.ToJson(text)), text);
    }

    private static List<DefinitionFileError> StructureErrors(string yaml)
    {
        var errors = new List<DefinitionFileError>();
        Assert.IsTrue(Yaml.YamlReader.TryRead(new("f", yaml), errors, out var root));
        new DefinitionReader(errors).Read([root!], areAllRead: false);
        return errors;
    }

    private static IEnumerable<JsonNode> Mutants(JsonNode sound)
    {
        JsonNode?[] replacements = [null, JsonValue.Create("x y"), JsonValue.Create(-3.0), new JsonArray(), new JsonObject(), new JsonArray(new JsonObject()), new JsonObject { ["zzz"] = 1 }];
        var count = Descendants(sound).Count();
        for (var index = 1; index < count; index++)
        {
            foreach (var replacement in replacements)
            {
                var copy = sound.DeepClone();
                Descendants(copy).ElementAt(index)!.ReplaceWith(replacement?.DeepClone());
                yield return copy;
            }

            var renamed = sound.DeepClone();
            var node = Descendants(renamed).ElementAt(index)!;
            if (node.Parent is not JsonObject mapping)
                continue;
            var key = node.GetPropertyName();
            mapping.Remove(key);
            yield return renamed.DeepClone();
            mapping["zzz"] = node.DeepClone();
            yield return renamed;
        }
    }

    private static IEnumerable<JsonNode?> Descendants(JsonNode? node)
    {
        yield return node;
        var children = node switch
        {
            JsonObject mapping => mapping.Select(pair => pair.Value),
            JsonArray list => list,
            _ => [],
        };
        foreach (var descendant in children.SelectMany(Descendants))
            yield return descendant;
    }
}
