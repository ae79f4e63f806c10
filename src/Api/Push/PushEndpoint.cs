using System.Buffers;
using System.Text.Json;
using FeatureStore.Api.Http;
using FeatureStore.Core.Definitions;
using FeatureStore.Core.Events;
using FeatureStore.Core.Plans;
using FeatureStore.Runtime;
using Microsoft.AspNetCore.Http;

namespace FeatureStore.Api.Push;

/// <summary>
/// Feast's <c>POST /push</c>, in its JSON: each row becomes a record of the source's topic, and goes the way of every event from there. Answers 200 when the broker
/// has acknowledged all of them. Whoever sends a failed push again writes some rows twice; a source with an <c>id</c> drops the second.
/// </summary>
internal sealed class PushEndpoint(ProjectPlan plan, IEventPublisher publisher, FeatureStoreApiOptions options, TimeProvider time)
{
    private static readonly string[] _members = ["push_source_name", "df", "to"];

    private readonly PushTarget[] _targets = [.. plan.TopicSources.Select(source => new PushTarget(plan, source))];

    public async Task HandleAsync(HttpContext context)
    {
        using var body = await RequestBody.ReadAsync(context.Request, options.BodyBytesMax, context.RequestAborted);
        var (target, rows) = Parse(body.Bytes);
        await PublishAsync(target, rows, context.RequestAborted);
        ApiInstruments.RowsPushed.Add(rows.Count, target.Tag);
    }

    private (PushTarget Target, EventBatch Rows) Parse(ReadOnlySpan<byte> body)
    {
        Span<Range> values = stackalloc Range[_members.Length];
        JsonObject.Find(body, _members, values, strict: false);
        var target = Find(body[values[0]]);
        CheckTo(body[values[2]]);
        if (body[values[1]].IsEmpty)
            throw ApiException.BadRequest("bad-request", "The body has no \"df\". Give an object with a column of values for each field.");
        return (target, ReadColumns(target, body[values[1]]));
    }

    private PushTarget Find(ReadOnlySpan<byte> json)
    {
        if (json.IsEmpty)
            throw ApiException.BadRequest("bad-request", "The body has no \"push_source_name\". Name a source.");
        var reader = new Utf8JsonReader(json, JsonValue.ReaderOptions);
        reader.Read();
        if (reader.TokenType is not JsonTokenType.String)
            throw ApiException.BadRequest("bad-request", $"\"push_source_name\" is {JsonValue.Describe(ref reader)}. Give the name of a source in quotes.");
        var name = JsonValue.Text(ref reader);
        return _targets.FirstOrDefault(target => target.Source.Definition.Name == name)
            ?? throw ApiException.NotFound("unknown-source",
                $"There is no source {DefinitionText.Quote(name)}. {DefinitionText.Hint(name, [.. plan.TopicSources.Select(source => source.Definition.Name)])}");
    }

    private static void CheckTo(ReadOnlySpan<byte> json)
    {
        if (json.IsEmpty || json.SequenceEqual("\"online\""u8) || json.SequenceEqual("\"online_and_offline\""u8))
            return;
        var reader = new Utf8JsonReader(json, JsonValue.ReaderOptions);
        reader.Read();
        throw ApiException.BadRequest("bad-request",
            $"\"to\" is {JsonValue.Describe(ref reader)}. A pushed event goes to the source's topic, which feeds both online features and history: write \"online\" or \"online_and_offline\".");
    }

    private EventBatch ReadColumns(PushTarget target, ReadOnlySpan<byte> json)
    {
        var rows = new EventBatch(target.Source.Schema, 16);
        var reader = new Utf8JsonReader(json, JsonValue.ReaderOptions);
        reader.Read();
        if (reader.TokenType is not JsonTokenType.StartObject)
            throw ApiException.BadRequest("bad-request", $"\"df\" is {JsonValue.Describe(ref reader)}. Give an object with a column of values for each field.");
        string? first = null;
        Span<bool> seen = stackalloc bool[target.Names.Length];
        while (reader.Read() && reader.TokenType is JsonTokenType.PropertyName)
        {
            var field = FieldOf(target, ref reader);
            if (seen[field])
                throw ApiException.BadRequest("bad-column", $"column \"{target.Names[field]}\" comes twice. Send it once.");
            seen[field] = true;
            reader.Read();
            var count = ReadColumn(target, ref reader, rows, field, first is null);
            first ??= target.Names[field];
            if (count != rows.Count)
                throw ApiException.BadRequest("bad-column", $"column \"{target.Names[field]}\" has {count:N0} values, column \"{first}\" {rows.Count:N0}. Give each row a value in every column.");
        }

        if (rows.Count == 0)
            throw ApiException.BadRequest("bad-request", "\"df\" has no rows. Push at least one.");
        if (!seen[target.Source.TimestampField])
            throw ApiException.BadRequest("missing-column", $"\"df\" lacks the column \"{target.Source.Definition.Timestamp}\", which holds the event's time. Give each row one.");
        return rows;
    }

