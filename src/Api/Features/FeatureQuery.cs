using System.Buffers;
using System.Runtime.CompilerServices;
using System.Text.Json;
using FeatureStore.Api.Http;
using FeatureStore.Core.Definitions;
using FeatureStore.Core.Events;
using FeatureStore.Core.Plans;
using FeatureStore.Core.Vectors;

namespace FeatureStore.Api.Features;

/// <summary>One read of a feature set: the rows asked for, then the values. Pooled; one caller at a time.</summary>
internal sealed class FeatureQuery
{
    /// <summary>Entities read at a time: bounds the memory that blocks take.</summary>
    private const int ChunkRows = 256;

    private const int KeptValuesMax = 1 << 16;
    private const int KeptBytesMax = 1 << 20;

    /// <summary>Most bytes of values that are no numbers: a list or a map has a thousand times the size of a number.</summary>
    private const int JsonBytesMax = 64 << 20;

    private readonly FeatureSet _set;
    private readonly EventBatch[] _keys;
    private readonly EntityBlocks _blocks = new();
    private readonly double[] _read;
    private readonly byte[] _key = new byte[EntityPlan.KeyBytesMax];
    private double[] _values = [];
    private long[] _newestMs = [];
    private long[] _asOfMs = [];

    // Values that are no numbers, as JSON, and where each of them is; those of no length are null.
    private ArrayBufferWriter<byte> _json = new(256);
    private Utf8JsonWriter? _jsonWriter;
    private (int Start, int Length)[] _places = [];

    public FeatureQuery(FeatureSet set)
    {
        _set = set;
        _keys = [.. set.Parts.Select(part => new EventBatch(part.Keys, 16))];
        Request = new EventBatch(set.Request, 16);
        Inputs = new ColumnInputs(set);
        Vectors = set.Service is null ? null : new VectorBatch(set.Service);
        _read = new double[set.Parts.SelectMany(part => part.Groups).Select(group => group.Features.Length).DefaultIfEmpty().Max()];
    }

    /// <summary>Rows asked for.</summary>
    public int Rows { get; private set; }

    /// <summary>The request's fields.</summary>
    public EventBatch Request { get; }

    /// <summary>The service's vectors, once they are read; null where the features are listed.</summary>
    public VectorBatch? Vectors { get; }

    /// <summary>The columns that came in.</summary>
    public ColumnInputs Inputs { get; }

    /// <summary>Keys of a part's entity.</summary>
    public EventBatch Keys(int part) => _keys[part];

    /// <summary>Value of a column of numbers that a view gives; NaN is null. Of an entity never seen, the feature's empty value.</summary>
    public double Value(int row, int column) => _values[column * Rows + row];

    /// <summary>Newest event that the column's view has applied, Unix ms; <see cref="long.MinValue"/>: none.</summary>
    public long NewestMs(int row, int column) => _newestMs[column * Rows + row];

    /// <summary>The time as of which the value was read, Unix ms.</summary>
    public long AsOfMs(int row, int column) => _asOfMs[column * Rows + row];

    /// <summary>What a value is worth.</summary>
    public FeatureStatus Status(int row, int column, FeatureColumn of)
    {
        if (of.View is null)
            return IsNull(row, column, of) ? FeatureStatus.NULL_VALUE : FeatureStatus.PRESENT;
        var newestMs = NewestMs(row, column);
        if (newestMs == long.MinValue)
            return FeatureStatus.NOT_FOUND;
        if (of.TtlMs != long.MaxValue && AsOfMs(row, column) - newestMs >= of.TtlMs)
            return FeatureStatus.OUTSIDE_MAX_AGE;
        return IsNull(row, column, of) ? FeatureStatus.NULL_VALUE : FeatureStatus.PRESENT;
    }

    /// <summary>Writes the value of a column that a view gives; null for an entity never seen.</summary>
    public void WriteValue(Utf8JsonWriter writer, FeatureColumn of, int row, int column)
    {
        if (NewestMs(row, column) == long.MinValue || IsNull(row, column, of))
            writer.WriteNullValue();
        else if (of.Kind is FeatureKind.Number)
            writer.WriteDoubleValue(Value(row, column));
        else if (of.Kind is FeatureKind.Integer && IsExact(Value(row, column)))
            writer.WriteNumberValue((long)Value(row, column));
        else
            writer.WriteRawValue(_json.WrittenSpan.Slice(_places[column * Rows + row].Start, _places[column * Rows + row].Length), skipInputValidation: true);
    }

    /// <summary>Writes the value of a column that no view gives.</summary>
    public void WriteComputedValue(Utf8JsonWriter writer, FeatureColumn of, int row, int column)
    {
        if (of.IsText && Vectors!.TryGetText(row, column, out var text))
            writer.WriteStringValue(text);
        else if (!of.IsText && Vectors![row, column] is var number && double.IsFinite(number))
            writer.WriteDoubleValue(number);
        else
            writer.WriteNullValue();
    }

    /// <summary>Appends a row whose fields are all null.</summary>
    public int AddRow()
    {
        foreach (var keys in _keys)
            keys.Add(default);
        Request.Add(default);
        return Rows++;
    }

