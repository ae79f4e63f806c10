namespace FeatureStore.Core.Tests.Expressions;

/// <summary>Hostile sources and costly evaluations end: with an error, or without a value.</summary>
[TestClass]
public class BoundTests
{
    private static string Repeat(string text, int count) => string.Concat(Enumerable.Repeat(text, count));

    [TestMethod]
    public void ASourceHasAtMost4096Characters()
    {
        Assert.AreEqual("1", Bench.Evaluate("1" + new string(' ', 4095)));
        var error = Bench.Error("1" + new string(' ', 4096));
        Assert.AreEqual("The expression has 4,097 characters; at most 4,096 are allowed.", error.Message);
        Assert.AreEqual(4096, error.Position);
        Assert.AreEqual("The expression is empty.", Bench.Error("").Message);
        Assert.AreEqual("The expression is empty.", Bench.Error("  // nothing").Message);
    }

    [TestMethod]
    [DataRow("(", "1", ")")]
    [DataRow("[", "1", "]")]
    [DataRow("size([", "1", "])")]
    [DataRow("{1: ", "1", "}")]
    [DataRow("[0][", "0", "]")]
    [DataRow("YES ? 1 : ", "1", "")]
    [DataRow("-(", "1", ")")]
    [DataRow("[1].map(x, ", "1", ")")]
    public void NestingIsBounded(string open, string inner, string close)
    {
        Bench.Compile(Repeat(open, 31) + inner + Repeat(close, 31));
        var error = Bench.Error(Repeat(open, 4090 / (open.Length + close.Length)) + inner + Repeat(close, 4090 / (open.Length + close.Length)));
        Assert.AreEqual("The expression is nested deeper than 64 levels.", error.Message);
        Assert.AreEqual("The expression is nested deeper than 64 levels.", Bench.Error(Repeat(open, 4090 / open.Length)).Message);
    }

    [TestMethod]
    public void ChainsOfSignsAreNotNested()
    {
        Assert.AreEqual("7", Bench.Evaluate(new string('-', 2000) + "N"));
        Assert.AreEqual("-7", Bench.Evaluate(new string('-', 2001) + "N"));
        Assert.AreEqual("true", Bench.Evaluate(new string('!', 4000) + "YES"));
        Assert.AreEqual("false", Bench.Evaluate(new string('!', 4001) + "YES"));
        Assert.AreEqual("1", Bench.Evaluate(new string('-', 4000) + "1"));
    }

    [TestMethod]
    [DataRow(" + N")]
    [DataRow(" - N")]
    [DataRow(" * N")]
    [DataRow(" == N")]
    [DataRow("[0]")]
    [DataRow(".a")]
    [DataRow(".trim()")]
    public void ChainsOfOperatorsAreBounded(string link)
    {
        var error = Bench.Error("N" + Repeat(link, 4000 / link.Length));
        Assert.AreEqual("The expression is more than 256 operators deep. Shorten the chain, or use a list: x in [1, 2, 3].", error.Message);
    }

    [TestMethod]
    public void LongChainsWithinTheBoundsWork()
    {
        Assert.AreEqual("1750", Bench.Evaluate("N" + Repeat(" + N", 249)));
        Assert.AreEqual("true", Bench.Evaluate("NO" + Repeat(" || NO", 600) + " || YES"));
        Assert.AreEqual("false", Bench.Evaluate("YES" + Repeat(" && YES", 500) + " && NO"));
        Assert.AreEqual("\"h\"", Bench.Evaluate("S" + Repeat(".substring(0)", 200) + ".charAt(0)"));
    }

    [TestMethod]
    public void ListsHaveAtMost1000Items()
    {
        Assert.AreEqual("1000", Bench.Evaluate($"size([{string.Join(",", Enumerable.Range(0, 1000))}])"));
        Assert.AreEqual("More than 1,000 items.", Bench.Error($"[{Repeat("1,", 1001)}]").Message);
        Assert.AreEqual("More than 1,000 items.", Bench.Error($"math.least({Repeat("1,", 1001)}1)").Message);
    }

    /// <summary>Each is far beyond the steps of one evaluation; the row keeps it from being folded away.</summary>
    [TestMethod]
    [Timeout(60_000)]
    [DataRow("L.all(a, L.all(b, L.all(c, L.all(d, L.all(e, L.all(f, a + b + c + d + e + f >= N - 7))))))")]
    [DataRow("L.map(a, L.map(b, L.map(c, L.map(d, L.map(e, [a, N]))))).size() > 0")]
    [DataRow("L.all(a, L.all(b, L.all(c, L.all(d, L.all(e, (T - OLD).getHours() != a * b * c * d * e + N)))))")]
    [DataRow("L.all(a, L.all(b, L.all(c, L.all(d, L.all(e, S.replace('', 'xxxxxxxxxxxxxxxxxxx').size() > N)))))")]
    [DataRow("L.all(a, L.all(b, L.all(c, L.all(d, L.all(e, S.matches('(x+x+)+y') || N > 0)))))")]
    [DataRow("L.all(i, a, L.all(j, b, L.all(k, c, L.all(l, d, L.all(m, e, i + j + k + l + m + a + b + c + d + e >= N - 7)))))")]
    [DataRow("L.transformMap(i, a, L.transformMap(j, b, L.transformMap(k, c, L.transformList(l, d, [l, d, N])))).size() > 0")]
    [DataRow("L.all(a, L.all(b, L.all(c, L.all(d, cel.bind(x, L.map(e, e + N), x.size() + x[a] > 0)))))")]
    [DataRow("L.all(a, L.all(b, L.all(c, L.all(d, '%.999f %.999e'.format([a, b * N]).size() > c))))")]
    [DataRow("L.all(a, L.all(b, L.all(c, L.all(d, '%s %x'.format([L, S]).size() > N))))")]
    [DataRow("L.all(a, L.all(b, L.all(c, L.all(d, base64.encode(bytes(S.replace('', 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxx'))).size() > N))))")]
    public void StepsAreBounded(string expression)
    {
        var list = $"[{string.Join(",", Enumerable.Range(0, 40))}]";
        Assert.AreEqual("null", Bench.Evaluate(System.Text.RegularExpressions.Regex.Replace(expression, @"\bL\b", list)));
    }

