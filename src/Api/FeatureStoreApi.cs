using FeatureStore.Api.Changes;
using FeatureStore.Api.Documentation;
using FeatureStore.Api.Features;
using FeatureStore.Api.Http;
using FeatureStore.Api.Inference;
using FeatureStore.Api.Operations;
using FeatureStore.Api.OperatorConsole;
using FeatureStore.Api.Push;
using FeatureStore.Api.Scoring;
using FeatureStore.Core.Plans;
using FeatureStore.Monitoring;
using FeatureStore.Runtime;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;

namespace FeatureStore.Api;

/// <summary>The HTTP API as a part of a host.</summary>
public static class FeatureStoreApi
{
    private static readonly string[] _getOrHead = ["GET", "HEAD"];

    /// <summary>
    /// Registers the API. The host registers <see cref="ProjectPlan"/>, <see cref="IEntityRuntime"/>, <see cref="IModelCatalog"/>, <see cref="IEventPublisher"/>,
    /// <see cref="IPipelineStatus"/>, and <see cref="IHotStore"/>, <see cref="IChangeFeed"/> and, of a cluster, <see cref="ISiloReports"/> where there is one.
    /// </summary>
    /// <exception cref="ArgumentOutOfRangeException">An option is out of range; the message names it.</exception>
    public static IServiceCollection AddFeatureStoreApi(this IServiceCollection services, Action<FeatureStoreApiOptions>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(services);
        var options = new FeatureStoreApiOptions();
        configure?.Invoke(options);
        if (options.Check() is { } problem)
            throw new ArgumentOutOfRangeException(nameof(configure), problem);
        services.AddSingleton(options);
        services.TryAddSingleton(TimeProvider.System);
        services.TryAddSingleton<IDeadLetterLog>(_ => new DeadLetterLog());
        services.TryAddSingleton(_ => new PrometheusExporter());
        services.AddSingleton<PipelineMetrics>();
        services.AddSingleton<EntityReader>();
        services.AddSingleton<FeatureCatalog>();
        services.AddSingleton<OnlineFeaturesEndpoint>();
        services.AddSingleton<ChangeHub>();
        services.AddSingleton<ChangesEndpoint>();
        services.AddSingleton<PushEndpoint>();
        services.AddSingleton<ScoreEndpoint>();
        services.AddSingleton<InferenceEndpoints>();
        services.AddSingleton<HealthEndpoints>();
        services.AddSingleton<MetricsEndpoint>();
        services.AddSingleton<EntityEndpoint>();
        services.AddSingleton<OperationsEndpoints>();
        services.TryAddSingleton<ISiloReports>(provider => new LocalSiloReports("local", new SelfReport(
            provider.GetRequiredService<ProjectPlan>(), provider.GetService<SiloIdentity>() ?? SiloIdentity.Default, provider.GetRequiredService<IPipelineStatus>(),
            provider.GetRequiredService<IModelCatalog>(), provider.GetService<IEntityCounts>() ?? provider.GetRequiredService<IEntityRuntime>() as IEntityCounts, provider.GetRequiredService<TimeProvider>())));
        services.AddSingleton<SilosEndpoint>();
        services.AddSingleton<StatusJson>();
        services.AddSingleton<StatusFeed>();
        services.AddHostedService(provider => provider.GetRequiredService<StatusFeed>());
        services.AddOpenApi(openApi => openApi.AddDocumentTransformer<DocumentTransformer>().AddOperationTransformer<OperationTransformer>());
        return services;
    }

    /// <summary>Maps every endpoint of the API and the console, with what holds for all of them. Once an application.</summary>
    public static WebApplication MapFeatureStore(this WebApplication app)
    {
        ArgumentNullException.ThrowIfNull(app);
        ProcessInstruments.Register();
        app.Services.GetRequiredService<PrometheusExporter>();
        app.Services.GetRequiredService<PipelineMetrics>();
        var middleware = ActivatorUtilities.CreateInstance<ApiMiddleware>(app.Services, app.Services.GetRequiredService<EndpointDataSource>());
        app.Use(middleware.InvokeAsync);
        MapFeatures(app);
        MapInference(app);
        MapOperations(app);
        MapConsole(app);
        app.MapOpenApi();
        return app;
    }

