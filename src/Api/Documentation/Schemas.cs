using System.Text.Json;
using System.Text.Json.Serialization;

namespace FeatureStore.Api.Documentation;

// Shapes for the OpenAPI document alone: bodies are read and written by hand.

/// <summary>Features to read, of which entities.</summary>
internal sealed record OnlineFeaturesRequest(
    [property: JsonPropertyName("entities")] IReadOnlyDictionary<string, IReadOnlyList<JsonElement>> Entities,
    [property: JsonPropertyName("feature_service")] string? FeatureService = null,
    [property: JsonPropertyName("features")] IReadOnlyList<string>? Features = null,
    [property: JsonPropertyName("full_feature_names")] bool FullFeatureNames = false,
    [property: JsonPropertyName("request_context")] IReadOnlyDictionary<string, IReadOnlyList<JsonElement>>? RequestContext = null);

internal sealed record OnlineFeaturesResponse(
    [property: JsonPropertyName("metadata")] OnlineFeaturesMetadata Metadata,
    [property: JsonPropertyName("results")] IReadOnlyList<OnlineFeaturesResult> Results);

internal sealed record OnlineFeaturesMetadata([property: JsonPropertyName("feature_names")] IReadOnlyList<string> FeatureNames);

/// <summary>One column, a row after the other.</summary>
internal sealed record OnlineFeaturesResult(
    [property: JsonPropertyName("values")] IReadOnlyList<JsonElement> Values,
    [property: JsonPropertyName("statuses")] IReadOnlyList<string> Statuses,
    [property: JsonPropertyName("event_timestamps")] IReadOnlyList<DateTimeOffset> EventTimestamps);

/// <summary>Events for a source's topic: a column of values for each field.</summary>
internal sealed record PushRequest(
    [property: JsonPropertyName("push_source_name")] string PushSourceName,
    [property: JsonPropertyName("df")] IReadOnlyDictionary<string, IReadOnlyList<JsonElement>> Df,
    [property: JsonPropertyName("to")] string To = "online");

/// <summary>Rows of join keys and request fields.</summary>
internal sealed record ScoreRequest([property: JsonPropertyName("rows")] IReadOnlyList<IReadOnlyDictionary<string, JsonElement>> Rows);

internal sealed record ScoreResponse(
    [property: JsonPropertyName("model")] string Model,
    [property: JsonPropertyName("version")] string Version,
    [property: JsonPropertyName("service")] string Service,
    [property: JsonPropertyName("rows")] IReadOnlyList<ScoredRow> Rows);

/// <summary>Outputs, or the reason why the model failed on the row; and the features, untransformed.</summary>
internal sealed record ScoredRow(
    [property: JsonPropertyName("entity")] IReadOnlyDictionary<string, JsonElement> Entity,
    [property: JsonPropertyName("outputs")] IReadOnlyDictionary<string, double>? Outputs,
    [property: JsonPropertyName("error")] string? Error,
    [property: JsonPropertyName("features")] IReadOnlyDictionary<string, JsonElement> Features);

internal sealed record EntityResponse(
    [property: JsonPropertyName("entity")] string Entity,
    [property: JsonPropertyName("key")] IReadOnlyDictionary<string, JsonElement> Key,
    [property: JsonPropertyName("found")] bool Found,
    [property: JsonPropertyName("views")] IReadOnlyList<EntityView> Views);

internal sealed record EntityView(
    [property: JsonPropertyName("view")] string View,
    [property: JsonPropertyName("source")] string Source,
    [property: JsonPropertyName("as_of")] DateTimeOffset? AsOf,
    [property: JsonPropertyName("event_timestamp")] DateTimeOffset? EventTimestamp,
    [property: JsonPropertyName("age_ms")] long? AgeMs,
    [property: JsonPropertyName("features")] IReadOnlyList<EntityFeatureValue> Features);

internal sealed record EntityFeatureValue(
    [property: JsonPropertyName("name")] string Name,
    [property: JsonPropertyName("value")] JsonElement Value,
    [property: JsonPropertyName("status")] string Status);

internal sealed record ServerMetadata(
    [property: JsonPropertyName("name")] string Name,
    [property: JsonPropertyName("version")] string Version,
    [property: JsonPropertyName("extensions")] IReadOnlyList<string> Extensions);

internal sealed record ServerLive([property: JsonPropertyName("live")] bool Live);

internal sealed record ServerReady([property: JsonPropertyName("ready")] bool Ready);

internal sealed record ModelReady([property: JsonPropertyName("name")] string Name, [property: JsonPropertyName("ready")] bool Ready);

