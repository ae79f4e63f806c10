using System.Globalization;
using System.Text.RegularExpressions;
using FeatureStore.Core.Blocks;
using FeatureStore.Core.Blocks.Cells;
using FeatureStore.Core.Blocks.Containers;
using FeatureStore.Core.Definitions;
using FeatureStore.Core.Expressions;

namespace FeatureStore.Core.Plans;

/// <summary>Puts the features of one source and one condition into as few containers as can hold them.</summary>
internal sealed partial class InputGroupBuilder
{
    private readonly EntityPlanBuilder _plan;
    private readonly SourcePlan _source;
    private readonly int _newestOffset;
    private readonly string? _where;
    private readonly (int Index, FeatureDefinition Definition)[] _features;
    private readonly long _disorderMs;
    private readonly bool _isRemovable;
    private readonly List<Container> _containers = [];

    /// <summary>Inputs by their description, in the order of their places.</summary>
    private readonly List<(string Description, EventExpression Expression, InputSlot Slot)> _inputs = [];

    public InputGroupBuilder(EntityPlanBuilder plan, SourcePlan source, int newestOffset, string? where, (int Index, FeatureDefinition Definition)[] features)
    {
        (_plan, _source, _newestOffset, _where, _features) = (plan, source, newestOffset, where, features);
        _disorderMs = Ms(source.Definition.Lateness + source.Definition.Align);
        _isRemovable = source.Definition.Envelope == EventEnvelope.Debezium;
    }

    public InputGroup Build(FeatureKind[] kinds)
    {
        foreach (var (index, definition) in _features)
            kinds[index] = KindOf(definition);
        var byWindow = _features.ToLookup(feature => feature.Definition.Window switch
        {
            WindowDefinition.Sliding { Tile: null } => typeof(Sliding),
            WindowDefinition.Sliding => typeof(Tiles),
            WindowDefinition.Tumbling => typeof(Tumbling),
            WindowDefinition.Session => typeof(Sessions),
            WindowDefinition.Last => typeof(LastEvents),
            _ => typeof(Lifetime),
        });
        BuildSliding([.. byWindow[typeof(Sliding)]]);
        BuildLast([.. byWindow[typeof(LastEvents)]]);
        BuildTiles([.. byWindow[typeof(Tiles)]]);
        BuildTumbling([.. byWindow[typeof(Tumbling)]]);
        BuildSessions([.. byWindow[typeof(Sessions)]]);
        BuildLifetime([.. byWindow[typeof(Lifetime)]]);
        return new InputGroup(
            _where is null ? null : CompiledExpression.CompileSound(_where, _source.Schema),
            _newestOffset,
            [.. _inputs.Select(input => (input.Expression, input.Slot))],
            [.. _containers]);

        FeatureKind KindOf(FeatureDefinition definition) => definition switch
        {
            { By: not null } => FeatureKind.Map,
            { Aggregate: Aggregate.TopK } => FeatureKind.TopList,
            { Aggregate: Aggregate.Histogram } => FeatureKind.NumberList,
            { Aggregate: Aggregate.FirstN or Aggregate.LastN } => IsText(definition) ? FeatureKind.TextList : FeatureKind.NumberList,
            { Aggregate: Aggregate.First or Aggregate.Last } when IsText(definition) => FeatureKind.Text,
            _ => AggregateRules.IsIntegerOfIntegers(definition.Aggregate) && TypeOf(definition.Of!) == ExpressionType.Int ? FeatureKind.Integer : FeatureKind.Number,
        };
    }