    private static int FieldOf(PushTarget target, ref Utf8JsonReader reader)
    {
        for (var field = 0; field < target.Utf8Names.Length; field++)
        {
            if (reader.ValueTextEquals(target.Utf8Names[field]))
                return field;
        }

        var name = JsonValue.Text(ref reader);
        throw ApiException.BadRequest("unknown-column",
            $"source \"{target.Source.Definition.Name}\" has no field {DefinitionText.Quote(name)}. {DefinitionText.Hint(name, target.Names)}");
    }

    private int ReadColumn(PushTarget target, ref Utf8JsonReader reader, EventBatch rows, int field, bool addRows)
    {
        var name = target.Names[field];
        if (reader.TokenType is not JsonTokenType.StartArray)
            throw ApiException.BadRequest("bad-column", $"column \"{name}\" is {JsonValue.Describe(ref reader)}. Give an array with a value for each row.");
        var row = 0;
        for (; reader.Read() && reader.TokenType is not JsonTokenType.EndArray; row++)
        {
            if (row == options.RowsMax)
                throw ApiException.BadRequest("too-many-rows", $"column \"{name}\" has more than {options.RowsMax:N0} values. Push in several requests.");
            if (row >= rows.Count)
            {
                if (!addRows)
                {
                    reader.Skip();
                    continue;
                }

                rows.Add(default);
            }

            if (field == target.Source.TimestampField && reader.TokenType is JsonTokenType.Null)
                throw ApiException.BadRequest("bad-value", $"column \"{name}\", row {row}: the event's time is null. Give each row one.");
            if (JsonValue.Set(ref reader, rows, row, field, target.Source.Schema.Fields[field].Type) is { } problem)
                throw ApiException.BadRequest("bad-value", $"column \"{name}\", row {row}: {problem}");
        }

        return row;
    }

    /// <summary>All rows are under way together, so that they share the producer's batches.</summary>
    private async Task PublishAsync(PushTarget target, EventBatch rows, CancellationToken cancellationToken)
    {
        var buffer = new ArrayBufferWriter<byte>(rows.Count * 128);
        var ends = new (int Key, int Value)[rows.Count];
        using (var writer = new Utf8JsonWriter(buffer))
        {
            for (var row = 0; row < rows.Count; row++)
            {
                target.WriteKey(rows.Row(row), buffer);
                ends[row].Key = buffer.WrittenCount;
                writer.Reset();
                target.WriteValue(rows.Row(row), writer);
                writer.Flush();
                ends[row].Value = buffer.WrittenCount;
            }
        }

        using var timeout = new CancellationTokenSource(options.PushTimeout, time);
        using var both = CancellationTokenSource.CreateLinkedTokenSource(timeout.Token, cancellationToken);
        var sends = new Task[rows.Count];
        for (var row = 0; row < rows.Count; row++)
        {
            var start = row == 0 ? 0 : ends[row - 1].Value;
            sends[row] = SendAsync(target, buffer.WrittenMemory[start..ends[row].Key], buffer.WrittenMemory[ends[row].Key..ends[row].Value], both.Token);
        }

        try
        {
            await Task.WhenAll(sends);
        }
        catch (Exception exception) when (!cancellationToken.IsCancellationRequested)
        {
            var acknowledged = sends.Count(send => send.IsCompletedSuccessfully);
            var reason = sends.Select(send => send.Exception?.InnerException as EventPublishException).FirstOrDefault(failure => failure is not null)?.Message
                ?? (exception is OperationCanceledException ? $"the broker did not acknowledge within {options.PushTimeout.TotalSeconds:0.#} s." : null);
            if (reason is null)
                throw;
            throw new ApiException(503, "push-failed", $"{acknowledged:N0} of {rows.Count:N0} rows were acknowledged: {reason} Push again; a source with an \"id\" drops what arrives twice.");
        }
    }

    /// <summary>A call that throws at once becomes a failed task like any other.</summary>
    private async Task SendAsync(PushTarget target, ReadOnlyMemory<byte> key, ReadOnlyMemory<byte> value, CancellationToken cancellationToken) =>
        await publisher.PublishAsync(target.Source.Index, key, value, cancellationToken);
}
