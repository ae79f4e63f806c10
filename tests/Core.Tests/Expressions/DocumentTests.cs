using FeatureStore.Core.Definitions;
using FeatureStore.Core.Events;
using FeatureStore.Core.Expressions;

namespace FeatureStore.Core.Tests.Expressions;

/// <summary>The examples of docs/expressions.md: each gives what stands behind it.</summary>
[TestClass]
public class DocumentTests
{
    private static readonly RowSchema Schema = new(
    [
        new("TX_DATETIME", FieldType.Timestamp), new("TX_AMOUNT", FieldType.Double), new("CUSTOMER_ID", FieldType.Int64), new("TX_FRAUD", FieldType.Int64),
        new("MERCHANT", FieldType.String), new("COUNTRY", FieldType.String), new("ONLINE", FieldType.Bool), new("REFUND", FieldType.Double),
    ]);

    public static IEnumerable<object[]> Examples => Fenced("cel");

    public static IEnumerable<object[]> Refused => Fenced("cel-error");

    [TestMethod]
    [DynamicData(nameof(Examples))]
    public void ExampleGives(string expression, string expected)
    {
        var batch = new EventBatch(Schema);
        var row = batch.Add(default);
        batch.SetInt64(row, 0, new DateTimeOffset(2018, 6, 1, 6, 30, 15, 250, TimeSpan.Zero).ToUnixTimeMilliseconds());
        batch.SetDouble(row, 1, 57.16);
        batch.SetInt64(row, 2, 596);
        batch.SetInt64(row, 3, 0);
        batch.SetText(row, 4, "Café Zoë"u8);
        batch.SetText(row, 5, "NL"u8);
        batch.SetInt64(row, 6, 1);
        var compiled = CompiledExpression.Compile(expression, Schema, out var error);
        Assert.IsNull(error, $"{expression}: {error}");
        Assert.AreEqual(expected, Bench.Evaluate(compiled!, batch.Row(row)));
    }

    [TestMethod]
    [DynamicData(nameof(Refused))]
    public void ExampleIsRefused(string expression, string expected)
    {
        Assert.IsNull(CompiledExpression.Compile(expression, Schema, out var error));
        Assert.AreEqual(expected, $"{error!.Position}: {error.Message}");
    }

    [TestMethod]
    public void TheDocumentHasExamples()
    {
        Assert.IsGreaterThan(60, Examples.Count());
        Assert.IsGreaterThan(5, Refused.Count());
    }

    /// <summary>Lines "expression // result" of the fenced blocks of a language.</summary>
    private static IEnumerable<object[]> Fenced(string language)
    {
        var isInside = false;
        foreach (var line in File.ReadLines(Document()))
        {
            if (line.StartsWith("```", StringComparison.Ordinal))
                isInside = !isInside && line == "```" + language;
            else if (isInside && line.LastIndexOf(" // ", StringComparison.Ordinal) is var comment && comment > 0)
                yield return [line[..comment].TrimEnd(), line[(comment + 4)..].Trim()];
            else if (isInside && line.Length > 0)
                throw new InvalidDataException($"An example without a result: {line}");
        }
    }

    private static string Document()
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            var path = Path.Combine(folder.FullName, "docs", "expressions.md");
            if (File.Exists(path))
                return path;
        }
        throw new FileNotFoundException("docs/expressions.md");
    }
}
