namespace FeatureStore.Core.Tests.Expressions;

/// <summary>Strings, conversions, mathematics.</summary>
[TestClass]
public class FunctionTests
{
    public static IEnumerable<object[]> Strings => Bench.Table("""
        S.contains("llo") → true
        S.contains("xyz") → false
        S.contains("") → true
        "".contains("a") → false
        S.startsWith("hé") → true
        S.startsWith("e") → false
        S.endsWith("😀") → true
        S.endsWith("") → true
        "HeLLo É".lowerAscii() → "hello É"
        "HeLLo é".upperAscii() → "HELLO é"
        "[@`{".lowerAscii() → "[@`{"
        "  a b \t\n".trim() → "a b"
        "\u00a0\u2003\u3000x\u2028\u0085".trim() → "x"
        "\u200bx".trim() == "x" → false
        "   ".trim() → ""
        "".trim() → ""
        # Indexes count code points
        S.charAt(1) → "é"
        S.charAt(6) → "😀"
        S.charAt(7) → ""
        S.charAt(8) → null
        S.charAt(-1) → null
        "".charAt(0) → ""
        S.indexOf("l") → 2
        S.indexOf("😀") → 6
        S.indexOf("z") → -1
        S.indexOf("") → 0
        S.indexOf("l", 3) → 3
        S.indexOf("l", 4) → -1
        S.indexOf("", 4) → 4
        S.indexOf("l", 99) → null
        S.indexOf("l", -1) → null
        S.lastIndexOf("l") → 3
        S.lastIndexOf("z") → -1
        S.lastIndexOf("") → 7
        S.lastIndexOf("l", 2) → 2
        S.lastIndexOf("l", 1) → -1
        S.lastIndexOf("lo", 3) → 3
        S.lastIndexOf("", 2) → 2
        S.lastIndexOf("l", 99) → null
        S.lastIndexOf("l", -1) → null
        "abcabcabc".lastIndexOf("abca", 4) → 3
        S.substring(1) → "éllo 😀"
        S.substring(7) → ""
        S.substring(8) → null
        S.substring(-1) → null
        S.substring(1, 3) → "él"
        S.substring(2, 2) → ""
        S.substring(0, 7) → "héllo 😀"
        S.substring(3, 2) → null
        S.substring(0, 8) → null
        "banana".replace("an", "AN") → "bANANa"
        "banana".replace("a", "") → "bnn"
        "banana".replace("a", "o", 2) → "bonona"
        "banana".replace("a", "o", 0) → "banana"
        "banana".replace("a", "o", -1) → "bonono"
        "banana".replace("x", "y") → "banana"
        "aé".replace("", "-") → "-a-é-"
        "aé".replace("", "-", 2) → "-a-é"
        "".replace("", "-") → "-"
        "a,b,,c".split(",") → ["a", "b", "", "c"]
        "abc".split(",") → ["abc"]
        "".split(",") → [""]
        "aé😀".split("") → ["a", "é", "😀"]
        "".split("") → []
        "a,b,c".split(",", 2) → ["a", "b,c"]
        "a,b,c".split(",", 1) → ["a,b,c"]
        "a,b,c".split(",", 0) → []
        "a,b,c".split(",", -1) → ["a", "b", "c"]
        "abc".split("", 2) → ["a", "bc"]
        ["a", "b"].join() → "ab"
        ["a", "b"].join(", ") → "a, b"
        ["", "b"].join(",") → ",b"
        [].join(",") → ""
        [dyn("a"), dyn(1)].join() → null
        "a b c".split(" ").map(w, w.upperAscii()).join("") → "ABC"
        """);