internal sealed record ModelDescription(
    [property: JsonPropertyName("name")] string Name,
    [property: JsonPropertyName("versions")] IReadOnlyList<string> Versions,
    [property: JsonPropertyName("platform")] string Platform,
    [property: JsonPropertyName("inputs")] IReadOnlyList<TensorDescription> Inputs,
    [property: JsonPropertyName("outputs")] IReadOnlyList<TensorDescription> Outputs);

internal sealed record TensorDescription(
    [property: JsonPropertyName("name")] string Name,
    [property: JsonPropertyName("datatype")] string Datatype,
    [property: JsonPropertyName("shape")] IReadOnlyList<long> Shape);

/// <summary>Elements in row-major order, flat or nested as the shape is.</summary>
internal sealed record Tensor(
    [property: JsonPropertyName("name")] string Name,
    [property: JsonPropertyName("datatype")] string Datatype,
    [property: JsonPropertyName("shape")] IReadOnlyList<long> Shape,
    [property: JsonPropertyName("data")] IReadOnlyList<JsonElement> Data);

internal sealed record InferRequest(
    [property: JsonPropertyName("inputs")] IReadOnlyList<Tensor> Inputs,
    [property: JsonPropertyName("id")] string? Id = null,
    [property: JsonPropertyName("outputs")] IReadOnlyList<OutputName>? Outputs = null);

internal sealed record OutputName([property: JsonPropertyName("name")] string Name);

internal sealed record InferResponse(
    [property: JsonPropertyName("model_name")] string ModelName,
    [property: JsonPropertyName("model_version")] string ModelVersion,
    [property: JsonPropertyName("id")] string? Id,
    [property: JsonPropertyName("outputs")] IReadOnlyList<Tensor> Outputs);

internal sealed record DefinitionsResponse(
    [property: JsonPropertyName("project")] string Project,
    [property: JsonPropertyName("sources")] IReadOnlyList<JsonElement> Sources,
    [property: JsonPropertyName("entities")] IReadOnlyList<JsonElement> Entities,
    [property: JsonPropertyName("feature_views")] IReadOnlyList<JsonElement> FeatureViews,
    [property: JsonPropertyName("feature_services")] IReadOnlyList<JsonElement> FeatureServices,
    [property: JsonPropertyName("models")] IReadOnlyList<JsonElement> Models);

internal sealed record StatusResponse(
    [property: JsonPropertyName("project")] string Project,
    [property: JsonPropertyName("phase")] string Phase,
    [property: JsonPropertyName("ready")] bool Ready,
    [property: JsonPropertyName("detail")] string? Detail,
    [property: JsonPropertyName("time")] DateTimeOffset Time,
    [property: JsonPropertyName("events_per_second")] double EventsPerSecond,
    [property: JsonPropertyName("lag_records")] long LagRecords,
    [property: JsonPropertyName("sources")] IReadOnlyList<SourceState> Sources,
    [property: JsonPropertyName("checkpoint")] CheckpointState? Checkpoint,
    [property: JsonPropertyName("publish")] PublishState? Publish,
    [property: JsonPropertyName("dead_letters")] DeadLetterCount DeadLetters,
    [property: JsonPropertyName("models")] IReadOnlyList<ModelState> Models,
    [property: JsonPropertyName("slice_count")] int? SliceCount = null,
    [property: JsonPropertyName("slices")] IReadOnlyList<int>? Slices = null);

internal sealed record SourceState(
    [property: JsonPropertyName("name")] string Name,
    [property: JsonPropertyName("topic")] string Topic,
    [property: JsonPropertyName("stream_time")] DateTimeOffset? StreamTime,
    [property: JsonPropertyName("partitions")] IReadOnlyList<PartitionState> Partitions);

/// <summary>States: active, idle (at its end), held_back (waits for a slower partition), paused (its queue is full).</summary>
internal sealed record PartitionState(
    [property: JsonPropertyName("partition")] int Partition,
    [property: JsonPropertyName("state")] string State,
    [property: JsonPropertyName("position")] long Position,
    [property: JsonPropertyName("end_offset")] long? EndOffset,
    [property: JsonPropertyName("lag_records")] long LagRecords,
    [property: JsonPropertyName("lag_ms")] long LagMs,
    [property: JsonPropertyName("freshness_ms")] long? FreshnessMs,
    [property: JsonPropertyName("events_per_second")] double EventsPerSecond);

internal sealed record CheckpointState(
    [property: JsonPropertyName("sequence")] long Sequence,
    [property: JsonPropertyName("time")] DateTimeOffset Time,
    [property: JsonPropertyName("age_ms")] long AgeMs,
    [property: JsonPropertyName("size_bytes")] long SizeBytes,
    [property: JsonPropertyName("duration_ms")] double DurationMs);

internal sealed record PublishState(
    [property: JsonPropertyName("p50_ms")] double P50Ms,
    [property: JsonPropertyName("p99_ms")] double P99Ms,
    [property: JsonPropertyName("per_second")] double PerSecond);

