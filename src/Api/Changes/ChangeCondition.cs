using System.Text.Json;
using FeatureStore.Api.Features;
using FeatureStore.Api.Http;
using FeatureStore.Core.Definitions;
using FeatureStore.Core.Events;
using FeatureStore.Core.Expressions;
using FeatureStore.Core.Plans;

namespace FeatureStore.Api.Changes;

/// <summary>
/// A CEL expression over the features that are sent, by the names that they have there: numbers are doubles, texts strings; lists and maps have no name. What has no value is null.
/// One caller at a time.
/// </summary>
internal sealed class ChangeCondition
{
    private readonly CompiledExpression _expression;
    private readonly FeatureSet _set;
    private readonly int[] _columns;
    private readonly EventBatch _values;

    /// <param name="text">CEL.</param>
    /// <param name="set">The features.</param>
    /// <exception cref="ApiException">The text is no condition.</exception>
    public ChangeCondition(string text, FeatureSet set)
    {
        _set = set;
        // A row has few fields, a set many features: those whose names occur in the text are all that it can name.
        _columns = [.. Enumerable.Range(0, set.Columns.Count)
            .Where(column => set.Columns[column].Kind is FeatureKind.Number or FeatureKind.Text && text.Contains(set.Columns[column].Name, StringComparison.Ordinal))];
        if (_columns.Length > RowSchema.FieldsMax)
            throw ApiException.BadRequest("bad-where", $"\"where\" names {_columns.Length} features, more than {RowSchema.FieldsMax}. Name fewer.");
        var schema = new RowSchema([.. _columns.Select(column => new FieldDefinition(set.Columns[column].Name, set.Columns[column].Kind is FeatureKind.Text ? FieldType.String : FieldType.Double))]);
        _values = new EventBatch(schema, 1);
        _expression = CompiledExpression.Compile(text, schema, out var error)
            ?? throw ApiException.BadRequest("bad-where", $"\"where\", character {error!.Position + 1}: {error.Message}");
        if (_expression.Type is not (ExpressionType.Bool or ExpressionType.Dynamic))
            throw ApiException.BadRequest("bad-where", $"\"where\" is of type {_expression.Type.ToString().ToLowerInvariant()}, not bool. Write a condition, such as {set.Columns[0].Name} > 3.0.");
    }

    /// <summary>Whether it is true of a row.</summary>
    public bool Holds(FeatureQuery query, int row)
    {
        _values.Clear();
        _values.Add(default);
        for (var field = 0; field < _columns.Length; field++)
        {
            var column = _columns[field];
            if (!query.HasValue(_set.Columns[column], row, column))
                continue;
            if (_set.Columns[column].Kind is FeatureKind.Number)
                _values.SetDouble(0, field, query.Value(row, column));
            else
                _values.SetText(0, field, Text(query.Json(row, column)));
        }

        return _expression.EvaluateCondition(_values.Row(0));
    }

    private static ReadOnlySpan<byte> Text(ReadOnlySpan<byte> json)
    {
        var reader = new Utf8JsonReader(json);
        reader.Read();
        var text = new byte[json.Length];
        return text.AsSpan(0, reader.CopyString(text));
    }
}