    /// <summary>Reads every column that a view gives, and computes the others.</summary>
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder))]
    public async ValueTask ReadAsync(EntityReader reader, CancellationToken cancellationToken)
    {
        var length = Rows * _set.Columns.Count;
        if (_values.Length < length)
        {
            _values = new double[length];
            _newestMs = new long[length];
            _asOfMs = new long[length];
        }

        if (_set.HasOthers && _places.Length < length)
            _places = new (int, int)[length];
        var nowMs = reader.NowMs;
        for (var part = 0; part < _set.Parts.Count; part++)
        {
            if (_set.Parts[part].Groups.Length == 0)
                continue;
            for (var first = 0; first < Rows; first += ChunkRows)
            {
                var count = Math.Min(ChunkRows, Rows - first);
                EncodeKeys(part, first, count);
                await reader.ReadAsync(_set.Parts[part].Entity, _blocks, cancellationToken);
                foreach (var group in _set.Parts[part].Groups)
                {
                    var asOfMs = group.Source.Definition.Clock is SourceClock.Wall ? nowMs : await reader.StreamTimeMsAsync(group.Source, cancellationToken);
                    Finish(_set.Parts[part].Entity, group, asOfMs, first, count);
                }
            }
        }

        Compute();
    }

    /// <summary>Makes it fit for another caller.</summary>
    /// <returns>Whether it is worth keeping.</returns>
    public bool Reset()
    {
        foreach (var keys in _keys)
            keys.Clear();
        Request.Clear();
        Inputs.Clear();
        Rows = 0;
        if (_json.Capacity > KeptBytesMax)
            _json = new ArrayBufferWriter<byte>(256);
        else
            _json.ResetWrittenCount();
        return _values.Length <= KeptValuesMax && (Vectors?.TextBytes ?? 0) <= KeptBytesMax && _blocks.Reset();
    }

    private bool IsNull(int row, int column, FeatureColumn of)
    {
        if (of.View is null)
            return of.IsText ? !Vectors!.TryGetText(row, column, out _) : !double.IsFinite(Vectors![row, column]);
        return of.Kind is FeatureKind.Number or FeatureKind.Integer ? !double.IsFinite(Value(row, column)) : _places[column * Rows + row].Length == 0;
    }

    /// <summary>Columns of a service's set are the features of its vector, in their order.</summary>
    private void Compute()
    {
        if (Vectors is null)
            return;
        Vectors.Reset(Rows);
        for (var column = 0; column < _set.Columns.Count; column++)
        {
            if (_set.Columns[column].View is null)
                continue;
            for (var row = 0; row < Rows; row++)
                Vectors[row, column] = Value(row, column);
        }

        _set.Computed!.Fill(Vectors, Request);
    }

    private void EncodeKeys(int part, int first, int count)
    {
        var (entity, fields) = (_set.Parts[part].Entity, _set.Parts[part].KeyFields);
        _blocks.Keys.Clear();
        for (var row = first; row < first + count; row++)
        {
            var length = entity.EncodeKey(_keys[part].Row(row), fields, _key);
            if (length == 0)
                throw Http.ApiException.BadRequest("bad-key", $"entity \"{entity.Name}\", row {row}: the key is longer than {EntityPlan.KeyBytesMax:N0} bytes.");
            _blocks.Keys.Add(_key.AsSpan(0, length));
        }
    }

    private void Finish(EntityPlan entity, ReadGroup group, long asOfMs, int first, int count)
    {
        var values = _read.AsSpan(0, group.Features.Length);
        for (var index = 0; index < count; index++)
        {
            var block = _blocks[index];
            var groupAsOfMs = asOfMs;
            if (group.Source.Definition.Clock is SourceClock.Stream)
            {
                // A block from the hot store may be ahead of the stream time known here; it is never behind itself.
                foreach (var feature in group.Features)
                    groupAsOfMs = Math.Max(groupAsOfMs, entity.NewestMs(block, feature));
            }

            entity.Read(block, groupAsOfMs, group.Features, values);
            for (var feature = 0; feature < values.Length; feature++)
            {
                var at = group.Columns[feature] * Rows + first + index;
                _values[at] = values[feature];
                _newestMs[at] = entity.NewestMs(block, group.Features[feature]);
                _asOfMs[at] = groupAsOfMs;
            }

            foreach (var other in group.Others)
            {
                if (entity.Features[group.Features[other]].Kind is not FeatureKind.Integer || !IsExact(values[other]))
                    _places[group.Columns[other] * Rows + first + index] = Append(entity, block, groupAsOfMs, group.Features[other]);
            }
        }
    }

    /// <summary>Whether a double tells all of an integer's digits: such a number is an integer, and no other is rounded to it. The default of a feature may be none.</summary>
    private static bool IsExact(double integer) => Math.Abs(integer) < 1L << 53 && integer == (long)integer;

    /// <summary>Appends a value that no double tells.</summary>
    /// <returns>Its place; of no length for null.</returns>
    private (int Start, int Length) Append(EntityPlan entity, ReadOnlySpan<byte> block, long asOfMs, int feature)
    {
        var start = _json.WrittenCount;
        if (block.IsEmpty)
            return (start, 0);
        if (start > JsonBytesMax)
            throw Http.ApiException.BadRequest("too-many-values", $"The lists and maps asked for have more than {JsonBytesMax:N0} bytes. Ask in several requests.");
        _jsonWriter ??= new Utf8JsonWriter(_json, new JsonWriterOptions { SkipValidation = true });
        _jsonWriter.Reset(_json);
        entity.WriteJson(block, asOfMs, feature, _jsonWriter);
        _jsonWriter.Flush();
        return (start, _json.WrittenSpan[start..].SequenceEqual("null"u8) ? 0 : _json.WrittenCount - start);
    }
}
