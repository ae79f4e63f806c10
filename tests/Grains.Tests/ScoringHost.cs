using System.Globalization;
using System.Text;
using FeatureStore.Api;
using FeatureStore.Core.Plans;
using FeatureStore.Runtime;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace FeatureStore.Grains.Tests;

/// <summary>The HTTP API of one silo, with a model of its own.</summary>
internal sealed class ScoringHost : IAsyncDisposable
{
    private readonly WebApplication _app;
    private readonly HttpClient _client;

    private ScoringHost(WebApplication app)
    {
        _app = app;
        _client = new HttpClient { BaseAddress = new Uri(app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First()) };
    }

    public static async Task<ScoringHost> StartAsync(ProjectPlan plan, IEntityRuntime runtime, string version)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        builder.Services
            .AddSingleton(plan)
            .AddSingleton(runtime)
            .AddSingleton<IModelCatalog>(new Catalog(new FakeModel("risk", version, version, plan.Services.Single(service => service.Name == "risk"))))
            .AddSingleton<IPipelineStatus>(new Running())
            .AddSingleton<IEventPublisher>(new NoPublisher())
            .AddFeatureStoreApi();
        var app = builder.Build();
        app.MapFeatureStore();
        await app.StartAsync();
        return new ScoringHost(app);
    }

    /// <summary>Scores 5 of a customer.</summary>
    public async Task<(int Status, string Text)> ScoreAsync(long customer)
    {
        using var body = new StringContent($$"""{"CUSTOMER":{{customer.ToString(CultureInfo.InvariantCulture)}},"DEVICE":"none","AMOUNT":5}""", Encoding.UTF8, "application/json");
        using var response = await _client.PostAsync(new Uri("/v1/models/risk/score", UriKind.Relative), body);
        return ((int)response.StatusCode, await response.Content.ReadAsStringAsync());
    }

    public async ValueTask DisposeAsync()
    {
        _client.Dispose();
        await _app.DisposeAsync();
    }

    private sealed class Running : IPipelineStatus
    {
        public PipelineStatus Current => new() { Phase = PipelinePhase.Running, TimeMs = 0 };
    }

    private sealed class NoPublisher : IEventPublisher
    {
        public ValueTask PublishAsync(int source, ReadOnlyMemory<byte> key, ReadOnlyMemory<byte> value, CancellationToken cancellationToken) => throw new NotSupportedException();
    }
}
