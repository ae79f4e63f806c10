using System.Text.Json;
using FeatureStore.Core.Definitions;
using FeatureStore.Core.Events;
using FeatureStore.Core.Plans;
using FeatureStore.Runtime;

namespace FeatureStore.Api.Operations;

/// <summary>Writes the pipeline's state as JSON.</summary>
internal sealed class StatusJson(ProjectPlan plan, IPipelineStatus pipeline, IDeadLetterLog deadLetters, IModelCatalog models, TimeProvider time)
{
    public PipelineStatus Current => pipeline.Current;

    public long DeadLettersTotal => deadLetters.Total;

    /// <summary>Writes one object.</summary>
    public void Write(Utf8JsonWriter writer, PipelineStatus status)
    {
        writer.WriteStartObject();
        writer.WriteString("project"u8, plan.Definition.Project);
        writer.WriteString("phase"u8, DefinitionText.Name(status.Phase));
        writer.WriteBoolean("ready"u8, status.Phase is PipelinePhase.Running);
        writer.WriteString("detail"u8, status.Detail);
        WriteTime(writer, "time"u8, status.TimeMs);
        writer.WriteNumber("events_per_second"u8, Finite(status.Sources.Sum(source => source.Partitions.Sum(partition => partition.EventsPerSecond))));
        writer.WriteNumber("lag_records"u8, status.Sources.Sum(source => source.Partitions.Sum(partition => partition.LagRecords)));
        writer.WriteStartArray("sources"u8);
        foreach (var source in status.Sources)
            WriteSource(writer, source);
        writer.WriteEndArray();
        WriteSlices(writer, status);
        WriteCheckpoint(writer, status.Checkpoint);
        WritePublish(writer, status.Publish);
        writer.WriteStartObject("dead_letters"u8);
        writer.WriteNumber("total"u8, deadLetters.Total);
        writer.WriteEndObject();
        WriteModels(writer);
        writer.WriteEndObject();
    }

    public static void WriteTime(Utf8JsonWriter writer, ReadOnlySpan<byte> name, long unixMs)
    {
        Span<byte> text = stackalloc byte[Rfc3339.Length];
        if (unixMs == long.MinValue)
        {
            writer.WriteNull(name);
            return;
        }

        Rfc3339.Write(unixMs, text);
        writer.WriteString(name, text);
    }

    /// <summary>A rate that was divided by nothing is no reason for the page to fail.</summary>
    public static double Finite(double value) => double.IsFinite(value) ? Math.Round(value, 3) : 0;

    private static void WriteSource(Utf8JsonWriter writer, SourceStatus source)
    {
        writer.WriteStartObject();
        writer.WriteString("name"u8, source.Name);
        writer.WriteString("topic"u8, source.Topic);
        WriteTime(writer, "stream_time"u8, source.StreamTimeMs);
        writer.WriteStartArray("partitions"u8);
        foreach (var partition in source.Partitions)
        {
            writer.WriteStartObject();
            writer.WriteNumber("partition"u8, partition.Partition);
            writer.WriteString("state"u8, DefinitionText.Name(partition.State));
            writer.WriteNumber("position"u8, partition.Position);
            WriteNumber(writer, "end_offset"u8, partition.EndOffset < 0 ? null : partition.EndOffset);
            writer.WriteNumber("lag_records"u8, partition.LagRecords);
            writer.WriteNumber("lag_ms"u8, partition.LagMs);
            WriteNumber(writer, "freshness_ms"u8, partition.FreshnessMs);
            writer.WriteNumber("events_per_second"u8, Finite(partition.EventsPerSecond));
            writer.WriteEndObject();
        }

        writer.WriteEndArray();
        writer.WriteEndObject();
    }

    /// <summary>Where the stream is divided, what of it this process consumes: the sources have the partitions of these slices only.</summary>
    private static void WriteSlices(Utf8JsonWriter writer, PipelineStatus status)
    {
        if (status.SliceCount == 0)
            return;
        writer.WriteNumber("slice_count"u8, status.SliceCount);
        writer.WriteStartArray("slices"u8);
        foreach (var slice in status.Slices)
            writer.WriteNumberValue(slice);
        writer.WriteEndArray();
    }

    private void WriteCheckpoint(Utf8JsonWriter writer, CheckpointStatus? checkpoint)
    {
        if (checkpoint is null)
        {
            writer.WriteNull("checkpoint"u8);
            return;
        }

        writer.WriteStartObject("checkpoint"u8);
        writer.WriteNumber("sequence"u8, checkpoint.Sequence);
        WriteTime(writer, "time"u8, checkpoint.TimeMs);
        writer.WriteNumber("age_ms"u8, time.GetUtcNow().ToUnixTimeMilliseconds() - checkpoint.TimeMs);
        writer.WriteNumber("size_bytes"u8, checkpoint.SizeBytes);
        writer.WriteNumber("duration_ms"u8, Finite(checkpoint.DurationMs));
        writer.WriteEndObject();
    }

    private static void WritePublish(Utf8JsonWriter writer, PublishStatus? publish)
    {
        if (publish is null)
        {
            writer.WriteNull("publish"u8);
            return;
        }

        writer.WriteStartObject("publish"u8);
        writer.WriteNumber("p50_ms"u8, Finite(publish.P50Ms));
        writer.WriteNumber("p99_ms"u8, Finite(publish.P99Ms));
        writer.WriteNumber("per_second"u8, Finite(publish.PerSecond));
        writer.WriteEndObject();
    }

    private void WriteModels(Utf8JsonWriter writer)
    {
        writer.WriteStartArray("models"u8);
        foreach (var model in plan.Definition.Models)
        {
            writer.WriteStartObject();
            writer.WriteString("name"u8, model.Name);
            writer.WriteString("service"u8, model.Service);
            writer.WriteString("on"u8, model.On);
            var loaded = models.TryGet(model.Name, out var served);
            writer.WriteBoolean("ready"u8, loaded);
            writer.WriteString("version"u8, served?.Version);
            writer.WriteString("platform"u8, served?.Metadata.Platform);
            writer.WriteEndObject();
        }

        writer.WriteEndArray();
    }

    private static void WriteNumber(Utf8JsonWriter writer, ReadOnlySpan<byte> name, long? value)
    {
        if (value is null)
            writer.WriteNull(name);
        else
            writer.WriteNumber(name, value.Value);
    }
}
