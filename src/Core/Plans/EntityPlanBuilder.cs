using System.Buffers.Binary;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using FeatureStore.Core.Blocks;
using FeatureStore.Core.Definitions;
using FeatureStore.Core.Expressions;

namespace FeatureStore.Core.Plans;

/// <summary>Lays out an entity's block from the definitions of its views.</summary>
internal sealed class EntityPlanBuilder
{
    private readonly StringBuilder _description = new();

    public EntityPlanBuilder(int index, EntityDefinition definition, ProjectDefinition project, IReadOnlyList<SourcePlan> sources)
    {
        Index = index;
        Definition = definition;
        var views = project.FeatureViews.Where(view => view.Entity == definition.Name).ToList();
        ViewCount = views.Count;
        Features = [.. views.SelectMany(view => view.Features.Select(feature => new EntityFeature(view, feature with { Window = feature.Window is WindowDefinition.Sliding && feature.Aggregate is <= Aggregate.Max or Aggregate.Last ? feature.Window : null }) { Kind = KindOf(view, feature, sources) }))];
        ViewOfFeature = [.. Features.Select(feature => views.IndexOf(feature.View))];
        Readers = new FeatureReader[Features.Count];
        Routes = new EntityRoute?[sources.Count];
        FixedSize = 8 * ViewCount;

        var first = sources.First(source => views.Count == 0 || source.Definition.Name == views[0].Source);
        Keys = [.. definition.Keys.Select(key => first.Schema.IndexOf(key) is >= 0 and var field
            ? first.Schema.Fields[field] : new FieldDefinition(key, FieldType.Int64))];
        Describe($"entity {definition.Name}({string.Join(',', Keys)})");

        List<Ring> rings = [];
        List<Accumulator> accumulators = [];
        foreach (var source in sources)
        {
            var fed = views.Where(view => view.Source == source.Definition.Name).ToList();
            if (fed.Count == 0)
                continue;
            Describe($"source {source.Definition.Name} views {string.Join(',', fed.Select(view => $"{view.Name}@{views.IndexOf(view)}"))}");
            var groups = Enumerable.Range(0, Features.Count)
                .Where(feature => fed.Contains(Features[feature].View))
                .GroupBy(feature => Features[feature].Definition.Where)
                .Select(group => BuildGroup(source, group.Key, [.. group]))
                .ToArray();
            rings.AddRange(groups.Where(group => group.Ring is not null).Select(group => group.Ring!));
            accumulators.AddRange(groups.SelectMany(group => group.Accumulators).Select(pair => pair.Accumulator));
            Routes[source.Index] = new EntityRoute([.. fed.Select(view => views.IndexOf(view))], groups);
        }

        Rings = [.. rings];
        Accumulators = [.. accumulators];
        Fingerprint = BinaryPrimitives.ReadUInt64LittleEndian(SHA256.HashData(Encoding.UTF8.GetBytes(_description.ToString())));
    }

    public int Index { get; }

    public EntityDefinition Definition { get; }

    public IReadOnlyList<FieldDefinition> Keys { get; }

    public IReadOnlyList<EntityFeature> Features { get; }

    public int ViewCount { get; }

    public int[] ViewOfFeature { get; }

    public FeatureReader[] Readers { get; }

    public EntityRoute?[] Routes { get; }

    public Ring[] Rings { get; }

    public Accumulator[] Accumulators { get; }

    public int FixedSize { get; private set; }

    /// <summary>Of the layout and of what each part of it means; blocks written under another cannot be read.</summary>
    public ulong Fingerprint { get; }

    private static FeatureKind KindOf(FeatureViewDefinition view, FeatureDefinition feature, IReadOnlyList<SourcePlan> sources)
    {
        var isText = feature.Of is not null && CompiledExpression.CompileSound(feature.Of, sources.First(source => source.Definition.Name == view.Source).Schema).Type == ExpressionType.String;
        return feature switch
        {
            { By: not null } => FeatureKind.Map,
            { Aggregate: Aggregate.TopK } => FeatureKind.TopList,
            { Aggregate: Aggregate.Histogram } => FeatureKind.NumberList,
            { Aggregate: Aggregate.FirstN or Aggregate.LastN } => isText ? FeatureKind.TextList : FeatureKind.NumberList,
            { Aggregate: Aggregate.First or Aggregate.Last } => isText ? FeatureKind.Text : FeatureKind.Number,
            _ => FeatureKind.Number,
        };
    }