    private static long Ms(TimeSpan duration) => (long)duration.TotalMilliseconds;

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);

    private ExpressionType TypeOf(string expression) => CompiledExpression.CompileSound(expression, _source.Schema).Type;

    private bool IsText(FeatureDefinition definition) => definition.Of is { } of && AggregateRules.TakesText(definition.Aggregate) && TypeOf(of) == ExpressionType.String;

    /// <summary>The place of an input among those of an event.</summary>
    private InputSlot Input(string? expression, bool takesText, bool takesInteger)
    {
        if (expression is null)
            return default;
        var (kind, width) = TypeOf(expression) switch
        {
            ExpressionType.String when takesText => ("text", EventInput.TextBytes),
            ExpressionType.Int when takesInteger => ("integer", EventInput.IntegerBytes),
            _ => ("number", EventInput.NumberBytes),
        };
        var description = $"{kind} {Typed(_source, expression)}";
        var at = _inputs.FindIndex(input => input.Description == description);
        if (at < 0)
        {
            at = _inputs.Count;
            var slot = new InputSlot(_inputs.Sum(input => input.Slot.Width), width);
            _inputs.Add((description, new EventExpression(expression, _source.Schema, width), slot));
        }

        return _inputs[at].Slot;
    }

    private InputSlot Value(FeatureDefinition definition) => Input(definition.Of, AggregateRules.TakesText(definition.Aggregate), AggregateRules.TakesInteger(definition.Aggregate));

    private InputSlot Key(FeatureDefinition definition) => Input(definition.By, takesText: true, takesInteger: true);

    private CellInput[] CellsOf(FeatureDefinition definition, CellUse use) => AggregateCells.Of(definition, Value(definition), Key(definition), use);

    private CellUse Kept(bool isWide = false, bool isExact = false) => new(isWide, _isRemovable, isExact || _isRemovable);

    private string Describe(InputSlot slot) => slot.IsNone ? "" : $"({_inputs.Find(input => input.Slot == slot).Description})";

    private string Describe(CellInput cell) => $"{cell.Cell.Description}{Describe(cell.Value)}{(cell.Key.IsNone ? "" : $" by {Describe(cell.Key)}")}";

    private string Describe(IEnumerable<CellInput> cells) => string.Join("; ", cells.Select(Describe));

    /// <summary>What a container keeps.</summary>
    /// <param name="kind">Its kind.</param>
    /// <param name="window">What tells its family from others of its kind, source and condition.</param>
    /// <param name="numbers">See <see cref="ContainerKinds"/>.</param>
    /// <param name="columns">Inputs kept with events.</param>
    /// <param name="row">Its cells, with their inputs as they are among an event's.</param>
    private ContainerShape Shape(ContainerKind kind, FormattableString window, IEnumerable<long> numbers, IEnumerable<InputSlot> columns, CellRow? row = null) => new(
        kind,
        BlockLayout.FingerprintOf($"{kind} {Text(window)} {EventsOf(_source, _where)}"),
        [.. numbers],
        [.. columns.Select(column => new ColumnShape(BlockLayout.FingerprintOf(Describe(column)), column.Width))],
        row is null ? [] : [.. row.Cells.ToArray().Select(cell => new CellShape(BlockLayout.FingerprintOf(Describe(cell)), cell.Cell.Size, cell.Cell.SizeMax))]);

    /// <summary>What an expression says depends on the types of the fields that it names.</summary>
    private static string Typed(SourcePlan source, string expression)
    {
        var fields = FieldName().Matches(expression).Select(match => source.Schema.IndexOf(match.Value)).Where(field => field >= 0).Distinct().Order()
            .Select(field => $"{source.Schema.Fields[field].Name}:{source.Schema.Fields[field].Type}");
        return $"{expression} [{string.Join(' ', fields)}]";
    }

    /// <summary>Which events of a source meet a condition.</summary>
    public static string EventsOf(SourcePlan source, string? where) =>
        $"of {source.Definition.Name} by {source.Definition.Timestamp} where {(where is null ? "true" : Typed(source, where))}";

    private ContainerPlace Place() => _plan.Place(_newestOffset, _isRemovable);

    private T Add<T>(T container)
        where T : Container
    {
        _plan.Add(container);
        _containers.Add(container);
        return container;
    }

    private void Read((int Index, FeatureDefinition Definition) feature, FeatureState state, int? runningColumn = null) =>
        _plan.Readers[feature.Index] = new FeatureReader(feature.Definition, FeatureKindOf(feature), state) { RunningColumn = runningColumn };

    private FeatureKind FeatureKindOf((int Index, FeatureDefinition Definition) feature) => _plan.Kinds[feature.Index];

    /// <summary>Distinct cells, those whose size is no multiple of 8 last; with each feature's cells among them.</summary>
    private (CellRow Row, Func<FeatureDefinition, (int First, int Second)> Find) RowOf(IEnumerable<FeatureDefinition> features, CellUse use, params CellInput[] besides)
    {
        static (string, InputSlot, InputSlot) Identity(CellInput cell) => (cell.Cell.Description, cell.Value, cell.Key);
        var distinct = besides.Concat(features.SelectMany(feature => CellsOf(feature, use))).DistinctBy(Identity).ToList();
        List<CellInput> cells = [.. distinct.Where(cell => cell.Cell.Size % 8 == 0), .. distinct.Where(cell => cell.Cell.Size % 8 != 0)];
        // The one that grows is alone, or alone besides.
        var row = new CellRow([.. cells.Where(cell => !cell.Cell.Grows), .. cells.Where(cell => cell.Cell.Grows)]);
        return (row, feature =>
        {
            var own = CellsOf(feature, use);
            return (IndexOf(own[0]), IndexOf(own[^1]));
        }
        );

        int IndexOf(CellInput cell) => row.Cells.ToArray().ToList().FindIndex(other => Identity(other) == Identity(cell));
    }

    /// <summary>Features whose cells may lie side by side, in one part; each large cell with its features in a part of its own.</summary>
    private IEnumerable<(int Index, FeatureDefinition Definition)[]> Parts(IEnumerable<(int Index, FeatureDefinition Definition)> features, CellUse use) =>
        features.GroupBy(feature => CellsOf(feature.Definition, use) is var cells && cells.Any(cell => cell.Cell.Grows || cell.Cell.Size > AggregateCells.SmallBytesMax)
            ? Describe(cells) : "").OrderBy(part => part.Key, StringComparer.Ordinal).Select(part => part.ToArray());

    private void BuildSliding((int Index, FeatureDefinition Definition)[] features)
    {
        if (features.Length == 0)
            return;
        static WindowDefinition.Sliding WindowOf(FeatureDefinition feature) => (WindowDefinition.Sliding)feature.Window!;
        static SlidingWindow Window(FeatureDefinition feature) => new(Ms(WindowOf(feature).Length), Ms(WindowOf(feature).Delay));
        var windows = features.Select(feature => Window(feature.Definition)).Distinct().ToList();
        List<InputSlot> summed = [.. features.Where(feature => IsRunning(feature.Definition)).Select(feature => Value(feature.Definition)).Where(slot => !slot.IsNone).Distinct()];
        var columns = summed.Union(ColumnsOf(features)).ToList();
        var limit = features.Max(feature => WindowOf(feature.Definition).Limit);
        var shape = Shape(ContainerKind.Sliding, $"", [limit, _disorderMs, summed.Count, .. windows.SelectMany(window => new[] { window.LengthMs, window.DelayMs })], columns);
        var container = Add(new Sliding(Place(), shape, windows, columns, summed.Count, limit, _disorderMs));
        foreach (var feature in features)
        {
            int? running = !IsRunning(feature.Definition) ? null : feature.Definition.Of is null ? -1 : summed.IndexOf(Value(feature.Definition));
            Read(feature, EventState(container, windows.IndexOf(Window(feature.Definition)), (EventStore)container.Stores[0], columns, feature.Definition), running);
        }

        static bool IsRunning(FeatureDefinition feature) =>
            feature.By is null && feature.Aggregate is Aggregate.Count or Aggregate.Sum or Aggregate.Mean or Aggregate.Rate && feature.By is null;
    }

    private void BuildLast((int Index, FeatureDefinition Definition)[] features)
    {
        if (features.Length == 0)
            return;
        static int Window(FeatureDefinition feature) => ((WindowDefinition.Last)feature.Window!).Count;
        var windows = features.Select(feature => Window(feature.Definition)).Distinct().ToList();
        var columns = ColumnsOf(features);
        var shape = Shape(ContainerKind.Last, $"", [windows.Max(), _disorderMs], columns);
        var container = Add(new LastEvents(Place(), shape, windows, columns, _disorderMs));
        foreach (var feature in features)
            Read(feature, EventState(container, windows.IndexOf(Window(feature.Definition)), (EventStore)container.Stores[0], columns, feature.Definition));
    }

    private List<InputSlot> ColumnsOf(IEnumerable<(int Index, FeatureDefinition Definition)> features) =>
        [.. features.SelectMany(feature => new[] { Value(feature.Definition), Key(feature.Definition) }).Where(slot => !slot.IsNone).Distinct()];

    /// <summary>The state of a feature that is folded from single events.</summary>
    private FeatureState EventState(Container container, int window, EventStore events, List<InputSlot> columns, FeatureDefinition feature)
    {
        var use = new CellUse(IsWide: true, IsRemovable: false, IsExact: true, HasAllEvents: true);
        var cells = CellsOf(feature, use).Select(cell => cell with { Value = Slot(cell.Value), Key = Slot(cell.Key) }).ToArray();
        return new FeatureState(container, window, new CellRow(cells), 0, cells.Length - 1);

        InputSlot Slot(InputSlot input) => input.IsNone ? input : events.ImageSlot(columns.IndexOf(input));
    }

    private void BuildTiles((int Index, FeatureDefinition Definition)[] features)
    {
        static TiledWindow Window(FeatureDefinition feature) =>
            feature.Window is WindowDefinition.Sliding { Tile: { } tile } window ? new TiledWindow(Ms(window.Length), Ms(window.Delay), Ms(tile)) : default;
        foreach (var part in Parts(features, Kept()))
        {
            // Rows that grow are not merged, and an event is taken back from the tile that it went into.
            var areApart = _isRemovable || CellsOf(part[0].Definition, Kept()).Any(cell => cell.Cell.Grows);
            foreach (var tiles in Chains([.. part.Select(feature => Window(feature.Definition).TileMs).Distinct().Order()], areApart))
            {
                var chained = part.Where(feature => tiles.Contains(Window(feature.Definition).TileMs)).ToList();
                List<TiledWindow> windows = [.. chained.Select(feature => Window(feature.Definition)).Distinct().OrderBy(window => (window.DelayMs, window.LengthMs, window.TileMs))];
                var (row, find) = RowOf(chained.Select(feature => feature.Definition), Kept());
                var levels = windows.GroupBy(window => window.TileMs).OrderBy(level => level.Key);
                var shape = Shape(ContainerKind.Tiles, $"", levels.SelectMany(level => new[] { level.Key, level.Max(window => window.LengthMs + window.DelayMs) }), [], row);
                var fold = row.SizeMax > row.Size ? (-1, 0) : _plan.AddFolds(windows.Count, row.Size);
                var container = Add(new Tiles(Place(), shape, windows, row, fold.Item1, fold.Item2));
                foreach (var feature in chained)
                {
                    var (first, second) = find(feature.Definition);
                    Read(feature, new FeatureState(container, windows.IndexOf(Window(feature.Definition)), row, first, second));
                }
            }
        }
    }

    /// <summary>Tile sizes that share rows: each a multiple of the one before.</summary>
    private static List<List<long>> Chains(List<long> ascending, bool areApart)
    {
        List<List<long>> chains = [];
        foreach (var size in ascending)
        {
            if (!areApart && chains.Find(chain => size % chain[^1] == 0) is { } chain)
                chain.Add(size);
            else
                chains.Add([size]);
        }

        return chains;
    }

    private void BuildTumbling((int Index, FeatureDefinition Definition)[] features)
    {
        foreach (var periods in features.GroupBy(feature => ((WindowDefinition.Tumbling)feature.Definition.Window!) with { Closed = false }))
        {
            foreach (var part in Parts(periods, Kept()))
            {
                var back = part.Max(Back);
                CellInput[] besides = part.Any(feature => FeatureReader.DependsOnTime(feature.Definition.Aggregate)) ? [new CellInput(new NewestCell(), default)] : [];
                var (row, find) = RowOf(part.Select(feature => feature.Definition), Kept(), besides);
                var shape = Shape(
                    ContainerKind.Tumbling, $"{Ms(periods.Key.Length)}+{Ms(periods.Key.Offset)} {periods.Key.TimeZone}", [Ms(periods.Key.Length), back, _disorderMs], [], row);
                var container = Add(new Tumbling(
                    Place(), shape, new Periods(Ms(periods.Key.Length), Ms(periods.Key.Offset), periods.Key.TimeZone), back, _disorderMs, row));
                foreach (var feature in part)
                {
                    var (first, second) = find(feature.Definition);
                    Read(feature, new FeatureState(container, Back(feature), row, first, second));
                }
            }
        }

        static int Back((int Index, FeatureDefinition Definition) feature) => ((WindowDefinition.Tumbling)feature.Definition.Window!).Closed ? 1 : 0;
    }

    private void BuildSessions((int Index, FeatureDefinition Definition)[] features)
    {
        static WindowDefinition.Session WindowOf(FeatureDefinition feature) => (WindowDefinition.Session)feature.Window!;
        // Settled events are never taken back.
        var use = new CellUse(IsWide: false, IsRemovable: false, IsExact: false);
        foreach (var rule in features.GroupBy(feature => new SessionRule(Ms(WindowOf(feature.Definition).Gap), WindowOf(feature.Definition).Max is { } max ? Ms(max) : long.MaxValue)))
        {
            foreach (var part in Parts(rule, use))
            {
                var windows = part.Select(feature => WindowOf(feature.Definition).Closed).Distinct().ToList();
                var limit = part.Max(feature => WindowOf(feature.Definition).Limit);
                var columns = ColumnsOf(part);
                var image = new EventStore(0, columns, limit);
                var span = new CellInput(new SpanCell(ofSessions: true), default);
                var (row, find) = RowOf(part.Select(feature => feature.Definition), use, span);
                var cells = new CellRow([.. row.Cells.ToArray().Select(cell => cell with { Value = Slot(cell.Value), Key = Slot(cell.Key) })]);
                var shape = Shape(ContainerKind.Sessions, $"{rule.Key.GapMs} max {rule.Key.LengthMaxMs}", [windows.Max(), limit, _disorderMs], columns, row);
                var fold = cells.SizeMax > cells.Size ? (-1, 0) : _plan.AddFolds(windows.Count, cells.Size);
                var container = Add(new Sessions(Place(), shape, rule.Key, windows, columns, cells, limit, _disorderMs));
                foreach (var feature in part)
                {
                    var (first, second) = find(feature.Definition);
                    var window = windows.IndexOf(WindowOf(feature.Definition).Closed);
                    Read(feature, new FeatureState(container, window, cells, first, second) { Fold = fold.Item1 < 0 ? fold : (fold.Item1 + window, fold.Item2 + window * cells.Size) });
                }

                InputSlot Slot(InputSlot input) => input.IsNone ? input : image.ImageSlot(columns.IndexOf(input));
            }
        }
    }

    private void BuildLifetime((int Index, FeatureDefinition Definition)[] features)
    {
        var use = Kept(isWide: true, isExact: true);
        // A slot for each set of cells: what has gone on for ever must not begin anew because another feature is added beside it.
        var parts = features.GroupBy(feature => Describe(CellsOf(feature.Definition, use))).OrderBy(part => part.Key, StringComparer.Ordinal);
        foreach (var part in parts.Select(part => part.ToArray()))
        {
            var (row, find) = RowOf(part.Select(feature => feature.Definition), use);
            var isSmall = row.Cells.ToArray().All(cell => !cell.Cell.Grows && cell.Cell.Size <= AggregateCells.SmallBytesMax);
            var shape = Shape(isSmall ? ContainerKind.Lifetime : ContainerKind.LargeLifetime, $"", [], [], row);
            Container container = isSmall ? Add(new Lifetime(Place(), shape, row)) : Add(new Tumbling(Place(), shape, null, 0, 0, row));
            foreach (var feature in part)
            {
                var (first, second) = find(feature.Definition);
                Read(feature, new FeatureState(container, 0, row, first, second));
            }
        }
    }

    [GeneratedRegex(@"\w+", RegexOptions.CultureInvariant)]
    private static partial Regex FieldName();
}
