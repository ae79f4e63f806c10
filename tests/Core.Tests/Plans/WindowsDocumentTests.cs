using System.Text;
using FeatureStore.Core.Blocks;
using FeatureStore.Core.Blocks.Cells;
using FeatureStore.Core.Definitions;
using FeatureStore.Core.Plans;

namespace FeatureStore.Core.Tests.Plans;

/// <summary>The tables of docs/windows.md: what they say of an aggregate is what the engine does.</summary>
[TestClass]
public sealed class WindowsDocumentTests
{
    private static readonly TimeSpan _hour = TimeSpan.FromHours(1);

    private static readonly (string Name, WindowDefinition? Window)[] _windows =
    [
        ("exact", new WindowDefinition.Sliding(_hour)),
        ("last", new WindowDefinition.Last(10)),
        ("tiled", new WindowDefinition.Sliding(_hour) { Tile = TimeSpan.FromMinutes(5) }),
        ("tumbling", new WindowDefinition.Tumbling(_hour)),
        ("session", new WindowDefinition.Session(_hour)),
        ("none", null),
    ];

    /// <summary>aggregate | input | by | exact | last | tiled | tumbling | session | none | bytes | of nothing; yes: events can be taken back too.</summary>
    [TestMethod]
    public void EveryAggregateIsDescribedAsItIs()
    {
        var expected = new StringBuilder();
        foreach (var aggregate in Enum.GetValues<Aggregate>())
        {
            expected.Append("| ").Append(DefinitionText.Name(aggregate)).Append(" | ").Append(InputOf(aggregate)).Append(" | ").Append(AggregateRules.TakesBy(aggregate) ? "yes" : "");
            foreach (var (_, window) in _windows)
                expected.Append(" | ").Append(!IsSound(aggregate, window, EventEnvelope.None) ? "" : IsSound(aggregate, window, EventEnvelope.Debezium) ? "yes" : "adds only");
            expected.Append(" | ").Append(BytesOf(aggregate)).Append(" | ").Append(AggregateRules.IsZeroOfNothing(aggregate) ? "0" : "null").Append(" |\n");
        }

        var document = File.ReadAllLines(Path.Combine(Root(), "docs", "windows.md"));
        var names = Enum.GetValues<Aggregate>().Select(aggregate => $"| {DefinitionText.Name(aggregate)} |").ToList();
        var rows = document.Where(line => names.Exists(name => line.StartsWith(name, StringComparison.Ordinal)));
        // The last column, in words, is held by the oracle and the tests of the summaries.
        var actual = string.Concat(rows.Select(row => row[..(row.TrimEnd(' ', '|').LastIndexOf('|') + 1)] + "\n"));

        Assert.AreEqual(expected.ToString(), actual);
    }

    private static string InputOf(Aggregate aggregate) => (AggregateRules.TakesInput(aggregate), AggregateRules.TakesText(aggregate)) switch
    {
        (false, _) => "",
        (_, true) => "number, text",
        _ when aggregate == Aggregate.Count => "anything, or none",
        _ => AggregateRules.NeedsInput(aggregate) ? "number" : "number, or none",
    };

    /// <summary>Of a tile, a period or a session, over numbers: for sources whose events stay, then for those whose events are taken back, where that differs.</summary>
    private static string BytesOf(Aggregate aggregate)
    {
        var feature = Feature(aggregate, null);
        var input = feature.Of is null ? default : new InputSlot(0, EventInput.NumberBytes);
        var plain = Bytes(false);
        var removable = AggregateRules.IsSubtractable(aggregate) && !AggregateRules.IsOfSessions(aggregate) ? Bytes(true) : plain;
        return plain == removable ? plain : $"{plain}; {removable}";

        string Bytes(bool isRemovable)
        {
            Cell[] cells = [.. AggregateCells.Of(feature, input, default, new CellUse(false, isRemovable, isRemovable)).Select(cell => cell.Cell)];
            var (least, most) = (cells.Sum(cell => cell.Size), cells.Sum(cell => cell.SizeMax));
            return least == most ? $"{least:N0}" : $"{least:N0} to {most:N0}";
        }
    }

    private static FeatureDefinition Feature(Aggregate aggregate, WindowDefinition? window) => new()
    {
        Name = "f",
        Aggregate = aggregate,
        Of = AggregateRules.NeedsInput(aggregate) ? "A" : null,
        Window = window,
        N = aggregate is Aggregate.FirstN or Aggregate.LastN ? 3 : null,
        K = aggregate is Aggregate.TopK ? 5 : null,
        Q = aggregate is Aggregate.Quantile ? 0.95 : null,
        HalfLife = AggregateRules.IsDecayed(aggregate) ? _hour : null,
        Bounds = aggregate is Aggregate.Histogram ? [0, 10, 100] : null,
    };

    private static bool IsSound(Aggregate aggregate, WindowDefinition? window, EventEnvelope envelope) => DefinitionValidator.Validate(new ProjectDefinition
    {
        Project = "test",
        Sources = [TestEntity.Source(0) with { Envelope = envelope }],
        Entities = [new EntityDefinition { Name = "e", Keys = ["K"] }],
        FeatureViews = [TestEntity.View("v", 0, Feature(aggregate, window))],
    }).Count == 0;

    private static string Root()
    {
        var folder = AppContext.BaseDirectory;
        while (!File.Exists(Path.Combine(folder, "Orleans.FeatureStore.sln")))
            folder = Path.GetDirectoryName(folder)!;
        return folder;
    }
}
