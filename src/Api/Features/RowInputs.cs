using System.Text.Json;
using FeatureStore.Api.Http;
using FeatureStore.Core.Definitions;

namespace FeatureStore.Api.Features;

/// <summary>Reads rows (<c>{"CUSTOMER_ID": 596, "TX_AMOUNT": 57.16}</c>) into a query: one, or an array of them under <c>rows</c>. A member that nothing needs is an error.</summary>
internal static class RowInputs
{
    public static void Read(ReadOnlySpan<byte> body, FeatureSet set, FeatureQuery query, int rowsMax)
    {
        var reader = new Utf8JsonReader(body, JsonValue.ReaderOptions);
        try
        {
            reader.Read();
            if (reader.TokenType is not JsonTokenType.StartObject)
                throw ApiException.BadRequest("bad-request", $"The body is {JsonValue.Describe(ref reader)}. Send an object: one row, or \"rows\".");
            var first = reader;
            if (first.Read() && first.TokenType is JsonTokenType.PropertyName && first.ValueTextEquals("rows"u8) && !set.Inputs.Any(input => input.Name == "rows"))
                ReadRows(ref reader, set, query, rowsMax);
            else
                ReadRow(ref reader, set, query);
            // Reads on to the end: the reader objects to anything but white space.
            reader.Read();
        }
        catch (JsonException exception)
        {
            throw ApiException.Malformed(exception);
        }
    }

    private static void ReadRows(ref Utf8JsonReader reader, FeatureSet set, FeatureQuery query, int rowsMax)
    {
        reader.Read();
        reader.Read();
        if (reader.TokenType is not JsonTokenType.StartArray)
            throw ApiException.BadRequest("bad-request", $"\"rows\" is {JsonValue.Describe(ref reader)}. Give an array of objects.");
        while (reader.Read() && reader.TokenType is not JsonTokenType.EndArray)
        {
            if (query.Rows == rowsMax)
                throw ApiException.BadRequest("too-many-rows", $"\"rows\" has more than {rowsMax:N0} entries. Score in several requests.");
            if (reader.TokenType is not JsonTokenType.StartObject)
                throw ApiException.BadRequest("bad-request", $"row {query.Rows} is {JsonValue.Describe(ref reader)}. Give an object.");
            ReadRow(ref reader, set, query);
        }

        reader.Read();
        if (reader.TokenType is JsonTokenType.PropertyName)
            throw JsonObject.Unknown(JsonValue.Text(ref reader), ["rows"]);
    }

    /// <summary>Reads the object that the reader is at the start of, and leaves it at its end.</summary>
    private static void ReadRow(ref Utf8JsonReader reader, FeatureSet set, FeatureQuery query)
    {
        var row = query.AddRow();
        Span<bool> seen = stackalloc bool[set.Inputs.Count];
        while (reader.Read() && reader.TokenType is JsonTokenType.PropertyName)
        {
            var input = 0;
            while (input < set.Inputs.Count && !reader.ValueTextEquals(set.Inputs[input].Utf8Name))
                input++;
            if (input == set.Inputs.Count)
            {
                var name = JsonValue.Text(ref reader);
                throw ApiException.BadRequest("unknown-member",
                    $"row {row}: there is no join key or request field {DefinitionText.Quote(name)}. {DefinitionText.Hint(name, [.. set.Inputs.Select(known => known.Name)])}");
            }

            var column = set.Inputs[input];
            if (seen[input])
                throw ApiException.BadRequest("bad-value", $"row {row}: \"{column.Name}\" comes twice. Send it once.");
            seen[input] = true;
            reader.Read();
            SetValue(ref reader, set, query, row, column);
        }

        for (var input = 0; input < seen.Length; input++)
        {
            // A request field that is left out is null, as an event's is.
            if (!seen[input] && set.Inputs[input].Keys.Length > 0)
                throw ApiException.BadRequest("missing-key", $"row {row} lacks the join key \"{set.Inputs[input].Name}\". Give each row a value for it.");
        }
    }

    private static void SetValue(ref Utf8JsonReader reader, FeatureSet set, FeatureQuery query, int row, InputColumn column)
    {
        string? problem = null;
        if (column.Keys.Length > 0 && reader.TokenType is JsonTokenType.Null)
            problem = "a join key is null. Give each row a value for it.";
        foreach (var key in column.Keys)
            problem ??= JsonValue.Set(ref reader, query.Keys(key.Part), row, key.Field, key.Type);
        if (column.RequestField >= 0)
            problem ??= JsonValue.Set(ref reader, query.Request, row, column.RequestField, set.Request.Fields[column.RequestField].Type);
        if (problem is not null)
            throw ApiException.BadRequest("bad-value", $"row {row}, \"{column.Name}\": {problem}");
    }
}
