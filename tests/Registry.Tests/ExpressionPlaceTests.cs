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
}
