using System.Text.Json;
using FeatureStore.Api.Http;
using FeatureStore.Core.Definitions;

namespace FeatureStore.Api.Features;

/// <summary>Reads a request's columns (<c>{"CUSTOMER_ID": [1, 2]}</c>) into the rows of a query. Columns that nothing needs are skipped, as Feast skips them.</summary>
internal sealed class ColumnInputs(FeatureSet set)
{
    private readonly Range[] _values = new Range[set.Inputs.Count];
    private readonly int[] _order = new int[set.Inputs.Count];
    private readonly List<string> _skipped = [];

    /// <summary>Columns found.</summary>
    public int Count { get; private set; }

    /// <summary>The column that came at a place in the request.</summary>
    public InputColumn this[int index] => set.Inputs[_order[index]];

    /// <summary>Where its values are in the body: a JSON array.</summary>
    public Range Values(int index) => _values[_order[index]];

    public void Clear()
    {
        _values.AsSpan().Clear();
        _skipped.Clear();
        Count = 0;
    }

    /// <summary>Finds the columns in an object.</summary>
    /// <param name="body">The request.</param>
    /// <param name="range">Where in it the object is.</param>
    /// <param name="member">The object's name, for messages.</param>
    public void Find(ReadOnlySpan<byte> body, Range range, string member)
    {
        var start = range.Start.Value;
        var reader = new Utf8JsonReader(body[range], JsonValue.ReaderOptions);
        reader.Read();
        if (reader.TokenType is not JsonTokenType.StartObject)
            throw ApiException.BadRequest("bad-request", $"\"{member}\" is {JsonValue.Describe(ref reader)}. Give an object of columns, such as {{\"id\": [1, 2]}}.");
        while (reader.Read() && reader.TokenType is JsonTokenType.PropertyName)
        {
            var input = IndexOf(ref reader);
            if (input < 0)
            {
                if (_skipped.Count < 16)
                    _skipped.Add(JsonValue.Text(ref reader));
                reader.Skip();
                continue;
            }

            var name = set.Inputs[input].Name;
            if (!_values[input].Equals(default))
                throw ApiException.BadRequest("bad-column", $"column \"{name}\" comes twice. Send it once.");
            reader.Read();
            if (reader.TokenType is not JsonTokenType.StartArray)
                throw ApiException.BadRequest("bad-column", $"column \"{name}\" is {JsonValue.Describe(ref reader)}. Give an array with a value for each row.");
            var from = start + (int)reader.TokenStartIndex;
            reader.Skip();
            _values[input] = from..(start + (int)reader.BytesConsumed);
            _order[Count++] = input;
        }
    }

    /// <summary>Reads the columns' values.</summary>
    public void Read(ReadOnlySpan<byte> body, FeatureQuery query, int rowsMax)
    {
        for (var input = 0; input < _values.Length; input++)
        {
            if (_values[input].Equals(default))
                throw Missing(set.Inputs[input]);
        }

        for (var index = 0; index < Count; index++)
        {
            var column = this[index];
            var values = body[Values(index)];
            var rows = 0;
            foreach (var key in column.Keys)
                rows = ReadValues(values, column, index == 0, query, rowsMax, query.Keys(key.Part), key.Field, key.Type, isKey: true);
            if (column.RequestField >= 0)
                rows = ReadValues(values, column, index == 0, query, rowsMax, query.Request, column.RequestField, set.Request.Fields[column.RequestField].Type, isKey: false);
            if (rows != query.Rows)
                throw ApiException.BadRequest("bad-column", $"column \"{column.Name}\" has {rows:N0} values, column \"{this[0].Name}\" {query.Rows:N0}. Give each row a value in every column.");
        }
    }

    private static int ReadValues(
        ReadOnlySpan<byte> json, InputColumn column, bool first, FeatureQuery query, int rowsMax, Core.Events.EventBatch batch, int field, FieldType type, bool isKey)
    {
        var reader = new Utf8JsonReader(json, JsonValue.ReaderOptions);
        reader.Read();
        var row = 0;
        for (; reader.Read() && reader.TokenType is not JsonTokenType.EndArray; row++)
        {
            if (row == rowsMax)
                throw ApiException.BadRequest("too-many-rows", $"column \"{column.Name}\" has more than {rowsMax:N0} values. Ask in several requests.");
            if (row == query.Rows)
            {
                if (!first)
                    return row + Rest(ref reader);
                query.AddRow();
            }

            if (isKey && reader.TokenType is JsonTokenType.Null)
                throw ApiException.BadRequest("bad-value", $"column \"{column.Name}\", row {row}: a join key is null. Leave the row out.");
            if (JsonValue.Set(ref reader, batch, row, field, type) is { } problem)
                throw ApiException.BadRequest("bad-value", $"column \"{column.Name}\", row {row}: {problem}");
        }

        return row;
    }

    /// <summary>Values from the reader's on.</summary>
    private static int Rest(ref Utf8JsonReader reader)
    {
        var count = 0;
        do
        {
            reader.Skip();
            count++;
        }
        while (reader.Read() && reader.TokenType is not JsonTokenType.EndArray);
        return count;
    }

    private int IndexOf(ref Utf8JsonReader name)
    {
        for (var input = 0; input < set.Inputs.Count; input++)
        {
            if (name.ValueTextEquals(set.Inputs[input].Utf8Name))
                return input;
        }

        return -1;
    }

    private ApiException Missing(InputColumn column)
    {
        var what = column.Keys.Length > 0 ? "join key" : "request field";
        var hint = DefinitionText.Nearest(column.Name, _skipped) is { } nearest
            ? $"Did you mean it by {DefinitionText.Quote(nearest)}?"
            : "Give it under \"entities\", with a value for each row.";
        return ApiException.BadRequest("missing-column", $"The request lacks the {what} \"{column.Name}\". {hint}");
    }
}
