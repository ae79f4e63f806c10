namespace FeatureStore.Core.Tests.Expressions;

/// <summary>Literals, arithmetic, comparison, logic.</summary>
[TestClass]
public class LanguageTests
{
    public static IEnumerable<object[]> Literals => Bench.Table("""""""
        # Numbers
        0 → 0
        42 → 42
        007 → 7
        -42 → -42
        - 42 → -42
        0x2A → 42
        0XfF → 255
        -0x10 → -16
        9223372036854775807 → 9223372036854775807
        -9223372036854775808 → -9223372036854775808
        -0x8000000000000000 → -9223372036854775808
        42u → 42u
        42U → 42u
        0xFFu → 255u
        18446744073709551615u → 18446744073709551615u
        1.5 → 1.5
        .5 → 0.5
        -.5 → -0.5
        1e3 → 1000.0
        1E3 → 1000.0
        1e+3 → 1000.0
        25e-1 → 2.5
        1.25e2 → 125.0
        -2.5e0 → -2.5
        1e308 → 1E+308
        5e-324 → 5E-324
        1e-400 → 0.0
        # Booleans, null
        true → true
        false → false
        null → null
        # Strings
        "abc" → "abc"
        'abc' → "abc"
        "" → ""
        '' → ""
        "it's" → "it's"
        'say "x"' → "say \u0022x\u0022"
        """it's "x" """ → "it's \u0022x\u0022 "
        '''it's "x"''' → "it's \u0022x\u0022"
        """""" → ""
        '''''' → ""
        "héllo 😀" → "héllo 😀"
        "a\tb" → "a\u0009b"
        "\a\b\f\n\r\t\v" → "\u0007\u0008\u000c\u000a\u000d\u0009\u000b"
        "\\ \? \" \' \`" → "\u005c ? \u0022 ' `"
        "\x41\X42" → "AB"
        "\u00e9" → "é"
        "\U0001F600" → "😀"
        "\101\102" → "AB"
        "\x00" → "\u0000"
        "\xff" → "ÿ"
        "\377" → "ÿ"
        r"a\nb" → "a\u005cnb"
        R'a\nb' → "a\u005cnb"
        r"\" → "\u005c"
        r'''a\'b''' → "a\u005c'b"
        "// no comment" → "// no comment"
        # Bytes
        b"abc" → b\x61\x62\x63
        B'a' → b\x61
        b"" → b
        b"\xff\x00" → b\xff\x00
        b"\377" → b\xff
        b"é" → b\xc3\xa9
        br"\n" → b\x5c\x6e
        bR'''\''' → b\x5c
        b"""a"b""" → b\x61\x22\x62
        # Lists and maps
        [] → []
        [1, 2, 3] → [1, 2, 3]
        [1, 2, 3,] → [1, 2, 3]
        [1, "a", 2.0, true] → [1, "a", 2.0, true]
        [[1], []] → [[1], []]
        {} → {}
        {"a": 1, "b": 2} → {"a": 1, "b": 2}
        {"a": 1,} → {"a": 1}
        {1: "x", 2u: "y", true: "z", "k": [1]} → {1: "x", 2u: "y", true: "z", "k": [1]}
        # Space and comments
        1+2 → 3
        1	+	2 → 3
        (((1))) → 1
        1 + 2 // three → 3
        """"""");

    public static IEnumerable<object[]> Arithmetic => Bench.Table("""
        1 + 2 → 3
        7 - 10 → -3
        6 * 7 → 42
        7 / 2 → 3
        -7 / 2 → -3
        7 / -2 → -3
        7 % 3 → 1
        -7 % 3 → -1
        7 % -3 → 1
        -(3) → -3
        --3 → 3
        ---3 → -3
        -N → -7
        --N → 7
        2 + 3 * 4 → 14
        (2 + 3) * 4 → 20
        2 * 3 % 4 → 2
        10 - 4 - 3 → 3
        100 / 10 / 2 → 5
        1 -1 → 0
        N * N + NEG → 46
        # Unsigned
        1u + 2u → 3u
        3u - 1u → 2u
        3u * 4u → 12u
        7u / 2u → 3u
        7u % 4u → 3u
        # Doubles follow IEEE 754
        0.1 + 0.2 → 0.30000000000000004
        1.0 - 2.5 → -1.5
        D * 4.0 → 10.0
        1.0 / 3.0 → 0.3333333333333333
        1.0 / 0.0 → Infinity
        -1.0 / 0.0 → -Infinity
        0.0 / 0.0 → NaN
        -(0.0) → -0.0
        1e308 * 10.0 → Infinity
        -D → -2.5
        # Overflow and division by zero have no value
        9223372036854775807 + 1 → null
        9223372036854775807 + 0 → 9223372036854775807
        -9223372036854775808 - 1 → null
        -9223372036854775808 + -1 → null
        9223372036854775807 - -1 → null
        0 - -9223372036854775808 → null
        4611686018427387904 * 2 → null
        -4611686018427387904 * 2 → -9223372036854775808
        4294967296 * 4294967296 → null
        -9223372036854775808 * -1 → null
        -9223372036854775808 / -1 → null
        -9223372036854775808 % -1 → null
        -(-9223372036854775808) → null
        1 / 0 → null
        1 % 0 → null
        N / (N - 7) → null
        18446744073709551615u + 1u → null
        0u - 1u → null
        4294967296u * 4294967296u → null
        1u / 0u → null
        1u % 0u → null
        # Concatenation
        "a" + "b" + "c" → "abc"
        "" + "" → ""
        S + "!" → "héllo 😀!"
        b"a" + b"b" → b\x61\x62
        [1] + [2, 3] → [1, 2, 3]
        [] + [1] → [1]
        [1] + ["a"] → [1, "a"]
        """);

    public static IEnumerable<object[]> Comparison => Bench.Table("""
        1 < 2 → true
        2 < 1 → false
        1 <= 1 → true
        2 > 1 → true
        1 >= 2 → false
        1 == 1 → true
        1 != 1 → false
        # A relation is a value too: left-associative
        1 < 2 == true → true
        (3 > 2) == (2 > 1) → true
        # Numbers compare by value, exactly, whatever their types
        1 == 1.0 → true
        1u == 1 → true
        1.0 == 1u → true
        1 < 1.5 → true
        2u > 1.5 → true
        -1 < 0u → true
        0u > -1 → true
        D > 2 → true
        N == 7.0 → true
        N <= 7u → true
        9007199254740993 == 9007199254740992.0 → false
        9007199254740993 > 9007199254740992.0 → true
        BIG == 9007199254740992.0 → false
        BIG > 9007199254740992.0 → true
        9007199254740992.0 < BIG → true
        9223372036854775807 < 9223372036854775808.0 → true
        -9223372036854775808 == -9223372036854775808.0 → true
        18446744073709551615u < 18446744073709551616.0 → true
        18446744073709551615u > 9223372036854775807 → true
        9223372036854775808.0 > 9223372036854775807 → true
        1 < 1e300 → true
        1 > -1e300 → true
        1u > -0.5 → true
        0 == -0.0 → true
        # NaN is unordered and unequal to all
        0.0 / 0.0 == 0.0 / 0.0 → false
        0.0 / 0.0 != 0.0 / 0.0 → true
        0.0 / 0.0 < 1.0 → false
        0.0 / 0.0 >= 1.0 → false
        1 > 0.0 / 0.0 → false
        1 != 0.0 / 0.0 → true
        1u <= 0.0 / 0.0 → false
        1.0 / 0.0 > 9223372036854775807 → true
        # Text by code point
        "a" < "b" → true
        "a" < "aa" → true
        "B" < "a" → true
        "" < "a" → true
        "z" < "é" → true
        "\uffff" < "😀" → true
        "abc" == "abc" → true
        "abc" == "ABC" → false
        "abc" != "abd" → true
        S == "héllo 😀" → true
        S >= "h" → true
        b"\x01" < b"\xff" → true
        b"a" == b"a" → true
        false < true → true
        true <= true → true
        true == YES → true
        # Lists, maps, types
        [1, 2] == [1, 2] → true
        [1, 2] == [2, 1] → false
        [1] == [1, 1] → false
        [1, 2] == [1.0, 2u] → true
        [] == [] → true
        [[1], [2]] == [[1], [2]] → true
        [1, "a"] != [1, "b"] → true
        {"a": 1, "b": 2} == {"b": 2, "a": 1} → true
        {"a": 1} == {"a": 2} → false
        {"a": 1} == {"b": 1} → false
        {"a": 1} == {"a": 1, "b": 2} → false
        {1: 1} == {1u: 1.0} → true
        {} == {} → true
        type(1) == int → true
        type(1) == type(2) → true
        type(1) == type(1.0) → false
        # Dynamic operands: types are looked at when it runs
        dyn(1) == 1.0 → true
        dyn(1) == "1" → false
        dyn("a") != 1 → true
        dyn([1]) == [1.0] → true
        dyn(1) < 2.5 → true
        dyn(2u) > 1 → true
        dyn("a") < "b" → true
        dyn("a") < 1 → null
        dyn(1) + 2 → 3
        dyn(1) + dyn(2) → 3
        dyn(1) + 2.0 → null
        dyn("a") + "b" → "ab"
        -dyn(1.5) → -1.5
        dyn(true) && true → true
        dyn(1) && true → null
        !dyn(1) → null
        [1, "a"][0] + 1 → 2
        [1, "a"][1] + 1 → null
        dyn([1, 2])[1] * dyn([3, 4])[0] → 6
        (dyn(1) + dyn(2)) * (dyn(3) + dyn(4)) → 21
        """);

    public static IEnumerable<object[]> Logic => Bench.Table("""
        true && true → true
        true && false → false
        false || true → true
        false || false → false
        !true → false
        !!true → true
        !!!true → false
        !(1 > 2) → true
        true || false && false → true
        (true || false) && false → false
        false && true || true → true
        YES && !NO → true
        # What decides does so on either side, even beside an error
        false && 1 / 0 > 0 → false
        1 / 0 > 0 && false → false
        true || 1 / 0 > 0 → true
        1 / 0 > 0 || true → true
        true && 1 / 0 > 0 → null
        1 / 0 > 0 && true → null
        false || 1 / 0 > 0 → null
        1 / 0 > 0 || false → null
        1 / 0 > 0 || 1 % 0 > 0 || true → true
        !(1 / 0 > 0) → null
        # Conditional: only the branch taken counts
        true ? 1 : 2 → 1
        false ? 1 : 2 → 2
        true ? 1 : 1 / 0 → 1
        false ? 1 / 0 : 2 → 2
        1 / 0 > 0 ? 1 : 2 → null
        false ? 1 : true ? 2 : 3 → 2
        true ? (false ? 1 : 2) : 3 → 2
        (true ? 1 : 2) + 1 → 2
        N > 5 ? "many" : "few" → "many"
        YES ? [1] : [] → [1]
        YES ? T : OLD → 2018-06-01T06:30:15.25Z
        YES ? 1u : 2u → 1u
        YES ? b"a" : b"b" → b\x61
        YES ? dyn(1) : "a" → 1
        NO ? {"a": 1} : {} → {}
        """);

    [TestMethod]
    [DynamicData(nameof(Literals))]
    [DynamicData(nameof(Arithmetic))]
    [DynamicData(nameof(Comparison))]
    [DynamicData(nameof(Logic))]
    public void ExpressionGives(string expression, string expected) => Assert.AreEqual(expected, Bench.Evaluate(expression));

    [TestMethod]
    public void StringsMaySpanLinesInTripleQuotesOnly()
    {
        Assert.AreEqual("\"a\\u000ab\"", Bench.Evaluate("'''a\nb'''"));
        Assert.AreEqual("\"a\\u000d\\u000ab\"", Bench.Evaluate("\"\"\"a\r\nb\"\"\""));
        Assert.AreEqual("The string does not end. Close it with '.", Bench.Error("'a\nb'").Message);
    }

    [TestMethod]
    public void CommentsAndLineEndsAreSpace() => Assert.AreEqual("6", Bench.Evaluate("1 // one\n + 2\r\n\f\t + // two\n 3"));

    [TestMethod]
    public void NamesInBackticksAreFields()
    {
        Assert.AreEqual("7", Bench.Evaluate("`N`"));
        Assert.AreEqual("1", Bench.Evaluate("{'a-b': 1}.`a-b`"));
        Assert.AreEqual(0, Bench.Compile("`N`").Field);
    }

    [TestMethod]
    public void FieldIsTheFieldOnlyWhereNothingIsDoneToIt()
    {
        Assert.AreEqual(0, Bench.Compile("N").Field);
        Assert.AreEqual(8, Bench.Compile(" ( T ) ").Field);
        Assert.AreEqual(6, Bench.Compile(".S").Field);
        Assert.AreEqual(-1, Bench.Compile("-N").Field);
        Assert.AreEqual(-1, Bench.Compile("N + 0").Field);
        Assert.AreEqual(-1, Bench.Compile("has(N)").Field);
        Assert.AreEqual(-1, Bench.Compile("1").Field);
    }
}
