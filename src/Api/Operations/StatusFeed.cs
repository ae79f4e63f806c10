using System.Buffers;
using System.Text.Json;
using FeatureStore.Runtime;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace FeatureStore.Api.Operations;

/// <summary>
/// Samples the pipeline every second, keeps the samples of the last five minutes, and sends them to the console as server-sent events: first <c>history</c>,
/// then <c>status</c> every second. All clients share each second's bytes; a slow client skips seconds.
/// </summary>
internal sealed partial class StatusFeed(
    StatusJson json, FeatureStoreApiOptions options, TimeProvider time, IHostApplicationLifetime lifetime, ILogger<StatusFeed> logger) : BackgroundService
{
    public const int SamplesMax = 300;

    private readonly Lock _lock = new();
    private readonly Queue<Sample> _samples = new(SamplesMax);
    private Frame _frame = new([]);
    private int _clients;

    /// <summary><c>GET /v1/stream</c>.</summary>
    public async Task HandleAsync(HttpContext context)
    {
        if (Interlocked.Increment(ref _clients) > options.StreamClientsMax)
        {
            Interlocked.Decrement(ref _clients);
            throw new Http.ApiException(503, "too-many-clients", $"The stream has {options.StreamClientsMax} clients already. Read \"/v1/status\" instead, or close a console.") { RetryAfterSeconds = 10 };
        }

        ApiInstruments.StreamClients.Enter();
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted, lifetime.ApplicationStopping);
        try
        {
            await SendAsync(context, stop.Token);
        }
        catch (OperationCanceledException)
        {
            // The client left, or the server stops.
        }
        finally
        {
            Interlocked.Decrement(ref _clients);
            ApiInstruments.StreamClients.Leave();
        }
    }

    /// <summary>Takes a sample and wakes the clients.</summary>
    public void Sample()
    {
        var status = json.Current;
        var sample = Operations.Sample.Of(status, time.GetUtcNow().ToUnixTimeMilliseconds(), json.DeadLettersTotal);
        var bytes = Event("status", writer =>
        {
            writer.WriteStartObject();
            writer.WritePropertyName("sample"u8);
            sample.Write(writer);
            writer.WritePropertyName("status"u8);
            json.Write(writer, status);
            writer.WriteEndObject();
        });
        Frame previous;
        lock (_lock)
        {
            if (_samples.Count == SamplesMax)
                _samples.Dequeue();
            _samples.Enqueue(sample);
            previous = _frame;
            _frame = new Frame(bytes);
        }

        previous.Replaced.SetResult();
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(TimeSpan.FromSeconds(1), time);
        try
        {
            do
                TrySample();
            while (await timer.WaitForNextTickAsync(stoppingToken));
        }
        catch (OperationCanceledException)
        {
            // The server stops.
        }
    }

    /// <summary>A status that cannot be had leaves a gap in the curves; it must not stop the host.</summary>
    private void TrySample()
    {
        try
        {
            Sample();
        }
        catch (Exception exception)
        {
            LogSampleFailed(logger, exception);
        }
    }

    private async Task SendAsync(HttpContext context, CancellationToken cancellationToken)
    {
        context.Features.Get<IHttpResponseBodyFeature>()?.DisableBuffering();
        context.Response.ContentType = "text/event-stream";
        var frame = Current(out var history);
        await context.Response.Body.WriteAsync(history, cancellationToken);
        while (true)
        {
            await context.Response.Body.WriteAsync(frame.Bytes, cancellationToken);
            await context.Response.Body.FlushAsync(cancellationToken);
            await frame.Replaced.Task.WaitAsync(cancellationToken);
            lock (_lock)
                frame = _frame;
        }
    }

    private Frame Current(out byte[] history)
    {
        Sample[] samples;
        Frame frame;
        lock (_lock)
        {
            samples = [.. _samples];
            frame = _frame;
        }

        history = Event("history", writer =>
        {
            writer.WriteStartArray();
            foreach (var sample in samples)
                sample.Write(writer);
            writer.WriteEndArray();
        });
        return frame;
    }

    private static byte[] Event(string name, Action<Utf8JsonWriter> write)
    {
        var buffer = new ArrayBufferWriter<byte>(4096);
        buffer.Write(System.Text.Encoding.UTF8.GetBytes($"event: {name}\ndata: "));
        using (var writer = new Utf8JsonWriter(buffer))
            write(writer);
        buffer.Write("\n\n"u8);
        return buffer.WrittenSpan.ToArray();
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "The pipeline's status could not be read")]
    private static partial void LogSampleFailed(ILogger logger, Exception exception);

    /// <summary>What is sent for one second.</summary>
    private sealed record Frame(byte[] Bytes)
    {
        public TaskCompletionSource Replaced { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }
}

/// <summary>One second of the pipeline, for curves: sums over partitions, and the worst of them for times.</summary>
internal readonly record struct Sample(
    long TimeMs, double EventsPerSecond, long LagRecords, long LagMs, long? FreshnessMs, double? PublishP50Ms, double? PublishP99Ms, long DeadLetters)
{
    public static Sample Of(PipelineStatus status, long timeMs, long deadLetters)
    {
        var partitions = status.Sources.SelectMany(source => source.Partitions).ToList();
        return new Sample(
            timeMs,
            StatusJson.Finite(partitions.Sum(partition => partition.EventsPerSecond)),
            partitions.Sum(partition => partition.LagRecords),
            partitions.Select(partition => partition.LagMs).DefaultIfEmpty().Max(),
            partitions.Max(partition => partition.FreshnessMs),
            status.Publish?.P50Ms,
            status.Publish?.P99Ms,
            deadLetters);
    }

    public void Write(Utf8JsonWriter writer)
    {
        writer.WriteStartObject();
        writer.WriteNumber("t"u8, TimeMs);
        writer.WriteNumber("events_per_second"u8, EventsPerSecond);
        writer.WriteNumber("lag_records"u8, LagRecords);
        writer.WriteNumber("lag_ms"u8, LagMs);
        WriteNumber(writer, "freshness_ms"u8, FreshnessMs);
        WriteNumber(writer, "publish_p50_ms"u8, PublishP50Ms);
        WriteNumber(writer, "publish_p99_ms"u8, PublishP99Ms);
        writer.WriteNumber("dead_letters"u8, DeadLetters);
        writer.WriteEndObject();
    }

    private static void WriteNumber(Utf8JsonWriter writer, ReadOnlySpan<byte> name, double? value)
    {
        if (value is null)
            writer.WriteNull(name);
        else
            writer.WriteNumber(name, StatusJson.Finite(value.Value));
    }
}
