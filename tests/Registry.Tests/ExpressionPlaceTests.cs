namespace FeatureStore.Registry.Tests;

/// <summary>An error inside an expression points at its character in the file, however YAML writes the text.</summary>
[TestClass]
public sealed class ExpressionPlaceTests
{
    [TestMethod]
    [DataRow("§NOPE > 1.0")]
    [DataRow("AMOUNT > §NOPE")]
    [DataRow("\"AMOUNT > §NOPE\"")]
    [DataRow("'AMOUNT > §NOPE'")]
    [DataRow("'CHANNEL == ''web'' && AMOUNT > §NOPE'")]
    [DataRow("\"CHANNEL == \\\"web\\\" && AMOUNT > §NOPE\"")]
    [DataRow("\"CHANNEL == '\\u00e9\\t\\x41' \\n && AMOUNT > §NOPE\"")]
    [DataRow("\"CHANNEL == '\\U0001F600' && AMOUNT > §NOPE\"")]
    [DataRow("\"CHANNEL == '\U0001F600' && AMOUNT > §NOPE\"")]
    [DataRow("AMOUNT > 1.0\n            && AMOUNT < §NOPE")]
    [DataRow("\"AMOUNT > 1.0\n\n            && AMOUNT < §NOPE\"")]
    [DataRow("\"AMOUNT > 1.0 \\\n            && AMOUNT < §NOPE\"")]
    [DataRow("'AMOUNT > 1.0\n            && AMOUNT < §NOPE'")]
    [DataRow("|\n            AMOUNT > 1.0\n              && AMOUNT < §NOPE\n")]
    [DataRow("|- # why\n            AMOUNT > §NOPE\n")]
    [DataRow(">\n            AMOUNT > 1.0\n            && AMOUNT < §NOPE\n")]
    [DataRow(">-\n\n            §NOPE\n            > 1.0\n")]
    [DataRow("|\r\n            AMOUNT > 1.0\r\n            && AMOUNT < §NOPE\r\n")]
    public void ErrorPointsAtTheCharacter(string where)
    {
        var (text, places) = Definitions.TakeMarks(Definitions.Edit(
            Definitions.Sound,
            "- { name: total, aggregate: sum, of: AMOUNT, where: \"AMOUNT > 1.0\", window: { sliding: 7d } }",
            "- name: total\n        aggregate: sum\n        of: AMOUNT\n        where: " + where));

        var error = Assert.ContainsSingle(Definitions.Load(text).Errors);

        Assert.AreEqual(places[0], $"{error.Line}:{error.Column}", error.ToString());
        StringAssert.Contains(error.Message, "NOPE", StringComparison.Ordinal);
    }

    /// <summary>Where something is missing at the end, the place is after the last character.</summary>
    [TestMethod]
    [DataRow("of: AMOUNT +§")]
    [DataRow("of: \"AMOUNT +§\"")]
    [DataRow("of: |\n            AMOUNT +§\n")]
    public void EndOfExpressionIsAfterItsLastCharacter(string of)
    {
        var (text, places) = Definitions.TakeMarks(Definitions.Edit(
            Definitions.Sound,
            "- { name: total, aggregate: sum, of: AMOUNT, where: \"AMOUNT > 1.0\", window: { sliding: 7d } }",
            "- name: total\n        aggregate: sum\n        " + of));

        var error = Assert.ContainsSingle(Definitions.Load(text).Errors);

        Assert.AreEqual(places[0], $"{error.Line}:{error.Column}", error.ToString());
    }

    [TestMethod]
    public void RequestExpressionPointsAtItsCharacter()
    {
        var (text, places) = Definitions.TakeMarks(Definitions.Edit(Definitions.Sound, "AMOUNT > 9.0", "§USER > 9.0"));
        var error = Assert.ContainsSingle(Definitions.Load(text).Errors);
        Assert.AreEqual(places[0], $"{error.Line}:{error.Column}");
    }

    /// <summary>A service's expressions name its request fields and its other entries, before or behind them, and nothing that is made of themselves.</summary>
    [TestMethod]
    [DataRow("total * 2.0 + mean_late", null)]
    [DataRow("has(later) ? later : ever", null)]
    [DataRow("[1.0].exists(big, big > total) ? 1.0 : 0.0", null)]
    [DataRow("cel.bind(big, AMOUNT, big * 2.0)", null)]
    [DataRow("spend.total", "Unknown field \"spend\".")]
    [DataRow("AMOUNT / §totall", "Unknown field \"totall\". Did you mean \"total\"?")]
    [DataRow("AMOUNT / §nothing_like_it", "Unknown field \"nothing_like_it\". Fields and features are \"AMOUNT\", \"CHANNEL\", \"total\", \"big\"")]
    [DataRow("§USER > 9", "Unknown field \"USER\".")]
    [DataRow("AMOUNT + §big", "\"big\" uses itself. A value cannot be made of itself.")]
    [DataRow("cel.bind(big, §big, big)", "\"big\" uses itself.")]
    [DataRow("total §+ 1", "\"+\" does not take (double, int).")]
    [DataRow("total §&& true", "wants bool, found double. Compare it: total != 0.0.")]
    public void ServiceExpressionsNameEntries(string expression, string? message)
    {
        var (text, places) = Definitions.TakeMarks(Definitions.Edit(Definitions.Sound,
            "\"AMOUNT > 9.0 ? 1.0 : 0.0\" }", $"'{expression}' }}\n      - {{ name: later, expression: total / 2.0 }}"));
        var errors = Definitions.Load(text).Errors;
        if (message is null)
        {
            Assert.IsEmpty(errors, string.Join('\n', errors));
            return;
        }

        var error = Assert.ContainsSingle(errors);
        StringAssert.Contains(error.Message, message, StringComparison.Ordinal);
        StringAssert.StartsWith(error.Message, "feature service \"buy\": ", StringComparison.Ordinal);
        if (places.Count > 0 && !expression.Contains("§&&", StringComparison.Ordinal))
            Assert.AreEqual(places[0], $"{error.Line}:{error.Column}", error.ToString());
    }

    [TestMethod]
    public void ACircleOfExpressionsIsNamedWhereItCloses()
    {
        var (text, places) = Definitions.TakeMarks(Definitions.Edit(Definitions.Sound,
            "\"AMOUNT > 9.0 ? 1.0 : 0.0\" }", """
            total + c }
                  - { name: c, expression: "1.0 - b * 2.0" }
                  - { name: b, expression: "AMOUNT * §big" }
                  - { name: user_of_it, expression: "b + 1.0" }
            """));
        var error = Assert.ContainsSingle(Definitions.Load(text).Errors);
        Assert.AreEqual("feature service \"buy\": \"big\" uses \"c\" uses \"b\" uses \"big\". A value cannot be made of itself.", error.Message);
        Assert.AreEqual(places[0], $"{error.Line}:{error.Column}");
    }
}