    [TestMethod]
    [Timeout(60_000)]
    public void FoldingIsBounded()
    {
        var list = $"[{string.Join(",", Enumerable.Range(0, 40))}]";
        var costly = $"{list}.all(a, {list}.all(b, {list}.all(c, {list}.all(d, a + b + c + d >= 0))))";
        Assert.AreEqual("null", Bench.Evaluate(string.Join(" && ", Enumerable.Repeat(costly, 7))));
    }

    /// <summary>Lists that share their items can be compared exponentially often.</summary>
    [TestMethod]
    [Timeout(60_000)]
    public void ComparingSharedListsIsBounded()
    {
        var doubled = "[[N]]" + string.Concat(Enumerable.Range(0, 40).Select(i => $".map(x{i}, [x{i}, x{i}])"));
        Assert.AreEqual("null", Bench.Evaluate($"{doubled} == {doubled}"));
    }

    [TestMethod]
    public void TextIsAtMost64KiB()
    {
        var doubling = "S" + Repeat(".replace('', 'abcdefgh')", 3);
        Assert.AreEqual("5831", Bench.Evaluate($"({doubling}).size()"));
        Assert.AreEqual("null", Bench.Evaluate($"({doubling}.replace('', 'abcdefghijklmnopq')).size()"));
        Assert.AreEqual("null", Bench.Evaluate(Repeat("('0123456789abcdef' + ", 1) + "S" + ")" + string.Concat(Enumerable.Repeat(".replace('', 'xyz')", 12))));
        var block = $"'{new string('x', 1024)}'";
        Assert.AreEqual("65536", Bench.Evaluate($"{block}.replace('x', '{new string('y', 64)}').size()"));
        Assert.AreEqual("null", Bench.Evaluate($"({block}.replace('x', '{new string('y', 64)}') + 'z').size()"));
        Assert.AreEqual("null", Bench.Evaluate($"{block}.split('').map(c, {block}).join().size()"));
        Assert.AreEqual("65000", Bench.Evaluate($"'{string.Concat(Enumerable.Repeat("%.998f", 65))}'.format([{string.Join(", ", Enumerable.Repeat("D", 65))}]).size()"));
        Assert.AreEqual("null", Bench.Evaluate($"'{string.Concat(Enumerable.Repeat("%.998f", 66))}'.format([{string.Join(", ", Enumerable.Repeat("D", 66))}]).size()"));
        var long60 = $"{block}.replace('x', '{new string('y', 60)}')";
        Assert.AreEqual("61440", Bench.Evaluate($"'%s'.format([{long60}]).size()"));
        Assert.AreEqual("61442", Bench.Evaluate($"strings.quote({long60}).size()"));
        Assert.AreEqual("61440", Bench.Evaluate($"{long60}.reverse().size()"));
        foreach (var tooLong in new[] { "'%x'.format([~])", "base64.encode(bytes(~))", "strings.quote(~.replace('y', '\\\\'))", "'%s%s'.format([~, ~])", "'%s'.format([[~, ~]])" })
            Assert.AreEqual("null", Bench.Evaluate(tooLong.Replace("~", long60, StringComparison.Ordinal)), tooLong);
    }

    [TestMethod]
    [Timeout(60_000)]
    public void PatternsTakeLinearTime()
    {
        var text = $"'{new string('x', 2000)}'";
        Assert.AreEqual("false", Bench.Evaluate($"({text} + S).matches('^(x+x+)+y$')"));
        Assert.AreEqual("false", Bench.Evaluate($"({text} + S).matches('(x*)*(x*)*(x*)*yz')"));
    }

    [TestMethod]
    public void TheDeepestExpressionNeedsLittleStack()
    {
        var deep = $"{Repeat("(", 60)}N{Repeat(" + N)", 60)}{Repeat(" + N", 190)}";
        var expression = Bench.Compile("0");
        OnStackOf(768 * 1024, () => expression = Bench.Compile(deep));
        var value = 0.0;
        OnStackOf(128 * 1024, () => value = expression.EvaluateNumber(Bench.Row));
        Assert.AreEqual(7.0 * 251, value);
    }

    /// <summary>Formats inside formats are checked once each, not once for each level around them.</summary>
    [TestMethod]
    [Timeout(60_000)]
    public void NestedFormatsAndBindingsCompileInLinearTime()
    {
        Assert.AreEqual("\"x\"", Bench.Evaluate(Repeat("'%s'.format([", 31) + "'x'" + Repeat("])", 31)));
        Assert.AreEqual("7", Bench.Evaluate(Repeat("cel.bind(x, N, ", 60) + "x" + Repeat(")", 60)));
        Assert.AreEqual("null", Bench.Evaluate("cel.bind(x0, [N], " + string.Concat(Enumerable.Range(0, 40).Select(i => $"cel.bind(x{i + 1}, [x{i}, x{i}], "))
            + "'%s'.format([x40])" + Repeat(")", 41)));
    }

    private static void OnStackOf(int bytes, ThreadStart action)
    {
        var thread = new Thread(action, bytes);
        thread.Start();
        thread.Join();
    }
}
