namespace FeatureStore.Core.Tests.Expressions;

/// <summary>What runs for each event does not allocate.</summary>
[TestClass]
public class AllocationTests
{
    [TestMethod]
    [DataRow("D")]
    [DataRow("N")]
    [DataRow("T")]
    [DataRow("_N")]
    [DataRow("N * 3 + NEG - N / 2 % 5")]
    [DataRow("(D - 53.6) / 42.3")]
    [DataRow("1 / (N - 7)")]
    [DataRow("T + duration('1h') - OLD")]
    [DataRow("T - OLD > duration('24h') ? 1.0 : 0.0")]
    [DataRow("T.getHours() <= 6 ? 1.0 : 0.0")]
    [DataRow("T.getDayOfWeek() in [0, 6] ? 1.0 : 0.0")]
    [DataRow("T.getFullYear() + T.getMonth() + T.getDate() + T.getDayOfYear() + T.getMinutes() + T.getMilliseconds()")]
    [DataRow("T.getHours('Europe/Amsterdam')")]
    [DataRow("D > 2 && N == 7.0 || !(NEG < 0)")]
    [DataRow("has(_D) ? _D : -1.0")]
    [DataRow("_D == null ? 0.0 : _D")]
    [DataRow("YES ? D : 0.0")]
    [DataRow("N in [1, 3, 5, 7]")]
    [DataRow("D in [1, 2.5]")]
    [DataRow("S in ['a', 'héllo 😀']")]
    [DataRow("T in [timestamp('2018-06-01T06:30:15.250Z')]")]
    [DataRow("S == 'héllo 😀'")]
    [DataRow("S != ASCII && S < ASCII")]
    [DataRow("S.startsWith('hé') && S.endsWith('😀') && S.contains('llo')")]
    [DataRow("S.size() + ASCII.size()")]
    [DataRow("S.indexOf('l') + ASCII.lastIndexOf('o')")]
    [DataRow("{'a': 0.5, 'Hello, world': 1.5}[ASCII]")]
    [DataRow("ASCII in {'a': 1}")]
    [DataRow("{1: 0.5, 7: 1.5}[N]")]
    [DataRow("[0.1, 0.2, 0.3][N - 5]")]
    [DataRow("[1, 2, 3].exists(x, x * 3 > N)")]
    [DataRow("math.greatest(N, D, 3)")]
    [DataRow("math.bitAnd(N, 3) + math.bitShiftLeft(N, 2) - math.bitNot(NEG)")]
    [DataRow("cel.bind(x, D * 2.0, x > 1.0 ? x * x : _D)")]
    [DataRow("cel.bind(x, T - OLD, x > duration('1h') && x == x)")]
    [DataRow("[1, 2, 3].exists(i, x, i * x > N)")]
    [DataRow("{'a': 1, 'b': 2}.all(k, v, v < N)")]
    [DataRow("math.ln(D) + math.sqrt(N) + math.round(D) + double(N)")]
    [DataRow("int(D) + int(T)")]
    [DataRow("dyn(N) + dyn(NEG)")]
    [DataRow("ASCII.matches('^H.*d$')")]
    [DataRow("S")]
    [DataRow("YES ? S : ASCII")]
    [DataRow("ASCII.trim().substring(1, 3)")]
    [DataRow("'constant'")]
    public void EvaluationAllocatesNothing(string text)
    {
        var expression = Bench.Compile(text);
        var isText = expression.Type == Core.Expressions.ExpressionType.String;
        for (var round = 0; round < 3; round++)
            Run(expression, isText);
        var before = GC.GetAllocatedBytesForCurrentThread();
        Run(expression, isText);
        Assert.AreEqual(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }

    private static void Run(Core.Expressions.CompiledExpression expression, bool isText)
    {
        for (var i = 0; i < 100; i++)
        {
            expression.EvaluateNumber(Bench.Row);
            expression.EvaluateCondition(Bench.Row);
            if (isText)
                expression.TryEvaluateText(Bench.Row, out _);
        }
    }

    [TestMethod]
    public void ManyThreadsMayShareAnExpression()
    {
        var expression = Bench.Compile("[1, 2, 3, 4].map(x, x * N).filter(x, x > 7).size() + dyn(N) + dyn(1)");
        Parallel.For(0, 2000, _ => Assert.AreEqual(11.0, expression.EvaluateNumber(Bench.Row)));
    }
}
