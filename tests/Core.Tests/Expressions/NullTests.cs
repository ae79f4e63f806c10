using System.Text;

namespace FeatureStore.Core.Tests.Expressions;

/// <summary>An operand that is null makes the result null; an error is a null. The fields _N, _D, _B, _S, _T are null.</summary>
[TestClass]
public class NullTests
{
    public static IEnumerable<object[]> Rules => Bench.Table("""
        _N → null
        _S → null
        _N + 1 → null
        1 + _N → null
        -_N → null
        D * _D → null
        _N == 7 → null
        _N == _N → null
        _N != _N → null
        _N < 7 → null
        _S == "" → null
        _S + "x" → null
        _S.size() → null
        _S.contains("x") → null
        S.contains(_S) → null
        _S.lowerAscii() → null
        _T.getHours() → null
        _T.getHours("Europe/Amsterdam") → null
        _T + duration("1h") → null
        T - _T → null
        string(_N) → null
        int(_D) → null
        type(_N) → null
        dyn(_N) → null
        dyn(_N) + 1 → null
        math.abs(_N) → null
        math.greatest(1, _N) → null
        _N in [1, 2] → null
        _S in ["a"] → null
        1 in [_N, 1] → null
        [1, _N] → null
        {"a": _N} → null
        [1, 2][_N] → null
        {"a": 1}[_S] → null
        [1, 2].map(x, x + _N) → null
        [1, 2].filter(x, x > _N) → null
        # Logic: what decides, decides
        _B && true → null
        _B && false → false
        false && _B → false
        _B || true → true
        true || _B → true
        _B || false → null
        !_B → null
        [1, 2].all(x, x > _N) → null
        [1, 2].all(x, x > _N && false) → false
        [1, 2].exists(x, x == 1 || x == _N) → true
        # Conditional
        _B ? 1 : 2 → null
        YES ? _N : 2 → null
        NO ? _N : 2 → 2
        NO ? 1 : null → null
        YES ? 1 : null → 1
        YES ? null : "x" → null
        (NO ? 1 : null) + 1 → null
        # has: whether a field has a value
        has(N) → true
        has(_N) → false
        has(_S) → false
        has(_T) || true → true
        !has(_D) → true
        has(_N) ? _N : -1 → -1
        has(N) ? N : -1 → 7
        has(_S) && _S.size() > 3 → false
        has(.N) → true
        # == null and != null: whether any expression has a value; never null themselves
        _N == null → true
        N == null → false
        null == _N → true
        _N != null → false
        N != null → true
        null == null → true
        null != null → false
        _N + 1 == null → true
        1 / 0 == null → true
        1 / N == null → false
        {"a": 1}[S] == null → true
        1 == null → false
        "" == null → false
        [] != null → true
        {"a": 1}[S] != null ? 1.0 : 0.0 → 0.0
        # null elsewhere
        null && false → false
        null || true → true
        null && true → null
        null in [1] → null
        """);

    [TestMethod]
    [DynamicData(nameof(Rules))]
    public void ExpressionGives(string expression, string expected) => Assert.AreEqual(expected, Bench.Evaluate(expression));

    [TestMethod]
    [DataRow("N", 7)]
    [DataRow("42u", 42)]
    [DataRow("D", 2.5)]
    [DataRow("YES", 1)]
    [DataRow("NO", 0)]
    [DataRow("T", 1527834615250)]
    [DataRow("OLD", -1)]
    [DataRow("T - OLD", 1527834615251)]
    [DataRow("duration('1us')", 0.001)]
    [DataRow("dyn(N)", 7)]
    [DataRow("dyn(YES)", 1)]
    [DataRow("dyn(T)", 1527834615250)]
    [DataRow("dyn(T - OLD)", 1527834615251)]
    [DataRow("dyn(2u)", 2)]
    [DataRow("18446744073709551615u", 18446744073709551615.0)]
    [DataRow("S", double.NaN)]
    [DataRow("dyn(S)", double.NaN)]
    [DataRow("[1]", double.NaN)]
    [DataRow("null", double.NaN)]
    [DataRow("_N", double.NaN)]
    [DataRow("_D", double.NaN)]
    [DataRow("_T", double.NaN)]
    [DataRow("1 / 0", double.NaN)]
    public void ANumberIs(string expression, double expected) => Assert.AreEqual(expected, Bench.Compile(expression).EvaluateNumber(Bench.Row));

    [TestMethod]
    [DataRow("YES", true)]
    [DataRow("NO", false)]
    [DataRow("_B", false)]
    [DataRow("!_B", false)]
    [DataRow("_N > 5", false)]
    [DataRow("!(_N > 5)", false)]
    [DataRow("1 / 0 > 0", false)]
    [DataRow("dyn(true)", true)]
    [DataRow("dyn(1)", false)]
    [DataRow("N", false)]
    [DataRow("'true'", false)]
    [DataRow("null", false)]
    public void AConditionHolds(string expression, bool expected) => Assert.AreEqual(expected, Bench.Compile(expression).EvaluateCondition(Bench.Row));

    [TestMethod]
    [DataRow("S", "héllo 😀")]
    [DataRow("S + '!'", "héllo 😀!")]
    [DataRow("''", "")]
    [DataRow("N", "7")]
    [DataRow("7u", "7")]
    [DataRow("D", "2.5")]
    [DataRow("YES", "true")]
    [DataRow("T", "2018-06-01T06:30:15.25Z")]
    [DataRow("duration('90s')", "90s")]
    [DataRow("b'abc'", "abc")]
    [DataRow("dyn(S)", "héllo 😀")]
    [DataRow("dyn(N)", "7")]
    [DataRow("b'\\xff'", null)]
    [DataRow("_S", null)]
    [DataRow("_N", null)]
    [DataRow("int('x')", null)]
    [DataRow("[1]", null)]
    [DataRow("dyn([1])", null)]
    [DataRow("{'a': 1}", null)]
    [DataRow("type(1)", null)]
    [DataRow("null", null)]
    public void TextIs(string expression, string? expected)
    {
        var has = Bench.Compile(expression).TryEvaluateText(Bench.Row, out var text);
        Assert.AreEqual(expected, has ? Encoding.UTF8.GetString(text) : null);
    }
}