    /// <summary>RE2's syntax and meaning: \d, \w, \s are ASCII, $ is the very end, a character is a code point.</summary>
    public static IEnumerable<object[]> Patterns => Bench.Table("""
        "foobar".matches("o+b") → true
        "foobar".matches("^foo") → true
        "foobar".matches("^bar") → false
        "foobar".matches("bar$") → true
        "foobar".matches("^foobar$") → true
        matches("foobar", "f.*r") → true
        "".matches("") → true
        "a".matches("^$") → false
        "card-4711".matches(r"^card-\d{4}$") → true
        "card-471".matches(r"^card-\d{4}$") → false
        "٣".matches(r"\d") → false
        "é".matches(r"\w") → false
        "é".matches(r"^\W$") → true
        "\u00a0".matches(r"\s") → false
        "a\n".matches("a$") → false
        "a\n".matches("(?m)a$") → true
        "b\na".matches("^a") → false
        "b\na".matches("(?m)^a") → true
        "a\nb".matches("a.b") → false
        "a\nb".matches("(?s)a.b") → true
        "ABC".matches("(?i)abc") → true
        "ABC".matches("a(?i:b)c") → false
        "aBc".matches("a(?i:b)c") → true
        "aBC".matches("a(?i:b)c") → false
        "aBC".matches("(?:a(?i)b)c") → false
        "😀".matches("^.$") → true
        "😀😀".matches("^.$") → false
        "😀😀".matches("^😀{2}$") → true
        "😀".matches("^[^a]$") → true
        "a".matches("^[^a]$") → false
        "😀".matches(r"^\D$") → true
        "😀".matches(r"^[\W]$") → true
        "😀".matches(r"^[^\W]$") → false
        "x".matches(r"^[^\D]$") → false
        "5".matches(r"^[^\D]$") → true
        "a]b".matches("a[]]b") → true
        "-".matches("[a-]") → true
        "-[".matches(r"^[a\-z[]+$") → true
        "b[".matches(r"^[a\-z[]+$") → false
        "b".matches("[a-c-[b]]") → false
        "c]".matches("[a-c-[b]]") → true
        "Ä".matches(r"\p{Lu}") → true
        "Ä".matches(r"\pL") → true
        "Ä".matches(r"\PL") → false
        "Ä".matches(r"[\p{^L}]") → false
        "x1".matches("[[:alpha:]][[:digit:]]") → true
        "é".matches("[[:alpha:]]") → false
        "a.b".matches(r"\Qa.b\E") → true
        "axb".matches(r"\Qa.b\E") → false
        "A".matches(r"\x41") → true
        "😀".matches(r"\x{1F600}") → true
        "ab".matches("(?P<first>a)(?<second>b)") → true
        "aa{,2}".matches("a{,2}$") → true
        "word boundary".matches(r"\bbound") → true
        ("f" + "oo").matches("^" + "foo") → true
        dyn("abc").matches("b") → true
        """);

    public static IEnumerable<object[]> Conversions => Bench.Table("""
        int(42) → 42
        int(42u) → 42
        int(18446744073709551615u) → null
        int(2.9) → 2
        int(-2.9) → -2
        int(9223372036854774784.0) → 9223372036854774784
        int(9223372036854775807.0) → null
        int(-9223372036854775808.0) → null
        int(1e99) → null
        int(0.0 / 0.0) → null
        int("42") → 42
        int("-42") → -42
        int("+42") → 42
        int("9223372036854775808") → null
        int(" 42") → null
        int("4.2") → null
        int("") → null
        int("0x10") → null
        int(timestamp("1970-01-01T00:01:00Z")) → 60
        int(OLD) → -1
        uint(42) → 42u
        uint(-1) → null
        uint(42.9) → 42u
        uint(-0.5) → null
        uint(18446744073709551616.0) → null
        uint("42") → 42u
        uint("-1") → null
        uint(7u) → 7u
        double(3) → 3.0
        double(3u) → 3.0
        double(1.5) → 1.5
        double("1.5") → 1.5
        double("-1.5e3") → -1500.0
        double(".5") → 0.5
        double("NaN") → NaN
        double("Infinity") → Infinity
        double("-inf") → -Infinity
        double("1e999") → null
        double("1,5") → null
        double("") → null
        double("-") → null
        double(9007199254740993) → 9007199254740992.0
        string(42) → "42"
        string(-42) → "-42"
        string(42u) → "42"
        string(2.5) → "2.5"
        string(-0.0045) → "-0.0045"
        string(3.0) → "3"
        string(true) → "true"
        string("x") → "x"
        string(b"abc") → "abc"
        string(b"\xc3\xa9") → "é"
        string(b"\xff") → null
        string(T) → "2018-06-01T06:30:15.25Z"
        string(timestamp("0001-01-01T00:00:00Z")) → "0001-01-01T00:00:00Z"
        string(duration("1h30m")) → "5400s"
        string(duration("-1.5s")) → "-1.5s"
        double(string(0.1 + 0.2)) == 0.1 + 0.2 → true
        bool(true) → true
        bool("true") → true
        bool("True") → true
        bool("TRUE") → true
        bool("t") → true
        bool("T") → true
        bool("1") → true
        bool("false") → false
        bool("FALSE") → false
        bool("f") → false
        bool("0") → false
        bool("tRuE") → null
        bool("yes") → null
        bytes("é") → b\xc3\xa9
        bytes(b"x") → b\x78
        dyn(1) → 1
        type(1) → int
        type(1u) → uint
        type(1.0) → double
        type("") → string
        type(b"") → bytes
        type(true) → bool
        type([]) → list
        type({}) → map
        type(T) → google.protobuf.Timestamp
        type(T - T) → google.protobuf.Duration
        type(type(1)) → type
        type(T) == google.protobuf.Timestamp → true
        type(null) == null_type → null
        string(dyn(1)) → "1"
        int(dyn("5")) + 1 → 6
        int(dyn(true)) → null
        """);

