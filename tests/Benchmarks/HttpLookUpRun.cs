#if ORLEANS
using System.Diagnostics;
using System.Diagnostics.CodeAnalysis;
using System.Net.Http.Headers;
using System.Text;
using FeatureStore.Api;
using FeatureStore.Core.Plans;
using FeatureStore.Grains;
using FeatureStore.Grains.Placement;
using FeatureStore.Harness;
using FeatureStore.Runtime;
using FeatureStore.Runtime.Local;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace FeatureStore.Benchmarks;

/// <summary>Look-ups of a customer's features through POST /get-online-features. Clients are in this process, and share its processors.</summary>
internal static class HttpLookUpRun
{
    private const int Clients = 4;
    private static readonly TimeSpan _warmUp = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan _time = TimeSpan.FromSeconds(3);

    public static void Run(ProjectPlan plan, Transaction[] transactions)
    {
        using var local = new LocalRuntime(plan, new LocalRuntimeOptions { Shards = 1 });
        ClusterRun.Apply(plan, local, null, transactions);
        Print("local", plan, local, null, transactions);
        using var cluster = ClusterRun.Start(plan, 3, EntityPlacementPreference.Owner);
        var (runtime, checkpoints) = ClusterRun.Own(cluster);
        ClusterRun.Apply(plan, runtime, checkpoints, transactions);
        Print("from the owner's silo", plan, runtime, null, transactions);
        var other = ClusterRun.Services(cluster, 1).GetRequiredService<OrleansRuntime>();
        Wait.Until(() => other.StreamTimeMs(0) > long.MinValue, TimeSpan.FromSeconds(10), () => "The other silo does not learn of the stream.");
        Print("from another silo", plan, other, null, transactions);
        using var server = RedisServer.Start();
        Print("from Redis", plan, other, LookUpRun.HotStore(plan, server, local, transactions), transactions);
    }

    private static void Print(string name, ProjectPlan plan, IEntityRuntime runtime, IHotStore? hotStore, Transaction[] transactions)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        builder.Services.AddSingleton(plan).AddSingleton(runtime).AddSingleton<IPipelineStatus, Running>().AddSingleton<IModelCatalog, NoModels>().AddSingleton<IEventPublisher, NoEvents>().AddFeatureStoreApi();
        if (hotStore is not null)
            builder.Services.AddSingleton(hotStore);
        var app = builder.Build();
        app.MapFeatureStore();
        app.StartAsync().GetAwaiter().GetResult();
        try
        {
            var address = new Uri(new Uri(app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First()), "get-online-features");
            foreach (var width in new[] { 1, 50 })
            {
                AskFor(_warmUp);
                var cost = new Cost();
                var latencies = AskFor(_time);
                Console.WriteLine($"HTTP, {name,-21}: {latencies.Count / _time.TotalSeconds,7:N0} requests/s of {width,2} keys by {Clients} clients; {cost.CpuMicroseconds / latencies.Count,6:F1} µs of processor a request, the client's with it; {ClusterRun.Percentiles(latencies)}");

                List<double> AskFor(TimeSpan time)
                {
                    var stop = Stopwatch.GetTimestamp() + (long)(time.TotalSeconds * Stopwatch.Frequency);
                    return [.. Task.WhenAll(Enumerable.Range(1, Clients).Select(seed => Task.Run(() => AskUntilAsync(address, plan.Entities[0], transactions, width, stop, seed)))).GetAwaiter().GetResult().SelectMany(of => of)];
                }
            }
        }
        finally
        {
            app.DisposeAsync().AsTask().GetAwaiter().GetResult();
        }
    }

    private static async Task<List<double>> AskUntilAsync(Uri address, EntityPlan entity, Transaction[] transactions, int width, long stop, int seed)
    {
        var features = string.Join(',', entity.Features.Select(feature => $"\"{feature.View.Name}:{feature.Name}\""));
        var random = new Random(seed);
        using var client = new HttpClient();
        List<double> latencies = [];
        while (Stopwatch.GetTimestamp() < stop)
        {
            var keys = string.Join(',', Enumerable.Range(0, width).Select(_ => transactions[random.Next(transactions.Length)].Customer));
            using var content = new ByteArrayContent(Encoding.UTF8.GetBytes($$$"""{"features":[{{{features}}}],"entities":{"{{{entity.Keys[0].Name}}}":[{{{keys}}}]}}"""));
            content.Headers.ContentType = new MediaTypeHeaderValue("application/json");
            var start = Stopwatch.GetTimestamp();
            using var response = await client.PostAsync(address, content).ConfigureAwait(false);
            var text = await response.Content.ReadAsStringAsync().ConfigureAwait(false);
            latencies.Add(Stopwatch.GetElapsedTime(start).TotalMilliseconds);
            if (!response.IsSuccessStatusCode || text.Contains("NOT_FOUND", StringComparison.Ordinal))
                throw new InvalidOperationException($"A look-up failed: {text}");
        }

        return latencies;
    }

    private sealed class Running : IPipelineStatus
    {
        public PipelineStatus Current { get; } = new() { Phase = PipelinePhase.Running, TimeMs = 0 };
    }

    private sealed class NoModels : IModelCatalog
    {
        public IReadOnlyList<string> Models => [];

        public bool TryGet(string name, [NotNullWhen(true)] out IServedModel? model)
        {
            model = null;
            return false;
        }

        public void Dispose()
        {
        }
    }

    private sealed class NoEvents : IEventPublisher
    {
        public ValueTask PublishAsync(int source, ReadOnlyMemory<byte> key, ReadOnlyMemory<byte> value, CancellationToken cancellationToken) => throw new NotSupportedException();
    }
}
#endif
