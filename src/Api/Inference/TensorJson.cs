using System.Text.Json;
using FeatureStore.Api.Http;
using FeatureStore.Core.Definitions;
using FeatureStore.Runtime;

namespace FeatureStore.Api.Inference;

/// <summary>Tensors as the Open Inference Protocol writes them in JSON: elements row-major, flat or nested as the shape is.</summary>
internal static class TensorJson
{
    private static readonly string[] _datatypes =
        ["BOOL", "UINT8", "UINT16", "UINT32", "UINT64", "INT8", "INT16", "INT32", "INT64", "FP16", "FP32", "FP64", "BYTES"];

    public static TensorData Read(string name, string datatype, IReadOnlyList<long> shape, ReadOnlySpan<byte> json)
    {
        if (!_datatypes.Contains(datatype))
            throw Bad(name, $"{DefinitionText.Quote(datatype)} is no datatype. {DefinitionText.Hint(datatype, _datatypes)}");
        // A number in JSON takes two bytes at least: a greater shape cannot be filled by this body.
        var count = shape.Aggregate(1L, (product, dimension) => Math.Min(product, int.MaxValue) * dimension);
        if (count > json.Length)
            throw Bad(name, $"the shape [{string.Join(", ", shape)}] has more elements than \"data\".");
        var elements = new Elements(datatype, (int)count);
        var reader = new Utf8JsonReader(json, JsonValue.ReaderOptions);
        reader.Read();
        if (reader.TokenType is not JsonTokenType.StartArray)
            throw Bad(name, $"\"data\" is {JsonValue.Describe(ref reader)}. Give an array.");
        var inner = reader;
        if (inner.Read() && inner.TokenType is JsonTokenType.StartArray)
            ReadNested(ref reader, name, shape, 0, ref elements);
        else
            ReadFlat(ref reader, name, ref elements);
        if (elements.Count != count)
            throw Bad(name, $"\"data\" has {elements.Count:N0} elements, the shape [{string.Join(", ", shape)}] {count:N0}.");
        return new TensorData { Name = name, Datatype = datatype, Shape = shape, Doubles = elements.Doubles, Integers = elements.Integers, Texts = elements.Texts };
    }

    public static void Write(Utf8JsonWriter writer, TensorData tensor)
    {
        // JSON has no NaN and no infinity: they are null.
        foreach (var value in tensor.Doubles ?? [])
        {
            if (!float.IsFinite((float)value) && (tensor.Datatype != "FP64" || !double.IsFinite(value)))
                writer.WriteNullValue();
            else if (tensor.Datatype == "FP64")
                writer.WriteDoubleValue(value);
            else
                writer.WriteNumberValue((float)value);
        }

        foreach (var value in tensor.Integers ?? [])
        {
            if (tensor.Datatype == "BOOL")
                writer.WriteBooleanValue(value != 0);
            else if (tensor.Datatype == "UINT64")
                writer.WriteNumberValue((ulong)value);
            else
                writer.WriteNumberValue(value);
        }

        foreach (var value in tensor.Texts ?? [])
            writer.WriteStringValue(value);
    }

    private static void ReadFlat(ref Utf8JsonReader reader, string name, ref Elements elements)
    {
        while (reader.Read() && reader.TokenType is not JsonTokenType.EndArray)
        {
            if (elements.Add(ref reader) is { } problem)
                throw Bad(name, $"element {elements.Count:N0} of \"data\": {problem}");
        }
    }

