using System.Globalization;
using FeatureStore.Core.Blocks.Containers;
using FeatureStore.Core.Definitions;

namespace FeatureStore.Core.Plans;

/// <summary>Lays out an entity's block from the definitions of its views.</summary>
internal sealed class EntityPlanBuilder
{
    /// <summary>Goes up when bytes of the same description come to mean something else.</summary>
    private const int Format = 2;

    private readonly List<LayoutSlot> _slots = [];

    public EntityPlanBuilder(int index, EntityDefinition definition, ProjectDefinition project, IReadOnlyList<SourcePlan> sources)
    {
        Index = index;
        Definition = definition;
        var views = project.FeatureViews.Where(view => view.Entity == definition.Name).ToList();
        var first = sources.First(source => views.Count == 0 || source.Definition.Name == views[0].Source);
        Keys = [.. definition.Keys.Select(key => first.Schema.IndexOf(key) is >= 0 and var field
            ? first.Schema.Fields[field] : new FieldDefinition(key, FieldType.Int64))];
        // A block of another key is another entity's.
        AddSlot(string.Create(CultureInfo.InvariantCulture, $"format {Format} keys {string.Join(',', Keys.Select(key => key.Type))}"), 0);

        ResumeOffset = FixedSize;
        AddSlot("change under way", 8);
        ViewCount = views.Count;
        ViewsOffset = FixedSize;
        foreach (var view in views)
            AddSlot($"view {view.Name} of {view.Source}", 8, SlotKind.Time);

        Kinds = new FeatureKind[views.Sum(view => view.Features.Count)];
        Readers = new FeatureReader[Kinds.Length];
        Routes = new EntityRoute?[sources.Count];
        List<(FeatureViewDefinition View, FeatureDefinition Definition)> features = [.. views.SelectMany(view => view.Features.Select(feature => (view, feature)))];
        ViewOfFeature = [.. features.Select(feature => views.IndexOf(feature.View))];
        foreach (var source in sources)
        {
            var fed = Enumerable.Range(0, features.Count).Where(feature => features[feature].View.Source == source.Definition.Name).ToList();
            if (views.TrueForAll(view => view.Source != source.Definition.Name))
                continue;
            var groups = fed.GroupBy(feature => features[feature].Definition.Where)
                .Select(group => BuildGroup(source, group.Key, [.. group.Select(feature => (feature, features[feature].Definition))]))
                .ToArray();
            Routes[source.Index] = new EntityRoute([.. Enumerable.Range(0, views.Count).Where(view => views[view].Source == source.Definition.Name)], groups);
        }

        Features = [.. features.Select((feature, at) => new EntityFeature(feature.View, feature.Definition) { Kind = Kinds[at] })];
        Groups = [.. Routes.OfType<EntityRoute>().SelectMany(route => route.Groups)];
        Layout = new BlockLayout(FixedSize, _slots);
    }

    public int Index { get; }

    public EntityDefinition Definition { get; }

    public IReadOnlyList<FieldDefinition> Keys { get; }

    public IReadOnlyList<EntityFeature> Features { get; }

    public int ViewCount { get; }

    public int ViewsOffset { get; }

    public int ResumeOffset { get; }

    public int[] ViewOfFeature { get; }

    public FeatureReader[] Readers { get; }

    public EntityRoute?[] Routes { get; }

    public InputGroup[] Groups { get; }

    public FeatureKind[] Kinds { get; }

    public BlockLayout Layout { get; }

    public int FixedSize { get; private set; }

    /// <summary>Rows that stay folded during a reading.</summary>
    public int Folds { get; private set; }

    /// <summary>Their bytes.</summary>
    public int FoldBytes { get; private set; }

    /// <summary>The place for a container about to be made.</summary>
    /// <param name="newestOffset">Of the newest time of its condition.</param>
    /// <param name="countsUnknown">Whether it says up to when events may be missing.</param>
    public ContainerPlace Place(int newestOffset, bool countsUnknown)
    {
        if (countsUnknown)
            AddSlot("unknown", 8, SlotKind.Unknown);
        return new(FixedSize, newestOffset, countsUnknown ? FixedSize - 8 : -1);
    }

    public void Add(Container container)
    {
        _slots.Add(new LayoutSlot(SlotKind.Container, container.Shape.Family, FixedSize, container.FixedSize, container.Shape));
        FixedSize += container.FixedSize;
    }

    /// <summary>Makes room for rows that stay folded during a reading.</summary>
    /// <returns>The first one's index and offset.</returns>
    public (int Index, int Offset) AddFolds(int rows, int rowBytes)
    {
        var first = (Folds, FoldBytes);
        Folds += rows;
        FoldBytes += rows * rowBytes + 7 & ~7;
        return first;
    }

    private InputGroup BuildGroup(SourcePlan source, string? where, (int Index, FeatureDefinition Definition)[] features)
    {
        var newestOffset = FixedSize;
        AddSlot($"newest {InputGroupBuilder.EventsOf(source, where)}", 8, SlotKind.Newest);
        return new InputGroupBuilder(this, source, newestOffset, where, features).Build(Kinds);
    }

    private void AddSlot(string description, int size, SlotKind kind = SlotKind.Plain)
    {
        _slots.Add(new LayoutSlot(kind, BlockLayout.FingerprintOf(description), FixedSize, size, null));
        FixedSize += size;
    }
}