    private static void MapFeatures(WebApplication app)
    {
        Post(app, "/get-online-features", app.Services.GetRequiredService<OnlineFeaturesEndpoint>().HandleAsync, ApiOperations.OnlineFeatures);
        Get(app, "/v1/changes", app.Services.GetRequiredService<ChangesEndpoint>().HandleAsync, ApiOperations.Changes).WithMetadata(new LongLived());
        Post(app, "/push", app.Services.GetRequiredService<PushEndpoint>().HandleAsync, ApiOperations.Push);
        Post(app, "/v1/models/{model}/score", app.Services.GetRequiredService<ScoreEndpoint>().HandleAsync, ApiOperations.Score);
        var entity = app.Services.GetRequiredService<EntityEndpoint>();
        Get(app, "/v1/entities/{entity}", entity.HandleAsync, ApiOperations.EntityByQuery);
        Get(app, "/v1/entities/{entity}/{key}", entity.HandleAsync, ApiOperations.Entity);
        Delete(app, "/v1/entities/{entity}", entity.EraseAsync, ApiOperations.EraseEntityByQuery);
        Delete(app, "/v1/entities/{entity}/{key}", entity.EraseAsync, ApiOperations.EraseEntity);
    }

    private static void MapInference(WebApplication app)
    {
        var inference = app.Services.GetRequiredService<InferenceEndpoints>();
        Get(app, "/v2", inference.ServerAsync, ApiOperations.Server);
        Get(app, "/v2/health/live", inference.LiveAsync, ApiOperations.ServerLive);
        Get(app, "/v2/health/ready", inference.ReadyAsync, ApiOperations.ServerReady);
        Get(app, "/v2/models/{model}", inference.ModelAsync, ApiOperations.Model);
        Get(app, "/v2/models/{model}/ready", inference.ModelReadyAsync, ApiOperations.ModelReady);
        Post(app, "/v2/models/{model}/infer", inference.InferAsync, ApiOperations.Infer);
        Get(app, "/v2/models/{model}/versions/{version}", inference.ModelAsync, ApiOperations.ModelVersion);
        Get(app, "/v2/models/{model}/versions/{version}/ready", inference.ModelReadyAsync, ApiOperations.ModelVersionReady);
        Post(app, "/v2/models/{model}/versions/{version}/infer", inference.InferAsync, ApiOperations.VersionInfer);
    }

    private static void MapOperations(WebApplication app)
    {
        var operations = app.Services.GetRequiredService<OperationsEndpoints>();
        Get(app, "/v1/definitions", operations.DefinitionsAsync, ApiOperations.Definitions);
        Get(app, "/v1/status", operations.StatusAsync, ApiOperations.Status);
        Get(app, "/v1/silos", app.Services.GetRequiredService<SilosEndpoint>().HandleAsync, ApiOperations.Silos);
        Get(app, "/v1/dead-letters", operations.DeadLettersAsync, ApiOperations.DeadLetters);
        Get(app, "/v1/stream", app.Services.GetRequiredService<StatusFeed>().HandleAsync, ApiOperations.Stream).WithMetadata(new LongLived());
        Get(app, "/metrics", app.Services.GetRequiredService<MetricsEndpoint>().HandleAsync, ApiOperations.Metrics);
        var health = app.Services.GetRequiredService<HealthEndpoints>();
        Get(app, "/health/live", HealthEndpoints.LiveAsync, ApiOperations.Live, _getOrHead);
        Get(app, "/health/ready", health.ReadyAsync, ApiOperations.Ready, _getOrHead);
    }

    private static void MapConsole(WebApplication app)
    {
        app.MapMethods("/", _getOrHead, ConsoleEndpoints.File("index.html", "text/html; charset=utf-8"));
        app.MapMethods("/console.css", _getOrHead, ConsoleEndpoints.File("console.css", "text/css; charset=utf-8"));
        app.MapMethods("/console.js", _getOrHead, ConsoleEndpoints.File("console.js", "text/javascript; charset=utf-8"));
        app.MapMethods("/favicon.svg", _getOrHead, ConsoleEndpoints.File("favicon.svg", "image/svg+xml"));
    }

    private static void Post(WebApplication app, string route, RequestDelegate handler, ApiOperation operation) =>
        app.MapPost(route, handler).WithMetadata(handler.Method, operation);

    private static void Delete(WebApplication app, string route, RequestDelegate handler, ApiOperation operation) =>
        app.MapDelete(route, handler).WithMetadata(handler.Method, operation);

    private static IEndpointConventionBuilder Get(WebApplication app, string route, RequestDelegate handler, ApiOperation operation, string[]? methods = null) =>
        app.MapMethods(route, methods ?? ["GET"], handler).WithMetadata(handler.Method, operation);
}
