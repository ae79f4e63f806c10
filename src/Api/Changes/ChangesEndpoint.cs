using System.Globalization;
using FeatureStore.Api.Features;
using FeatureStore.Api.Http;
using FeatureStore.Core.Plans;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Hosting;

namespace FeatureStore.Api.Changes;

/// <summary><c>GET /v1/changes</c>: features of entities that change, as server-sent events.</summary>
internal sealed class ChangesEndpoint(
    ProjectPlan plan, ChangeHub hub, FeatureCatalog catalog, EntityReader entities, FeatureStoreApiOptions options, TimeProvider time, IHostApplicationLifetime lifetime)
{
    /// <summary>How long the last event of a server that stops may take.</summary>
    private static readonly TimeSpan _endTimeout = TimeSpan.FromSeconds(1);

    private readonly ChangeQuery _query = new(plan, catalog, options);
    private int _clients;

    public async Task HandleAsync(HttpContext context)
    {
        if (!hub.IsOffered)
            throw new ApiException(501, "no-changes", "This server does not tell of changes. Read \"/get-online-features\" from time to time instead.");
        var selection = _query.Read(context.Request.Query);
        if (Interlocked.Increment(ref _clients) > options.ChangeClientsMax)
        {
            Interlocked.Decrement(ref _clients);
            throw new ApiException(503, "too-many-clients", $"There are {options.ChangeClientsMax} subscribers to changes already. Try again later, or at another server.") { RetryAfterSeconds = 10 };
        }

        ApiInstruments.ChangeClients.Enter();
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted, lifetime.ApplicationStopping);
        try
        {
            await SendAsync(context, selection, stop.Token);
        }
        finally
        {
            Interlocked.Decrement(ref _clients);
            ApiInstruments.ChangeClients.Leave();
        }
    }

    private async Task SendAsync(HttpContext context, ChangeSelection selection, CancellationToken cancellationToken)
    {
        var lastId = context.Request.Headers["Last-Event-ID"].ToString();
        using var changes = await hub.OpenAsync(selection, Number(lastId), cancellationToken);
        using var stream = new EventStream(context.Response);
        try
        {
            await new ChangeSubscriber(hub, changes, entities, stream, options, time).RunAsync(isBack: lastId.Length > 0, cancellationToken);
        }
        catch (OperationCanceledException) when (lifetime.ApplicationStopping.IsCancellationRequested && !context.RequestAborted.IsCancellationRequested)
        {
            using var timeout = new CancellationTokenSource(_endTimeout);
            try
            {
                await stream.WriteAsync("end", writer =>
                {
                    writer.WriteStartObject();
                    writer.WriteString("reason"u8, "The server stops."u8);
                    writer.WriteEndObject();
                }, timeout.Token);
                await stream.EndAsync($"{hub.Numbering}-{changes.Position}", timeout.Token);
            }
            catch (OperationCanceledException)
            {
                // The client does not listen.
            }
        }
        catch (OperationCanceledException)
        {
            // The client has left.
        }
    }

    /// <summary>The number in an id that this server gave; null where another did.</summary>
    private long? Number(string id) =>
        id.Length > hub.Numbering.Length + 1 && id.StartsWith(hub.Numbering, StringComparison.Ordinal) && id[hub.Numbering.Length] == '-'
            && long.TryParse(id.AsSpan(hub.Numbering.Length + 1), NumberStyles.None, CultureInfo.InvariantCulture, out var number)
            ? number : null;
}
