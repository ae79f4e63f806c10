using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;

namespace FeatureStore.Registry.Tests;

/// <summary>As much of JSON Schema 2020-12 as the schema of definitions uses; a keyword that is not known here fails, so that none is overlooked.</summary>
internal sealed class JsonSchema(JsonObject root)
{
    /// <summary>The first thing that the schema refuses; null where it accepts.</summary>
    public string? Refusal(JsonNode? value) => Refusal(root, value, "$");

    private string? Refusal(JsonObject schema, JsonNode? value, string path)
    {
        foreach (var (keyword, rule) in schema)
        {
            if (Refusal(keyword, rule!, schema, value, path) is { } refusal)
                return refusal;
        }

        return null;
    }

    private string? Refusal(string keyword, JsonNode? rule, JsonObject schema, JsonNode? value, string path) => keyword switch
    {
        "$schema" or "$defs" or "title" or "description" or "default" => null,
        "$ref" => Refusal(Definition((string)rule!), value, path),
        "type" => Unless((rule is JsonArray types ? types.Select(type => (string)type!) : [(string)rule!]).Any(type => IsOfType(type, value)), path, $"is not of type {rule!.ToJsonString()}"),
        "const" => Unless(JsonNode.DeepEquals(rule, value), path, $"is not {rule}"),
        "enum" => Unless(rule!.AsArray().Any(known => JsonNode.DeepEquals(known, value)), path, $"is not one of {rule.ToJsonString()}"),
        "not" => Unless(Refusal(rule!.AsObject(), value, path) is not null, path, "is what it must not be"),
        "anyOf" => Unless(rule!.AsArray().Any(option => Refusal(option!.AsObject(), value, path) is null), path, "is none of the options"),
        "oneOf" => Unless(rule!.AsArray().Count(option => Refusal(option!.AsObject(), value, path) is null) == 1, path, "is not exactly one of the options"),
        "pattern" => value is JsonValue text && text.GetValueKind() == JsonValueKind.String ? Unless(Regex.IsMatch((string)text!, (string)rule!), path, $"does not match {rule}") : null,
        "minimum" => Unless(Number(value) is not { } number || number >= (double)rule!, path, "is too small"),
        "maximum" => Unless(Number(value) is not { } number || number <= (double)rule!, path, "is too large"),
        "minItems" => Unless(value is not JsonArray list || list.Count >= (int)rule!, path, "has too few items"),
        "maxItems" => Unless(value is not JsonArray list || list.Count <= (int)rule!, path, "has too many items"),
        "minProperties" => Unless(value is not JsonObject mapping || mapping.Count >= (int)rule!, path, "has too few keys"),
        "maxProperties" => Unless(value is not JsonObject mapping || mapping.Count <= (int)rule!, path, "has too many keys"),
        "required" => value is JsonObject mapping ? rule!.AsArray().Where(key => !mapping.ContainsKey((string)key!)).Select(key => $"{path} has no {key}").FirstOrDefault() : null,
        "dependentRequired" => value is JsonObject mapping
            ? rule!.AsObject().Where(pair => mapping.ContainsKey(pair.Key)).Select(pair => Refusal("required", pair.Value, schema, value, path)).FirstOrDefault(refusal => refusal is not null)
            : null,
        "items" => value is JsonArray list ? list.Select((item, index) => Refusal(rule!.AsObject(), item, $"{path}[{index}]")).FirstOrDefault(refusal => refusal is not null) : null,
        "properties" => value is JsonObject mapping
            ? mapping.Where(pair => rule!.AsObject().ContainsKey(pair.Key)).Select(pair => Refusal(rule![pair.Key]!.AsObject(), pair.Value, $"{path}.{pair.Key}")).FirstOrDefault(refusal => refusal is not null)
            : null,
        "additionalProperties" => value is JsonObject mapping
            ? mapping.Where(pair => schema["properties"]?[pair.Key] is null)
                .Select(pair => rule is JsonObject values ? Refusal(values, pair.Value, $"{path}.{pair.Key}") : $"{path} may not have {pair.Key}")
                .FirstOrDefault(refusal => refusal is not null)
            : null,
        "propertyNames" => value is JsonObject mapping ? mapping.Select(pair => Refusal(rule!.AsObject(), JsonValue.Create(pair.Key), $"{path}.{pair.Key}")).FirstOrDefault(refusal => refusal is not null) : null,
        _ => throw new AssertFailedException($"the schema uses the keyword {keyword}, which this test does not know"),
    };

    private JsonObject Definition(string reference) => root["$defs"]![reference["#/$defs/".Length..]]!.AsObject();

    private static string? Unless(bool holds, string path, string refusal) => holds ? null : $"{path} {refusal}";

    private static double? Number(JsonNode? value) => value?.GetValueKind() == JsonValueKind.Number ? double.Parse(value.ToJsonString(), CultureInfo.InvariantCulture) : null;

    private static bool IsOfType(string type, JsonNode? value) => (type, value?.GetValueKind()) switch
    {
        ("object", JsonValueKind.Object) or ("array", JsonValueKind.Array) or ("string", JsonValueKind.String) or ("number", JsonValueKind.Number) => true,
        ("boolean", JsonValueKind.True or JsonValueKind.False) => true,
        ("integer", JsonValueKind.Number) => double.IsInteger(Number(value)!.Value),
        _ => false,
    };
}
