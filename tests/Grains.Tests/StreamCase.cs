using System.Globalization;
using System.Text;
using FeatureStore.Core.Definitions;
using FeatureStore.Core.Events;
using FeatureStore.Core.Plans;
using FeatureStore.Core.Vectors;
using FeatureStore.Grains.Persistence;
using FeatureStore.Runtime;
using FeatureStore.Runtime.Tests;

namespace FeatureStore.Grains.Tests;

/// <summary>A stream that can be applied from any batch on, and says what it gives.</summary>
internal abstract class StreamCase
{
    public abstract ProjectPlan Plan { get; }

    public abstract int Count { get; }

    /// <summary>The events of a batch, and their source.</summary>
    public abstract (int Source, EventBatch Events) Batch(int batch);

    /// <summary>Applies a batch.</summary>
    /// <returns>All that ingest would publish of it.</returns>
    public abstract string Apply(IEntityRuntime runtime, int batch);

    /// <summary>Whether somebody erases an entity before a batch is applied for the first time.</summary>
    public virtual bool Erases(int batch) => false;

    public virtual void Erase(IEntityRuntime runtime, int batch) => throw new NotSupportedException();

    /// <summary>Every entity of the stream.</summary>
    public abstract IEnumerable<(int Entity, string Key)> Entities();

    /// <summary>Whether offsets are beyond those of the batches before one.</summary>
    public virtual bool IsBeyond(AppliedOffsets offsets, int published) => false;
}

/// <summary>Two sources, two entities: nothing depends on anything else.</summary>
internal sealed class PlainCase : StreamCase
{
    private const int EventsMax = 150;
    private readonly List<TestBatch> _batches;
    private readonly ClusterPlan _plan = new(TestProject.Plan);
    private readonly PlainRuntime _plain = new(TestProject.Plan);

    public PlainCase(int seed, int batches)
    {
        _batches = [.. TestProject.Batches(seed, batches, EventsMax)];
        foreach (var batch in _batches)
            _plain.Apply(batch);
    }

    public override ProjectPlan Plan => TestProject.Plan;

    public override int Count => _batches.Count;

    public override (int Source, EventBatch Events) Batch(int batch) => (_batches[batch].Apply.Source, _batches[batch].Events);

    public override string Apply(IEntityRuntime runtime, int batch)
    {
        _batches[batch].ResetVectors();
        runtime.Apply(_batches[batch]);
        return string.Join(' ', _batches[batch].Values().Select(value => value.ToString("R", CultureInfo.InvariantCulture)));
    }

    public override IEnumerable<(int Entity, string Key)> Entities() => _plain.Blocks.Keys;

    public override bool IsBeyond(AppliedOffsets offsets, int published) =>
        _batches.Skip(published).Any(batch => batch.Events.Count > 0 && offsets.Next(_plan.SourceIds[batch.Apply.Source], 0, 0) > batch.Events[0].Offset);
}

/// <summary>
/// Impressions and clicks are joined; each click takes along how many impressions its user had, and goes to its ad. So a user that is ahead of the stream shows in the ads, and a
/// pair that is made twice, or never, in the users. Ads are erased now and then, each twice.
/// </summary>
internal sealed class DependentCase : StreamCase
{
    private readonly List<JoinCase.SideBatch> _batches;
    private readonly bool _erases;

    public DependentCase(int seed, int batches, bool erases = true) => (_batches, _erases) = ([.. JoinCase.Batches(Plan, seed, batches)], erases);

    public override ProjectPlan Plan { get; } = TestProject.Compile(Definition());

    public override int Count => _batches.Count;

    public override (int Source, EventBatch Events) Batch(int batch) => (_batches[batch].Side, _batches[batch].Events);

    public override string Apply(IEntityRuntime runtime, int batch)
    {
        var (side, events, _) = _batches[batch];
        var vectors = Plan.ServicesOn(Plan.Sources[side]).Select(service => new VectorBatch(service)).ToArray();
        foreach (var vector in vectors)
            vector.Reset(events.Count);
        var joined = new EventBatch(Plan.Sources[JoinCase.Joined].Schema);
        runtime.ApplyAsync(new ApplyBatch(side, events, vectors, [joined]), CancellationToken.None).AsTask().GetAwaiter().GetResult();
        runtime.ApplyAsync(new ApplyBatch(JoinCase.Joined, joined, []), CancellationToken.None).AsTask().GetAwaiter().GetResult();
        var text = new StringBuilder();
        for (var row = 0; row < joined.Count; row++)
            text.AppendLine(JoinCase.Text(Plan.Sources[JoinCase.Joined], joined, row, Plan));
        foreach (var vector in vectors)
        {
            for (var row = 0; row < events.Count; row++)
                text.AppendLine(string.Join(' ', vector.Row(row).ToArray().Select(value => value.ToString("R", CultureInfo.InvariantCulture))));
        }

        return text.ToString();
    }

    public override bool Erases(int batch) => _erases && batch % 15 == 7;

    public override void Erase(IEntityRuntime runtime, int batch) => runtime.EraseAsync(1, Ad(batch / 30 % 3), CancellationToken.None).AsTask().GetAwaiter().GetResult();

    public override IEnumerable<(int Entity, string Key)> Entities() =>
        Enumerable.Range(0, 4).Select(user => (0, EnrichmentCase.Int64Key(user))).Concat(Enumerable.Range(0, 3).Select(ad => (1, Convert.ToHexString(Ad(ad)))));

    private static byte[] Ad(int ad)
    {
        var text = Encoding.UTF8.GetBytes($"ad \"{ad}");
        return [(byte)(text.Length >> 8), (byte)text.Length, .. text];
    }

    private static ProjectDefinition Definition()
    {
        var of = JoinCase.Definition(JoinUnmatched.Both, 1000);
        return of with
        {
            Sources =
            [
                of.Sources[0],
                of.Sources[1] with { Enrich = [new() { Feature = "seen:n", As = "SEEN" }] },
                of.Sources[2],
            ],
            Entities = [of.Entities[0], new EntityDefinition { Name = "ad", Keys = ["AD"] }],
            FeatureViews =
            [
                of.FeatureViews[0],
                new() { Name = "seen", Entity = "user", Source = "impressions", Features = [new() { Name = "n", Aggregate = Aggregate.Count }] },
                new()
                {
                    Name = "ads",
                    Entity = "ad",
                    Source = "clicks",
                    Features = [new() { Name = "seen", Aggregate = Aggregate.Sum, Of = "SEEN" }],
                },
            ],
            FeatureServices =
            [
                new()
                {
                    Name = "clicks",
                    Request = [],
                    Features = [.. new[] { "users:all", "users:paid", "seen:n", "ads:seen" }.Select(feature => new ServiceFeatureDefinition { Name = feature.Replace(':', '_'), Feature = feature })],
                },
            ],
            Models = [new() { Name = "clicks", Service = "clicks", Entity = "user", On = "clicks", Sink = new SinkDefinition { Topic = "predictions" } }],
        };
    }
}
