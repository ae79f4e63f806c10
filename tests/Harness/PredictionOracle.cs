using System.Buffers.Text;
using System.Globalization;
using System.Text;
using System.Text.Json;

namespace FeatureStore.Harness;

/// <summary>What one model's predictions must be.</summary>
public sealed record PredictionExpectation
{
    /// <summary>The transactions in the topic, in the order in which they were sent to it.</summary>
    public required IReadOnlyList<Transaction> Transactions { get; init; }

    /// <summary>Topic of the transactions; the predictions' positions name it.</summary>
    public required string Topic { get; init; }

    public required string Model { get; init; }

    public string Version { get; init; } = "1";

    public required string Service { get; init; }

    /// <summary>Features computed independently, compared at <see cref="PredictionOracle.ReferenceTolerance"/>; null: predictions carry no vector.</summary>
    public FeatureTable? Features { get; init; }

    /// <summary>Features as the data's authors published them, compared at <see cref="PredictionOracle.PublishedTolerance"/>.</summary>
    public FeatureTable? Published { get; init; }

    /// <summary>Scores by transaction, compared at <see cref="PredictionOracle.ScoreTolerance"/>; any other score must lie between 0 and 1.</summary>
    public IReadOnlyDictionary<int, double>? Scores { get; init; }

    /// <summary>Whether positions count each partition's records from 0 in the order of <see cref="Transactions"/>.</summary>
    public bool PlainPositions { get; init; } = true;
}

/// <summary>Judges the predictions of one model, record by record in the order of each partition, and says all that is wrong.</summary>
public sealed class PredictionOracle
{
    public const double ReferenceTolerance = 1e-11;
    public const double PublishedTolerance = 1e-8;
    public const double ScoreTolerance = 2e-6;
    private const int ExamplesMax = 5;
    private const int PartitionsMax = 64;

    private readonly PredictionExpectation _expectation;
    private readonly string _positionPrefix;
    private readonly Dictionary<int, int> _orderOf;
    private readonly int[] _timesSeen;
    private readonly long[] _positions;
    private readonly Dictionary<int, int> _newestOfCustomer = [];
    private readonly SortedDictionary<string, (int Count, List<string> Examples)> _problems = new(StringComparer.Ordinal);
    private readonly double[] _values = new double[FeatureTable.Width];

    public PredictionOracle(PredictionExpectation expectation)
    {
        ArgumentNullException.ThrowIfNull(expectation);
        _expectation = expectation;
        _positionPrefix = expectation.Topic + "/";
        _orderOf = new Dictionary<int, int>(expectation.Transactions.Count);
        for (var i = 0; i < expectation.Transactions.Count; i++)
            _orderOf.Add(expectation.Transactions[i].Id, i);
        _timesSeen = new int[_orderOf.Count];
        _positions = new long[_orderOf.Count];
    }

    /// <summary>Records seen.</summary>
    public int Records { get; private set; }

    /// <summary>Transactions seen at least once.</summary>
    public int Distinct { get; private set; }

    /// <summary>Vectors compared with the independent features.</summary>
    public int ReferenceCompared { get; private set; }

    /// <summary>Vectors compared with the published features.</summary>
    public int PublishedCompared { get; private set; }

    public int ScoresCompared { get; private set; }

    /// <summary>Largest relative difference of a feature from the independent ones.</summary>
    public double ReferenceDifferenceMax { get; private set; }

    public double ScoreDifferenceMax { get; private set; }

    /// <summary>The transaction's id of a prediction, read without judging the rest; −1 where the record does not begin as a prediction does.</summary>
    public static int IdOf(ReadOnlySpan<byte> value)
    {
        var start = "{\"id\":\""u8;
        return value.StartsWith(start) && Utf8Parser.TryParse(value[start.Length..], out int id, out _) ? id : -1;
    }

    /// <summary>Takes a record.</summary>
    /// <returns>The transaction's id; −1 where the record is no prediction.</returns>
    public int Accept(ReadOnlySpan<byte> key, ReadOnlySpan<byte> value)
    {
        Records++;
        try
        {
            return Judge(key, value);
        }
        catch (Exception error) when (error is JsonException or FormatException or InvalidOperationException)
        {
            Report("not a prediction", $"{error.Message} in {Encoding.UTF8.GetString(value)}");
            return -1;
        }
    }

