
namespace FeatureStore.Core.Tests.Expressions;

/// <summary>What does not compile, with where and why: expression → position, message.</summary>
[TestClass]
public class ErrorTests
{
    public static IEnumerable<object[]> Syntax => Bench.Table("""
        1 + → 
        (1 → 
        1) → 
        1 2 → 
        [1, 2 → 
        {1} → 
        {1: 2 → 
        a.b( → 
        f(1,) → 
        N = 7 → 
        N & 1 → 
        N | 1 → 
        N > 1 and D > 1.0 → 
        N or D → 
        not YES → 
        N ? 1 → 
        true ? false ? 1 : 2 : 3 → 
        N # 1 → 
        N § 1 → 
        "abc → 
        'abc" → 
        '''abc'' → 
        "a\qb" → 
        "\x4" → 
        "\ud800" → 
        "\U00110000" → 
        b"\u0041" → 
        "\400" → 
        12abc → 
        0x → 
        1.5u → 
        1.e5 → 
        9223372036854775808 → 
        -9223372036854775809 → 
        18446744073709551616u → 
        0x10000000000000000 → 
        1e999 → 
        `N → 
        `` → 
        while → 
        loop > 1 → 
        N.in → 
        Message{a: 1} → 
        a.b.Message{} → 
        {"a": 1}.?a → 
        [1][?0] → 
        [?1] → 
        . → 
        N. → 
        N.1 → 
        1..2 → 
        ! → 
        - → 
        """);

    public static IEnumerable<object[]> Names => Bench.Table("""
        X → 
        NEGG > 1 → 
        ascii → 
        1 + QUITE_ANOTHER → 
        N + x → 
        size → 
        math → 
        a.b.c → 
        nosuch(1) → 
        N.nosuch() → 
        siz(S) → 
        S.containz("a") → 
        math.foo(1) → 
        strings.quote(S) → 
        [1].exist(x, true) → 
        has(X) → 
        T.getHour() → 
        """);

    public static IEnumerable<object[]> Types => Bench.Table("""
        N + D → 
        D * 2 → 
        2 * D → 
        N / 2.5 → 
        N + 1u → 
        S + 1 → 
        S - S → 
        D % 2.0 → 
        YES + 1 → 
        T + T → 
        T + 5 → 
        T - 3600 → 
        -S → 
        -1u → 
        !N → 
        N && true → 
        true || D → 
        S < 1 → 
        N == "7" → 
        T == 5 → 
        T > 1527834615250 → 
        YES == 1 → 
        [1] < [2] → 
        [1] == ["a"] → 
        N ? 1 : 2 → 
        YES ? 1 : 2.0 → 
        YES ? 1 : "a" → 
        YES ? D : 0 → 
        N in 5 → 
        "a" in S → 
        N in ["a"] → 
        "a" in {1: 2} → 
        [1]["a"] → 
        [1][1.0] → 
        {"a": 1}[1] → 
        N[0] → 
        S[0] → 
        N.foo → 
        T.getHours → 
        {1: 2}.a → 
        {1.5: 2} → 
        {[1]: 2} → 
        [1, null] → 
        {"a": null} → 
        N + null → 
        size(null) → 
        S.contains(1) → 
        S.contains() → 
        S.contains("a", "b") → 
        contains(S, "a") → 
        S.int() → 
        size(1) → 
        size() → 
        int(YES) → 
        int(1, 2) → 
        duration(5) → 
        math.abs(S) → 
        math.abs() → 
        math.greatest() → 
        math.greatest("a") → 
        math.pow(2, 3) → 
        math.floor(1) → 
        S.all(x, true) → 
        [1].all(x) → 
        [1].all(1, true) → 
        [1].all(x, x) → 
        [1].map(x, true, x, x) → 
        [1].map(x, null) → 
        has(1) → 
        has() → 
        has(N + 1) → 
        has(S.size) → 
        [1].join() → 
        S.format([1]) → 
        """);

    /// <summary>Constants that a function reads are checked when the expression is compiled.</summary>
    public static IEnumerable<object[]> Constants => Bench.Table("""
        timestamp("2018-06-31T00:00:00Z") → 
        timestamp("2018-06-01") → 
        timestamp("2018-06-01T00:00:00") → 
        timestamp("2018-06-01T24:00:00Z") → 
        timestamp("2018-06-01T00:00:60Z") → 
        timestamp("2018-06-01T00:00:00.Z") → 
        timestamp("0000-01-01T00:00:00Z") → 
        timestamp("10000-01-01T00:00:00Z") → 
        timestamp("0001-01-01T00:00:00+01:00") → 
        timestamp("") → 
        duration("7d") → 
        duration("") → 
        duration("1") → 
        duration("h") → 
        duration("-") → 
        duration("1h 2m") → 
        duration("320000000000s") → 
        T.getHours("Mars/Olympus") → 
        T.getHours("../etc/passwd") → 
        T.getHours("") → 
        T.getHours(S) → 
        S.matches(ASCII) → 
        S.matches("(") → 
        S.matches(")") → 
        S.matches("[a") → 
        S.matches("a**") → 
        S.matches("*a") → 
        S.matches("(?=a)") → 
        S.matches("(?<!a)") → 
        S.matches(r"(a)\1") → 
        S.matches(r"\C") → 
        S.matches("\\") → 
        S.matches("[[:foo:]]") → 
        S.matches("[b-a]") → 
        S.matches(r"\p{Greek}") → 
        S.matches(r"\x{110000}") → 
        S.matches("[😀]") → 
        S.matches("a{1001}") → 
        S.matches("((a{100}){100}){100}") → 
        S.matches("a{2,1}") → 
        """);
}