internal sealed record DeadLetterCount([property: JsonPropertyName("total")] long Total);

internal sealed record ModelState(
    [property: JsonPropertyName("name")] string Name,
    [property: JsonPropertyName("service")] string Service,
    [property: JsonPropertyName("on")] string? On,
    [property: JsonPropertyName("ready")] bool Ready,
    [property: JsonPropertyName("version")] string? Version,
    [property: JsonPropertyName("platform")] string? Platform);

internal sealed record SilosResponse([property: JsonPropertyName("silos")] IReadOnlyList<SiloState> Silos);

/// <summary>One that has never answered has address, self and problem only.</summary>
internal sealed record SiloState(
    [property: JsonPropertyName("address")] string Address,
    [property: JsonPropertyName("self")] bool Self,
    [property: JsonPropertyName("problem")] string? Problem,
    [property: JsonPropertyName("time")] DateTimeOffset? Time,
    [property: JsonPropertyName("age_ms")] long? AgeMs,
    [property: JsonPropertyName("name")] string? Name,
    [property: JsonPropertyName("roles")] IReadOnlyList<string>? Roles,
    [property: JsonPropertyName("version")] string? Version,
    [property: JsonPropertyName("start")] DateTimeOffset? Start,
    [property: JsonPropertyName("phase")] string? Phase,
    [property: JsonPropertyName("ready")] bool? Ready,
    [property: JsonPropertyName("ingests")] IReadOnlyList<IngestedPart>? Ingests,
    [property: JsonPropertyName("definitions")] string? Definitions,
    [property: JsonPropertyName("calls")] string? Calls,
    [property: JsonPropertyName("feature_services")] IReadOnlyList<SiloService>? FeatureServices,
    [property: JsonPropertyName("entities")] IReadOnlyList<ActiveEntities>? Entities,
    [property: JsonPropertyName("memory")] SiloMemory? Memory,
    [property: JsonPropertyName("differs")] IReadOnlyList<string>? Differs,
    [property: JsonPropertyName("slice_count")] int? SliceCount = null,
    [property: JsonPropertyName("slices")] IReadOnlyList<int>? Slices = null);

internal sealed record IngestedPart([property: JsonPropertyName("source")] string Source, [property: JsonPropertyName("partitions")] IReadOnlyList<int> Partitions);

internal sealed record SiloService([property: JsonPropertyName("name")] string Name, [property: JsonPropertyName("models")] IReadOnlyList<SiloModel> Models);

/// <summary>The hash is of the model's file and those of its weights.</summary>
internal sealed record SiloModel(
    [property: JsonPropertyName("name")] string Name,
    [property: JsonPropertyName("version")] string? Version,
    [property: JsonPropertyName("sha256")] string? Sha256);

internal sealed record ActiveEntities(
    [property: JsonPropertyName("entity")] string Entity,
    [property: JsonPropertyName("active")] long Active,
    [property: JsonPropertyName("size_bytes")] long SizeBytes);

internal sealed record SiloMemory(
    [property: JsonPropertyName("used_bytes")] long UsedBytes,
    [property: JsonPropertyName("limit_bytes")] long LimitBytes,
    [property: JsonPropertyName("managed_bytes")] long ManagedBytes,
    [property: JsonPropertyName("shedding")] bool Shedding);

internal sealed record DeadLettersResponse(
    [property: JsonPropertyName("total")] long Total,
    [property: JsonPropertyName("dead_letters")] IReadOnlyList<DeadLetterEntry> DeadLetters);

/// <summary>Bytes that are no UTF-8 come as key_base64 and value_base64.</summary>
internal sealed record DeadLetterEntry(
    [property: JsonPropertyName("time")] DateTimeOffset Time,
    [property: JsonPropertyName("source")] string Source,
    [property: JsonPropertyName("position")] string Position,
    [property: JsonPropertyName("rule")] string Rule,
    [property: JsonPropertyName("reason")] string Reason,
    [property: JsonPropertyName("key")] string? Key,
    [property: JsonPropertyName("value")] string? Value,
    [property: JsonPropertyName("value_base64")] string? ValueBase64,
    [property: JsonPropertyName("value_length")] int ValueLength);

internal sealed record HealthResponse([property: JsonPropertyName("status")] string Status);

/// <summary>A problem document (RFC 9457).</summary>
internal sealed record Problem(
    [property: JsonPropertyName("type")] string Type,
    [property: JsonPropertyName("title")] string Title,
    [property: JsonPropertyName("status")] int Status,
    [property: JsonPropertyName("detail")] string Detail,
    [property: JsonPropertyName("instance")] string Instance,
    [property: JsonPropertyName("line")] long? Line,
    [property: JsonPropertyName("byte")] long? Byte);