    /// <summary>All that is wrong, also what only shows at the end: missing and doubled predictions. Empty where all is right.</summary>
    public string Verdict()
    {
        var text = new StringBuilder();
        foreach (var (kind, (count, examples)) in _problems)
            text.AppendLine(CultureInfo.InvariantCulture, $"{kind}: {count}; {string.Join(" | ", examples)}");
        Append("missing", order => _timesSeen[order] == 0);
        Append("more than once", order => _timesSeen[order] > 1);
        if (_expectation.PlainPositions)
        {
            var next = new long[PartitionsMax];
            Append("position out of line", order => _timesSeen[order] > 0 && (_positions[order] & 0xffff_ffff) != next[_positions[order] >> 32]++);
        }

        return text.ToString();

        void Append(string kind, Func<int, bool> holds)
        {
            var ids = Enumerable.Range(0, _timesSeen.Length).Where(holds).Select(order => _expectation.Transactions[order].Id).ToList();
            if (ids.Count > 0)
                text.AppendLine(CultureInfo.InvariantCulture, $"{kind}: {ids.Count}; {string.Join(", ", ids.Take(ExamplesMax))}");
        }
    }

    private int Judge(ReadOnlySpan<byte> key, ReadOnlySpan<byte> value)
    {
        var reader = new Utf8JsonReader(value);
        int? id = null, customer = null;
        (int Partition, long Offset)? position = null;
        string? model = null, version = null, service = null;
        DateTimeOffset? time = null;
        double? score = null;
        var vector = false;

        Read(ref reader, JsonTokenType.StartObject);
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            if (reader.ValueTextEquals("id"u8))
                id = ReadId(ref reader);
            else if (reader.ValueTextEquals("position"u8))
                position = ReadPosition(ref reader);
            else if (reader.ValueTextEquals("model"u8))
                model = ReadExpected(ref reader, _expectation.Model);
            else if (reader.ValueTextEquals("version"u8))
                version = ReadExpected(ref reader, _expectation.Version);
            else if (reader.ValueTextEquals("service"u8))
                service = ReadExpected(ref reader, _expectation.Service);
            else if (reader.ValueTextEquals("entity"u8))
                customer = (int)ReadOnlyMember(ref reader, "CUSTOMER_ID"u8);
            else if (reader.ValueTextEquals("event_time"u8))
                time = ReadTime(ref reader);
            else if (reader.ValueTextEquals("outputs"u8))
                score = ReadOnlyMember(ref reader, "score"u8);
            else if (reader.ValueTextEquals("features"u8))
                vector = ReadVector(ref reader);
            else
                throw new FormatException($"unknown member \"{reader.GetString()}\"");
        }

        if (reader.TokenType != JsonTokenType.EndObject || reader.Read())
            throw new FormatException("the object does not end the record");
        if (id is null || position is null || customer is null || time is null || score is null || model is null || version is null || service is null)
            throw new FormatException("a member is missing");
        if (!_orderOf.TryGetValue(id.Value, out var order))
            throw new FormatException("no such transaction");
        if (position.Value.Partition is < 0 or >= PartitionsMax)
            throw new FormatException("no such partition");

