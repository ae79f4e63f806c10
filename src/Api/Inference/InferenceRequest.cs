using System.Text.Json;
using FeatureStore.Api.Http;
using FeatureStore.Runtime;

namespace FeatureStore.Api.Inference;

/// <summary>An inference request of the Open Inference Protocol.</summary>
/// <param name="Id">Echoed in the answer; null: none.</param>
/// <param name="Inputs">The tensors given.</param>
/// <param name="Outputs">Names of the outputs wanted; empty: all.</param>
internal sealed record InferenceRequest(string? Id, IReadOnlyList<TensorData> Inputs, IReadOnlyList<string> Outputs)
{
    private const int TensorsMax = 256;

    private static readonly string[] _members = ["id", "inputs", "outputs"];
    private static readonly string[] _tensorMembers = ["name", "datatype", "shape", "data"];

    public static InferenceRequest Parse(ReadOnlySpan<byte> body)
    {
        // "parameters", and whatever a server may not know, is to be skipped by the protocol.
        Span<Range> values = stackalloc Range[_members.Length];
        JsonObject.Find(body, _members, values, strict: false);
        var id = body[values[0]].IsEmpty ? null : Text(body[values[0]], "id");
        if (body[values[1]].IsEmpty)
            throw ApiException.BadRequest("bad-request", "The body has no \"inputs\". Give an array of tensors.");
        var inputs = new List<TensorData>();
        foreach (var range in Elements(body, values[1], "inputs"))
            inputs.Add(Tensor(body[range], inputs.Count));
        var outputs = new List<string>();
        if (!body[values[2]].IsEmpty)
        {
            foreach (var range in Elements(body, values[2], "outputs"))
                outputs.Add(OutputName(body[range], outputs.Count));
        }

        return new InferenceRequest(id, inputs, outputs);
    }

    private static List<Range> Elements(ReadOnlySpan<byte> body, Range range, string member)
    {
        var reader = new Utf8JsonReader(body[range], JsonValue.ReaderOptions);
        reader.Read();
        if (reader.TokenType is not JsonTokenType.StartArray)
            throw ApiException.BadRequest("bad-request", $"\"{member}\" is {JsonValue.Describe(ref reader)}. Give an array of tensors.");
        var elements = new List<Range>();
        while (reader.Read() && reader.TokenType is not JsonTokenType.EndArray)
        {
            if (elements.Count == TensorsMax)
                throw ApiException.BadRequest("bad-request", $"\"{member}\" has more than {TensorsMax} entries.");
            var start = range.Start.Value + (int)reader.TokenStartIndex;
            reader.Skip();
            elements.Add(start..(range.Start.Value + (int)reader.BytesConsumed));
        }

        return elements;
    }

    private static TensorData Tensor(ReadOnlySpan<byte> json, int index)
    {
        Span<Range> values = stackalloc Range[_tensorMembers.Length];
        CheckObject(json, $"inputs[{index}]");
        JsonObject.Find(json, _tensorMembers, values, strict: false);
        for (var member = 0; member < values.Length; member++)
        {
            if (json[values[member]].IsEmpty)
                throw ApiException.BadRequest("bad-tensor", $"inputs[{index}] has no \"{_tensorMembers[member]}\". Each tensor needs a name, a datatype, a shape and data.");
        }

        var name = Text(json[values[0]], $"inputs[{index}].name");
        return TensorJson.Read(name, Text(json[values[1]], $"inputs[{index}].datatype"), Shape(json[values[2]], name), json[values[3]]);
    }

    private static string OutputName(ReadOnlySpan<byte> json, int index)
    {
        Span<Range> values = stackalloc Range[1];
        CheckObject(json, $"outputs[{index}]");
        JsonObject.Find(json, ["name"], values, strict: false);
        return Text(json[values[0]], $"outputs[{index}].name");
    }

    private static long[] Shape(ReadOnlySpan<byte> json, string name)
    {
        const int RankMax = 8;
        var shape = new List<long>();
        var reader = new Utf8JsonReader(json, JsonValue.ReaderOptions);
        reader.Read();
        if (reader.TokenType is not JsonTokenType.StartArray)
            throw ApiException.BadRequest("bad-tensor", $"input \"{name}\": \"shape\" is {JsonValue.Describe(ref reader)}. Give an array of dimensions.");
        while (reader.Read() && reader.TokenType is not JsonTokenType.EndArray)
        {
            if (shape.Count == RankMax)
                throw ApiException.BadRequest("bad-tensor", $"input \"{name}\": \"shape\" has more than {RankMax} dimensions.");
            if (reader.TokenType is not JsonTokenType.Number || !reader.TryGetInt64(out var dimension) || dimension is < 0 or > int.MaxValue)
                throw ApiException.BadRequest("bad-tensor", $"input \"{name}\": a dimension is {JsonValue.Describe(ref reader)}. Give integers from 0 to {int.MaxValue}.");
            shape.Add(dimension);
        }

        return [.. shape];
    }

    private static void CheckObject(ReadOnlySpan<byte> json, string where)
    {
        var reader = new Utf8JsonReader(json, JsonValue.ReaderOptions);
        reader.Read();
        if (reader.TokenType is not JsonTokenType.StartObject)
            throw ApiException.BadRequest("bad-tensor", $"{where} is {JsonValue.Describe(ref reader)}. Give an object.");
    }

    private static string Text(ReadOnlySpan<byte> json, string where)
    {
        var reader = new Utf8JsonReader(json, JsonValue.ReaderOptions);
        if (json.IsEmpty || !reader.Read() || reader.TokenType is not JsonTokenType.String)
            throw ApiException.BadRequest("bad-tensor", $"\"{where}\" is {(json.IsEmpty ? "missing" : JsonValue.Describe(ref reader))}. Give a text.");
        return JsonValue.Text(ref reader);
    }
}
