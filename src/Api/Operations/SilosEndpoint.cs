using System.Text.Json;
using FeatureStore.Api.Http;
using FeatureStore.Core.Definitions;
using FeatureStore.Runtime;
using Microsoft.AspNetCore.Http;

namespace FeatureStore.Api.Operations;

/// <summary><c>GET /v1/silos</c>: what each silo runs, and in what it differs from the one that answers.</summary>
internal sealed class SilosEndpoint(ISiloReports reports, TimeProvider time)
{
    public async Task HandleAsync(HttpContext context)
    {
        var rows = await reports.ReadAsync(context.RequestAborted);
        var self = rows.FirstOrDefault(row => row.IsSelf)?.Report;
        await JsonAnswer.SendAsync(context, writer =>
        {
            writer.WriteStartObject();
            writer.WriteStartArray("silos"u8);
            foreach (var row in rows)
                Write(writer, row, self);
            writer.WriteEndArray();
            writer.WriteEndObject();
        });
    }

    private void Write(Utf8JsonWriter writer, SiloRow row, SiloReport? self)
    {
        writer.WriteStartObject();
        writer.WriteString("address"u8, row.Address);
        writer.WriteBoolean("self"u8, row.IsSelf);
        writer.WriteString("problem"u8, row.Problem);
        if (row.Report is { } report)
            Write(writer, report, self);
        writer.WriteEndObject();
    }

    private void Write(Utf8JsonWriter writer, SiloReport report, SiloReport? self)
    {
        StatusJson.WriteTime(writer, "time"u8, report.TimeMs);
        writer.WriteNumber("age_ms"u8, Math.Max(0, time.GetUtcNow().ToUnixTimeMilliseconds() - report.TimeMs));
        writer.WriteString("name"u8, report.Name);
        WriteList(writer, "roles"u8, report.Roles);
        writer.WriteString("version"u8, report.Version);
        StatusJson.WriteTime(writer, "start"u8, report.StartMs);
        writer.WriteString("phase"u8, DefinitionText.Name(report.Phase));
        writer.WriteBoolean("ready"u8, report.Phase is PipelinePhase.Running);
        writer.WriteStartArray("ingests"u8);
        foreach (var source in report.Ingests)
        {
            writer.WriteStartObject();
            writer.WriteString("source"u8, source.Source);
            writer.WriteStartArray("partitions"u8);
            foreach (var partition in source.Partitions)
                writer.WriteNumberValue(partition);
            writer.WriteEndArray();
            writer.WriteEndObject();
        }

        writer.WriteEndArray();
        if (report.SliceCount > 0)
        {
            writer.WriteNumber("slice_count"u8, report.SliceCount);
            writer.WriteStartArray("slices"u8);
            foreach (var slice in report.Slices)
                writer.WriteNumberValue(slice);
            writer.WriteEndArray();
        }

        writer.WriteString("definitions"u8, report.Definitions);
        writer.WriteString("calls"u8, report.Calls);
        writer.WriteStartArray("feature_services"u8);
        foreach (var service in report.Services)
            Write(writer, service);
        writer.WriteEndArray();
        writer.WriteStartArray("entities"u8);
        foreach (var count in report.Entities)
        {
            writer.WriteStartObject();
            writer.WriteString("entity"u8, count.Entity);
            writer.WriteNumber("active"u8, count.Active);
            writer.WriteNumber("size_bytes"u8, count.SizeBytes);
            writer.WriteEndObject();
        }

        writer.WriteEndArray();
        writer.WriteStartObject("memory"u8);
        writer.WriteNumber("used_bytes"u8, report.Memory.UsedBytes);
        writer.WriteNumber("limit_bytes"u8, report.Memory.LimitBytes);
        writer.WriteNumber("managed_bytes"u8, report.Memory.ManagedBytes);
        writer.WriteBoolean("shedding"u8, report.Memory.IsShedding);
        writer.WriteEndObject();
        WriteList(writer, "differs"u8, self is null ? [] : Differences(report, self));
    }

    private static void Write(Utf8JsonWriter writer, ServiceReport service)
    {
        writer.WriteStartObject();
        writer.WriteString("name"u8, service.Name);
        writer.WriteStartArray("models"u8);
        foreach (var model in service.Models)
        {
            writer.WriteStartObject();
            writer.WriteString("name"u8, model.Name);
            writer.WriteString("version"u8, model.Version);
            writer.WriteString("sha256"u8, model.Sha256);
            writer.WriteEndObject();
        }

        writer.WriteEndArray();
        writer.WriteEndObject();
    }

    private static IEnumerable<string> Differences(SiloReport report, SiloReport self)
    {
        if (report.Version != self.Version)
            yield return "version";
        if (report.Definitions != self.Definitions)
            yield return "definitions";
        if (report.Calls != self.Calls)
            yield return "calls";
        if (!Models(report).SequenceEqual(Models(self)))
            yield return "models";
    }

    private static IEnumerable<(string Service, ModelReport Model)> Models(SiloReport report) =>
        report.Services.SelectMany(service => service.Models.Select(model => (service.Name, model))).OrderBy(pair => pair.model.Name, StringComparer.Ordinal);

    private static void WriteList(Utf8JsonWriter writer, ReadOnlySpan<byte> name, IEnumerable<string> texts)
    {
        writer.WriteStartArray(name);
        foreach (var text in texts)
            writer.WriteStringValue(text);
        writer.WriteEndArray();
    }
}