        if (_timesSeen[order]++ == 0)
            Distinct++;
        _positions[order] = (long)position.Value.Partition << 32 | position.Value.Offset;
        var transaction = _expectation.Transactions[order];
        if (customer != transaction.Customer || !Utf8Parser.TryParse(key, out int keyNumber, out var keyLength) || keyLength != key.Length || keyNumber != customer)
            Report("wrong entity or key", $"{id}: key \"{Encoding.UTF8.GetString(key)}\", entity {customer}, not {transaction.Customer}");
        if (time.Value.ToUnixTimeMilliseconds() != transaction.TimeMs)
            Report("wrong event_time", $"{id}: {time:O}, not {transaction.Time:O}");
        if (_newestOfCustomer.TryGetValue(transaction.Customer, out var newest) && newest > order)
            Report("out of order", $"{id} after {_expectation.Transactions[newest].Id} of customer {transaction.Customer}");
        _newestOfCustomer[transaction.Customer] = order;
        JudgeScore(id.Value, score.Value);
        if (vector != _expectation.Features is not null)
            throw new FormatException(vector ? "a vector that is not expected" : "no vector");
        if (vector)
            JudgeVector(id.Value);
        return id.Value;
    }

    private void JudgeScore(int id, double score)
    {
        if (!(score is >= 0 and <= 1))
            Report("score outside 0 to 1", $"{id}: {score}");
        if (_expectation.Scores is null || !_expectation.Scores.TryGetValue(id, out var right))
            return;
        ScoresCompared++;
        var difference = Math.Abs(score - right);
        ScoreDifferenceMax = Math.Max(ScoreDifferenceMax, difference);
        if (!(difference <= ScoreTolerance))
            Report("wrong score", $"{id}: {score:R}, not {right:R}");
    }

    private void JudgeVector(int id)
    {
        var reference = _expectation.Features!.Get(id);
        ReferenceCompared++;
        for (var i = 0; i < reference.Length; i++)
        {
            var difference = Difference(_values[i], reference[i]);
            ReferenceDifferenceMax = Math.Max(ReferenceDifferenceMax, difference);
            if (!(difference <= ReferenceTolerance))
                Report("wrong feature", $"{id}: {FraudData.FeatureNames[i]} {_values[i]:R}, not {reference[i]:R}");
        }

        // The two payments that the authors counted the other way round are held by the reference alone, which counts by the file's order.
        var published = _expectation.Published is null || FraudData.AuthorsTie.Contains(id) ? [] : _expectation.Published.Get(id);
        if (published.Length == 0)
            return;
        PublishedCompared++;
        for (var i = 1; i < published.Length; i++)
        {
            if (!(Difference(_values[i], published[i]) <= PublishedTolerance))
                Report("unlike the published feature", $"{id}: {FraudData.FeatureNames[i]} {_values[i]:R}, not {published[i]:R}");
        }
    }

    /// <summary>Relative to the right value; absolute where that is 0.</summary>
    private static double Difference(double value, double right) =>
        right == 0 ? Math.Abs(value) : Math.Abs(value - right) / Math.Abs(right);

    private static void Read(ref Utf8JsonReader reader, JsonTokenType type)
    {
        if (!reader.Read() || reader.TokenType != type)
            throw new FormatException($"{reader.TokenType} at byte {reader.TokenStartIndex}, not {type}");
    }

    private static int ReadId(ref Utf8JsonReader reader)
    {
        Read(ref reader, JsonTokenType.String);
        return Utf8Parser.TryParse(reader.ValueSpan, out int id, out var length) && length == reader.ValueSpan.Length
            ? id : throw new FormatException("the id is not a transaction's");
    }

    private static string ReadExpected(ref Utf8JsonReader reader, string expected)
    {
        Read(ref reader, JsonTokenType.String);
        return reader.ValueTextEquals(expected) ? expected : throw new FormatException($"\"{reader.GetString()}\", not \"{expected}\"");
    }

    private (int Partition, long Offset) ReadPosition(ref Utf8JsonReader reader)
    {
        Read(ref reader, JsonTokenType.String);
        var parts = reader.GetString()!;
        if (parts.StartsWith(_positionPrefix, StringComparison.Ordinal)
            && parts[_positionPrefix.Length..].Split('/') is [var partition, var offset]
            && int.TryParse(partition, CultureInfo.InvariantCulture, out var partitionNumber)
            && uint.TryParse(offset, CultureInfo.InvariantCulture, out var offsetNumber))
            return (partitionNumber, offsetNumber);
        throw new FormatException($"position \"{parts}\" is not {_positionPrefix}PARTITION/OFFSET");
    }

    private static DateTimeOffset ReadTime(ref Utf8JsonReader reader)
    {
        Read(ref reader, JsonTokenType.String);
        return reader.GetDateTimeOffset();
    }

    private static double ReadOnlyMember(ref Utf8JsonReader reader, ReadOnlySpan<byte> name)
    {
        Read(ref reader, JsonTokenType.StartObject);
        Read(ref reader, JsonTokenType.PropertyName);
        if (!reader.ValueTextEquals(name))
            throw new FormatException($"member \"{reader.GetString()}\", not \"{Encoding.UTF8.GetString(name)}\"");
        Read(ref reader, JsonTokenType.Number);
        var value = reader.GetDouble();
        Read(ref reader, JsonTokenType.EndObject);
        return value;
    }

    /// <summary>Exactly the 15 features, in the order of the service.</summary>
    private bool ReadVector(ref Utf8JsonReader reader)
    {
        Read(ref reader, JsonTokenType.StartObject);
        for (var i = 0; i < _values.Length; i++)
        {
            Read(ref reader, JsonTokenType.PropertyName);
            if (!reader.ValueTextEquals(FraudData.FeatureNames[i]))
                throw new FormatException($"feature \"{reader.GetString()}\", not \"{FraudData.FeatureNames[i]}\"");
            Read(ref reader, JsonTokenType.Number);
            _values[i] = reader.GetDouble();
        }

        Read(ref reader, JsonTokenType.EndObject);
        return true;
    }

    private void Report(string kind, string example)
    {
        var (count, examples) = _problems.TryGetValue(kind, out var found) ? found : (0, []);
        if (examples.Count < ExamplesMax)
            examples.Add(example);
        _problems[kind] = (count + 1, examples);
    }
}