    private InputGroup BuildGroup(SourcePlan source, string? where, int[] features)
    {
        var windowed = features.Where(feature => Features[feature].Definition.Window is not null).ToArray();
        var lifetime = features.Except(windowed).ToArray();
        // Inputs of windowed features come first: they are the ring's columns.
        var ringInputs = InputsOf(windowed);
        var inputs = ringInputs.Union(InputsOf(lifetime)).ToList();
        Describe($"where {where} inputs {string.Join(';', inputs)}");
        var ring = windowed.Length == 0 ? null : BuildRing(source, windowed, ringInputs);
        var accumulators = BuildAccumulators(lifetime, inputs);
        return new InputGroup(
            where is null ? null : CompiledExpression.CompileSound(where, source.Schema),
            [.. inputs.Select(of => new NumberInput(of, source.Schema))],
            ringInputs.Count,
            ring,
            accumulators);
    }

    private Ring BuildRing(SourcePlan source, int[] features, List<string> inputs)
    {
        var windows = features.Select(WindowOf).Distinct().ToList();
        var limit = features.Max(feature => ((WindowDefinition.Sliding)Features[feature].Definition.Window!).Limit);
        var disorder = source.Definition.Lateness + source.Definition.Align;
        var ring = new Ring(windows, inputs.Count, FixedSize, limit, (long)disorder.TotalMilliseconds);
        Describe($"ring columns {inputs.Count} limit {limit} windows {string.Join(',', windows)}");
        FixedSize += ring.FixedSize;
        foreach (var feature in features)
        {
            var of = Features[feature].Definition.Of;
            Readers[feature] = Reader(feature) with { Ring = ring, Window = windows.IndexOf(WindowOf(feature)), Column = of is null ? -1 : inputs.IndexOf(of) };
        }

        return ring;
    }

    private (Accumulator Accumulator, int Input)[] BuildAccumulators(int[] features, List<string> inputs)
    {
        List<(Accumulator Accumulator, int Input)> accumulators = [];
        foreach (var feature in features)
        {
            var definition = Features[feature].Definition;
            var input = definition.Of is null ? -1 : inputs.IndexOf(definition.Of);
            var kind = definition.Aggregate switch
            {
                Aggregate.Count when input < 0 => AccumulatorKind.Events,
                Aggregate.Min => AccumulatorKind.Min,
                Aggregate.Max => AccumulatorKind.Max,
                Aggregate.Last => AccumulatorKind.Last,
                _ => AccumulatorKind.Sum,
            };
            var at = accumulators.FindIndex(pair => pair.Input == input && pair.Accumulator.Kind == kind);
            if (at < 0)
            {
                at = accumulators.Count;
                accumulators.Add((new Accumulator(kind, FixedSize), input));
                FixedSize += Accumulator.SizeOf(kind);
                Describe($"lifetime {kind} of {input}");
            }

            Readers[feature] = Reader(feature) with { Accumulator = accumulators[at].Accumulator };
        }

        return [.. accumulators];
    }

    private FeatureReader Reader(int feature) =>
        new(Features[feature].Definition.Aggregate, Features[feature].Definition.Default ?? double.NaN, null, 0, -1, null);

    private SlidingWindow WindowOf(int feature)
    {
        var window = (WindowDefinition.Sliding)Features[feature].Definition.Window!;
        return new SlidingWindow((long)window.Length.TotalMilliseconds, (long)window.Delay.TotalMilliseconds);
    }

    private List<string> InputsOf(IEnumerable<int> features) =>
        [.. features.Select(feature => Features[feature].Definition.Of).OfType<string>().Distinct()];

    private void Describe(FormattableString line) => _description.AppendLine(line.ToString(CultureInfo.InvariantCulture));
}