    /// <summary>Reads the array that the reader is at the start of.</summary>
    private static void ReadNested(ref Utf8JsonReader reader, string name, IReadOnlyList<long> shape, int axis, ref Elements elements)
    {
        if (axis == shape.Count)
            throw Bad(name, $"\"data\" is nested deeper than the shape [{string.Join(", ", shape)}].");
        if (axis == shape.Count - 1)
        {
            var before = elements.Count;
            ReadFlat(ref reader, name, ref elements);
            CheckLength(name, shape, axis, elements.Count - before);
            return;
        }

        var length = 0L;
        for (; reader.Read() && reader.TokenType is not JsonTokenType.EndArray; length++)
        {
            if (reader.TokenType is not JsonTokenType.StartArray)
                throw Bad(name, $"\"data\" has {JsonValue.Describe(ref reader)} where the shape [{string.Join(", ", shape)}] has an array.");
            ReadNested(ref reader, name, shape, axis + 1, ref elements);
        }

        CheckLength(name, shape, axis, length);
    }

    private static void CheckLength(string name, IReadOnlyList<long> shape, int axis, long length)
    {
        if (length != shape[axis])
            throw Bad(name, $"\"data\" has an array of {length:N0} on axis {axis}, where the shape [{string.Join(", ", shape)}] says {shape[axis]:N0}.");
    }

    private static ApiException Bad(string name, string problem) => ApiException.BadRequest("bad-tensor", $"input {DefinitionText.Quote(name)}: {problem}");

    /// <summary>Elements read so far, in the array that the datatype asks for.</summary>
    private ref struct Elements
    {
        private readonly string _datatype;

        public Elements(string datatype, int count)
        {
            _datatype = datatype;
            if (datatype == "BYTES")
                Texts = new string[count];
            else if (datatype.StartsWith("FP", StringComparison.Ordinal))
                Doubles = new double[count];
            else
                Integers = new long[count];
        }

        public double[]? Doubles { get; }

        public long[]? Integers { get; }

        public string[]? Texts { get; }

        /// <summary>Elements read; those beyond the shape are counted only.</summary>
        public int Count { get; private set; }

        /// <returns>What is wrong with the value; null where it was taken.</returns>
        public string? Add(ref Utf8JsonReader reader)
        {
            var at = Count;
            if (Texts is not null)
            {
                if (reader.TokenType is not JsonTokenType.String)
                    return $"{JsonValue.Describe(ref reader)} is not a text.";
                if (at < Texts.Length)
                    Texts[at] = JsonValue.Text(ref reader);
            }
            else if (Doubles is not null)
            {
                if (reader.TokenType is not JsonTokenType.Number || !reader.TryGetDouble(out var number) || !double.IsFinite(number))
                    return $"{JsonValue.Describe(ref reader)} is not a finite number.";
                if (at < Doubles.Length)
                    Doubles[at] = number;
            }
            else
            {
                if (!TryGetInteger(ref reader, out var integer))
                    return $"{JsonValue.Describe(ref reader)} is not {(_datatype == "BOOL" ? "true or false" : "an " + _datatype)}.";
                if (at < Integers!.Length)
                    Integers[at] = integer;
            }

            Count = at + 1;
            return null;
        }

        private readonly bool TryGetInteger(ref Utf8JsonReader reader, out long integer)
        {
            integer = 0;
            if (_datatype == "BOOL")
            {
                integer = reader.TokenType is JsonTokenType.True ? 1 : 0;
                return reader.TokenType is JsonTokenType.True or JsonTokenType.False;
            }

            if (reader.TokenType is not JsonTokenType.Number)
                return false;
            if (_datatype == "UINT64")
            {
                var read = reader.TryGetUInt64(out var unsigned);
                integer = (long)unsigned;
                return read;
            }

            if (!reader.TryGetInt64(out integer))
                return false;
            return _datatype switch
            {
                "INT8" => integer is >= sbyte.MinValue and <= sbyte.MaxValue,
                "INT16" => integer is >= short.MinValue and <= short.MaxValue,
                "INT32" => integer is >= int.MinValue and <= int.MaxValue,
                "UINT8" => integer is >= 0 and <= byte.MaxValue,
                "UINT16" => integer is >= 0 and <= ushort.MaxValue,
                "UINT32" => integer is >= 0 and <= uint.MaxValue,
                _ => true,
            };
        }
    }
}