    public static IEnumerable<object[]> Mathematics => Bench.Table("""
        math.greatest(1, 3, 2) → 3
        math.least(1, 3, 2) → 1
        math.greatest(5) → 5
        math.greatest(1, 2.5) → 2.5
        math.greatest(3, 2.5) → 3
        math.least(1u, -1) → -1
        math.greatest(1, 1.0) → 1
        math.greatest([1, 5, 3]) → 5
        math.least([1.5, 0.5]) → 0.5
        math.greatest([1, 2.5, 2u]) → 2.5
        math.greatest([]) → null
        math.greatest(1.0, 0.0 / 0.0, 2.0) → NaN
        math.greatest(dyn(1), dyn("a")) → null
        math.greatest(dyn([1, 2])) → 2
        math.greatest(N, NEG) → 7
        math.abs(-3) → 3
        math.abs(3u) → 3u
        math.abs(-2.5) → 2.5
        math.abs(-9223372036854775808) → null
        math.ceil(1.2) → 2.0
        math.ceil(-1.2) → -1.0
        math.floor(1.8) → 1.0
        math.floor(-1.2) → -2.0
        math.round(2.5) → 3.0
        math.round(-2.5) → -3.0
        math.round(2.4) → 2.0
        math.trunc(-2.9) → -2.0
        math.sign(-5) → -1
        math.sign(5u) → 1u
        math.sign(0u) → 0u
        math.sign(-0.5) → -1.0
        math.sign(0.0) → 0.0
        math.sign(0.0 / 0.0) → NaN
        math.isNaN(0.0 / 0.0) → true
        math.isNaN(1.0) → false
        math.isInf(1.0 / 0.0) → true
        math.isInf(0.0 / 0.0) → false
        math.isFinite(1.0) → true
        math.isFinite(-1.0 / 0.0) → false
        math.sqrt(9.0) → 3.0
        math.sqrt(9) → 3.0
        math.sqrt(9u) → 3.0
        math.sqrt(-1.0) → NaN
        math.ln(1.0) → 0.0
        math.ln(math.exp(2.0)) → 2.0
        math.ln(0) → -Infinity
        math.log10(1000) → 3.0
        math.exp(0) → 1.0
        math.pow(2.0, 10.0) → 1024.0
        math.pow(2.0, -1.0) → 0.5
        math.abs(dyn(-3)) → 3
        math.sqrt(dyn(4u)) → 2.0
        """);

    [TestMethod]
    [DynamicData(nameof(Strings))]
    [DynamicData(nameof(Patterns))]
    [DynamicData(nameof(Conversions))]
    [DynamicData(nameof(Mathematics))]
    public void ExpressionGives(string expression, string expected) => Assert.AreEqual(expected, Bench.Evaluate(expression));
}
