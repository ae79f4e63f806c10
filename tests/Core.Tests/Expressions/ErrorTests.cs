namespace FeatureStore.Core.Tests.Expressions;

/// <summary>What does not compile, with where and why: expression → position, message.</summary>
[TestClass]
public class ErrorTests
{
    public static IEnumerable<object[]> Syntax => Bench.Table("""
        1 + → 3: Expected a value, found the end.
        (1 → 2: Expected ")", found the end.
        1) → 1: Expected an operator or the end, found ")".
        1 2 → 2: Expected an operator or the end, found "2".
        [1, 2 → 5: Expected "]", found the end.
        {1} → 2: Expected ":", found "}".
        {1: 2 → 5: Expected "}", found the end.
        a.b( → 4: Expected a value, found the end.
        f(1,) → 4: Expected an argument, found ")".
        N = 7 → 2: "=" is not an operator. Use "==" to compare.
        N & 1 → 2: "&" is not an operator. Use "&&" for and.
        N | 1 → 2: "|" is not an operator. Use "||" for or.
        N > 1 and D > 1.0 → 6: Expected an operator or the end, found "and". Use "&&".
        N or D → 2: Expected an operator or the end, found "or". Use "||".
        not YES → 4: Expected an operator or the end, found "YES". Use "!".
        N ? 1 → 5: Expected ":", found the end.
        true ? false ? 1 : 2 : 3 → 13: Expected ":", found "?".
        N # 1 → 2: Character "#" is not allowed outside strings.
        N § 1 → 2: Character "§" is not allowed outside strings.
        "abc → 0: The string does not end. Close it with ".
        'abc" → 0: The string does not end. Close it with '.
        '''abc'' → 0: The string does not end. Close it with '''.
        "a\qb" → 2: "\q" is not an escape. Use \n, \t, \\, \x41, \u0041, \U00000041, \101 and the like, or a raw string r"…".
        "\x4" → 1: "\x" is not an escape. Use \n, \t, \\, \x41, \u0041, \U00000041, \101 and the like, or a raw string r"…".
        "\ud800" → 1: U+D800 is not a character.
        "\U00110000" → 1: U+110000 is not a character.
        b"\u0041" → 2: "\u" is not an escape. In bytes use \n, \t, \\, \x41, \101 and the like, or a raw string r"…".
        "\400" → 1: "\4" is not an escape. Use \n, \t, \\, \x41, \u0041, \U00000041, \101 and the like, or a raw string r"…".
        12abc → 0: "12abc" is not a number. Numbers are 42, 42u, 0x2A, 4.2, 4.2e1.
        0x → 0: "0x" is not a number. Numbers are 42, 42u, 0x2A, 4.2, 4.2e1.
        1.5u → 0: "1.5u" is not a number. Numbers are 42, 42u, 0x2A, 4.2, 4.2e1.
        1.e5 → 2: int has no member "e5".
        9223372036854775808 → 0: 9223372036854775808 does not fit into 64 bits. Write 9223372036854775808.0 for a double.
        -9223372036854775809 → 1: 9223372036854775809 does not fit into 64 bits. Write 9223372036854775809.0 for a double.
        18446744073709551616u → 0: 18446744073709551616 does not fit into 64 bits.
        0x10000000000000000 → 0: 0x10000000000000000 does not fit into 64 bits.
        1e999 → 0: 1e999 is too large for a double.
        `N → 0: The name in backticks does not end. Close it with "`".
        `` → 0: The name in backticks is empty.
        while → 0: "while" is a reserved word. Write a field of this name in backticks: `while`.
        loop > 1 → 0: "loop" is a reserved word. Write a field of this name in backticks: `loop`.
        N.in → 2: "in" is a reserved word. Write a field of this name in backticks: `in`.
        Message{a: 1} → 0: Messages cannot be made. Use a map: {"name": value}.
        a.b.Message{} → 0: Messages cannot be made. Use a map: {"name": value}.
        {"a": 1}.?a → 9: Optional members ".?" are not supported. Use has(x) ? x : ….
        [1][?0] → 4: Optional indexes "[?" are not supported. Use key in map ? map[key] : ….
        [?1] → 1: Optional items "?" are not supported.
        . → 1: Expected a value, found the end.
        N. → 2: Expected a name, found the end.
        N.1 → 1: Expected an operator or the end, found ".1".
        1..2 → 2: Expected a name, found ".2".
        ! → 1: Expected a value, found the end.
        - → 1: Expected a value, found the end.
        """);

    public static IEnumerable<object[]> Names => Bench.Table("""
        X → 0: Unknown field "X". Fields are "N", "NEG", "BIG", "D", "YES", "NO", "S", "ASCII" and 7 more.
        NEGG > 1 → 0: Unknown field "NEGG". Did you mean "NEG"?
        ascii → 0: Unknown field "ascii". Did you mean "ASCII"?
        1 + QUITE_ANOTHER → 4: Unknown field "QUITE_ANOTHER". Fields are "N", "NEG", "BIG", "D", "YES", "NO", "S", "ASCII" and 7 more.
        N + x → 4: Unknown field "x". Fields are "N", "NEG", "BIG", "D", "YES", "NO", "S", "ASCII" and 7 more.
        size → 0: Unknown field "size". It is a function: call it.
        math → 0: Unknown field "math". It holds functions: call one, such as math.abs(x).
        a.b.c → 0: Unknown field "a". Fields are "N", "NEG", "BIG", "D", "YES", "NO", "S", "ASCII" and 7 more.
        nosuch(1) → 0: Unknown function "nosuch".
        N.nosuch() → 2: Unknown function "nosuch".
        siz(S) → 0: Unknown function "siz". Did you mean "size"?
        S.containz("a") → 2: Unknown function "containz". Did you mean "contains"?
        math.foo(1) → 5: Unknown function "math.foo". Did you mean "math.floor"?
        [1].exist(x, true) → 4: Unknown function "exist". Did you mean "exists"?
        has(X) → 4: Unknown field "X". Fields are "N", "NEG", "BIG", "D", "YES", "NO", "S", "ASCII" and 7 more.
        T.getHour() → 2: Unknown function "getHour". Did you mean "getHours"?
        """);

    public static IEnumerable<object[]> Types => Bench.Table("""
        N + D → 2: "+" does not take (int, double). Types are never converted by themselves: write double(N).
        D * 2 → 2: "*" does not take (double, int). Types are never converted by themselves: write 2.0.
        2 * D → 2: "*" does not take (int, double). Types are never converted by themselves: write 2.0.
        N / 2.5 → 2: "/" does not take (int, double). Types are never converted by themselves: write double(N).
        N + 1u → 2: "+" does not take (int, uint). Types are never converted by themselves: write int(1u).
        S + 1 → 2: "+" does not take (string, int). Types are never converted by themselves: write string(1).
        S - S → 2: "-" does not take (string, string). It takes int - int; uint - uint; double - double; timestamp - timestamp; timestamp - duration; duration - duration.
        D % 2.0 → 2: "%" does not take (double, double). It takes int % int; uint % uint.
        YES + 1 → 4: "+" does not take (bool, int). It takes int + int; uint + uint; double + double; string + string; bytes + bytes; list + list; timestamp + duration; duration + timestamp; duration + duration.
        T + T → 2: "+" does not take (timestamp, timestamp). It takes timestamp + duration.
        T + 5 → 2: "+" does not take (timestamp, int). Write timestamp("2018-06-01T12:30:00Z"), timestamp(seconds) or duration("1h").
        T - 3600 → 2: "-" does not take (timestamp, int). Write timestamp("2018-06-01T12:30:00Z"), timestamp(seconds) or duration("1h").
        -S → 0: "-" does not take (string). It takes -int; -double.
        -1u → 0: "-" does not take (uint). It takes -int; -double.
        !N → 0: "!" does not take (int). It takes !bool.
        N && true → 0: "&&" wants bool, found int. Compare it: N != 0.
        true || D → 8: "||" wants bool, found double. Compare it: D != 0.0.
        S < 1 → 2: "<" does not take (string, int). Types are never converted by themselves: write string(1).
        N == "7" → 2: "==" compares int with string, which are never equal. Types are never converted by themselves: write string(N).
        T == 5 → 2: "==" compares timestamp with int, which are never equal. Write timestamp("2018-06-01T12:30:00Z"), timestamp(seconds) or duration("1h").
        T > 1527834615250 → 2: ">" does not take (timestamp, int). Write timestamp("2018-06-01T12:30:00Z"), timestamp(seconds) or duration("1h").
        YES == 1 → 4: "==" compares bool with int, which are never equal.
        [1] < [2] → 4: "<" does not take (list(int), list(int)). Numbers, bool, string, bytes, timestamp and duration have an order.
        [1] == ["a"] → 4: "==" compares list(int) with list(string), which are never equal.
        N ? 1 : 2 → 0: The condition of "?" wants bool, found int. Compare it: N != 0.
        YES ? 1 : 2.0 → 4: The branches of "?" have the types int and double. Types are never converted by themselves: write 1.0.
        YES ? 1 : "a" → 4: The branches of "?" have the types int and string. Types are never converted by themselves: write string(1).
        YES ? D : 0 → 4: The branches of "?" have the types double and int. Types are never converted by themselves: write 0.0.
        N in 5 → 2: "in" wants a list or a map, found int.
        "a" in S → 4: "in" wants a list or a map, found string. Write S.contains("a").
        N in ["a"] → 2: "in" looks for int in a list(string), where it never is.
        "a" in {1: 2} → 4: "in" looks for string in a map(int, int), where it never is.
        [1]["a"] → 4: A list's index is int, found string.
        [1][1.0] → 4: A list's index is int, found double.
        {"a": 1}[1] → 9: The map's keys are string, found int.
        N[0] → 1: "[]" wants a list or a map, found int.
        S[0] → 1: "[]" wants a list or a map, found string. Write x.charAt(index).
        N.foo → 2: int has no member "foo".
        T.getHours → 2: timestamp has no member "getHours". It is a function: write getHours().
        {1: 2}.a → 7: The map's keys are int. Write [key].
        {1.5: 2} → 1: A map's key cannot be double. Keys are int, uint, bool or string.
        {[1]: 2} → 1: A map's key cannot be list(int). Keys are int, uint, bool or string.
        [1, null] → 4: A list with a null in it is null itself. Leave the null out.
        {"a": null} → 6: A map with a null in it is null itself. Leave the null out.
        N + null → 2: "+" does not take (int, null). With null the result is null. Test for it: has(x), x != null.
        size(null) → 0: "size" does not take (null). With null the result is null. Test for it: has(x), x != null.
        S.contains(1) → 2: "contains" does not take (string, int). It takes string.contains(string).
        S.contains() → 2: "contains" takes 1 argument, not 0.
        S.contains("a", "b") → 2: "contains" takes 1 argument, not 2.
        contains(S, "a") → 0: "contains" is a member. Write x.contains(…).
        S.int() → 2: "int" is not a member. Write int(…).
        size(1) → 0: "size" does not take (int). It takes size(string); size(bytes); size(list); size(map).
        size() → 0: "size" takes 1 argument, not 0.
        int(YES) → 0: "int" does not take (bool). Write YES ? 1 : 0.
        int(1, 2) → 0: "int" takes 1 argument, not 2.
        duration(5) → 0: "duration" does not take (int). It takes duration(duration); duration(string).
        math.abs(S) → 5: "math.abs" does not take (string). It takes math.abs(int); math.abs(uint); math.abs(double).
        math.abs() → 5: "math.abs" takes 1 argument, not 0.
        math.greatest() → 5: "math.greatest" takes 1 argument or more, not 0.
        math.greatest("a") → 5: "math.greatest" takes numbers or a list of numbers, found string.
        math.pow(2, 3) → 5: "math.pow" does not take (int, int). It takes math.pow(double, double).
        math.floor(1) → 5: "math.floor" does not take (int). It takes math.floor(double).
        S.all(x, true) → 2: "all" wants a list or a map, found string.
        [1].all(x) → 4: "all" takes 2 or 3 arguments, not 1: all(x, condition) or all(k, v, condition).
        [1].all(1, true) → 8: The first argument of "all" is the name of its variable, such as x.
        [1].all(x, x) → 11: "all" wants bool, found int. Compare it: x != 0.
        [1].map(x, true, x, x) → 4: "map" takes 2 or 3 arguments, not 4: map(x, value) or map(x, condition, value).
        [1].map(x, null) → 11: A list with a null in it is null itself. Leave the null out.
        has(1) → 4: "has" takes a field or a member of a map: has(x), has(m.key). For any other value write x != null.
        has() → 0: "has" takes 1 argument, not 0.
        has(N + 1) → 4: "has" takes a field or a member of a map: has(x), has(m.key). For any other value write x != null.
        has(S.size) → 6: string has no member "size".
        [1].join() → 4: "join" does not take (list(int)). It takes list(string).join().
        """);

    /// <summary>Constants that a function reads are checked when the expression is compiled.</summary>
    public static IEnumerable<object[]> Constants => Bench.Table("""
        timestamp("2018-06-31T00:00:00Z") → 10: "2018-06-31T00:00:00Z" is not a timestamp, or out of range. Write an RFC 3339 time such as "2018-06-01T12:30:00Z".
        timestamp("2018-06-01") → 10: "2018-06-01" is not a timestamp, or out of range. Write an RFC 3339 time such as "2018-06-01T12:30:00Z".
        timestamp("2018-06-01T00:00:00") → 10: "2018-06-01T00:00:00" is not a timestamp, or out of range. Write an RFC 3339 time such as "2018-06-01T12:30:00Z".
        timestamp("2018-06-01T24:00:00Z") → 10: "2018-06-01T24:00:00Z" is not a timestamp, or out of range. Write an RFC 3339 time such as "2018-06-01T12:30:00Z".
        timestamp("2018-06-01T00:00:60Z") → 10: "2018-06-01T00:00:60Z" is not a timestamp, or out of range. Write an RFC 3339 time such as "2018-06-01T12:30:00Z".
        timestamp("2018-06-01T00:00:00.Z") → 10: "2018-06-01T00:00:00.Z" is not a timestamp, or out of range. Write an RFC 3339 time such as "2018-06-01T12:30:00Z".
        timestamp("0000-01-01T00:00:00Z") → 10: "0000-01-01T00:00:00Z" is not a timestamp, or out of range. Write an RFC 3339 time such as "2018-06-01T12:30:00Z".
        timestamp("10000-01-01T00:00:00Z") → 10: "10000-01-01T00:00:00Z" is not a timestamp, or out of range. Write an RFC 3339 time such as "2018-06-01T12:30:00Z".
        timestamp("0001-01-01T00:00:00+01:00") → 10: "0001-01-01T00:00:00+01:00" is not a timestamp, or out of range. Write an RFC 3339 time such as "2018-06-01T12:30:00Z".
        timestamp("") → 10: "" is not a timestamp, or out of range. Write an RFC 3339 time such as "2018-06-01T12:30:00Z".
        duration("7d") → 9: "7d" is not a duration, or out of range. Write a duration of h, m, s, ms, us, ns such as "1h30m" or "168h".
        duration("") → 9: "" is not a duration, or out of range. Write a duration of h, m, s, ms, us, ns such as "1h30m" or "168h".
        duration("1") → 9: "1" is not a duration, or out of range. Write a duration of h, m, s, ms, us, ns such as "1h30m" or "168h".
        duration("h") → 9: "h" is not a duration, or out of range. Write a duration of h, m, s, ms, us, ns such as "1h30m" or "168h".
        duration("-") → 9: "-" is not a duration, or out of range. Write a duration of h, m, s, ms, us, ns such as "1h30m" or "168h".
        duration("1h 2m") → 9: "1h 2m" is not a duration, or out of range. Write a duration of h, m, s, ms, us, ns such as "1h30m" or "168h".
        duration("320000000000s") → 9: "320000000000s" is not a duration, or out of range. Write a duration of h, m, s, ms, us, ns such as "1h30m" or "168h".
        T.getHours("Mars/Olympus") → 11: "Mars/Olympus" is not a time zone. Use an IANA name such as "Europe/Paris", "UTC", or an offset such as "+02:00".
        T.getHours("../etc/passwd") → 11: "../etc/passwd" is not a time zone. Use an IANA name such as "Europe/Paris", "UTC", or an offset such as "+02:00".
        T.getHours("") → 11: "" is not a time zone. Use an IANA name such as "Europe/Paris", "UTC", or an offset such as "+02:00".
        T.getHours(S) → 11: The time zone must be a constant string. For several zones write a conditional: c ? t.getHours("Europe/Paris") : t.getHours().
        S.matches(ASCII) → 10: The pattern of "matches" must be a constant string, so that it is compiled once.
        S.matches("(") → 10: "(" is not a regular expression: a "(" is not closed. The syntax is RE2's.
        S.matches(")") → 10: ")" is not a regular expression: a ")" has no "(". The syntax is RE2's.
        S.matches("[a") → 10: "[a" is not a regular expression: a "[" is not closed. The syntax is RE2's.
        S.matches("a**") → 10: "a**" is not a regular expression: it is malformed. The syntax is RE2's.
        S.matches("*a") → 10: "*a" is not a regular expression: it is malformed. The syntax is RE2's.
        S.matches("(?=a)") → 10: "(?=a)" is not a regular expression: only groups (…), (?:…), (?P<name>…) and flags (?ims) are supported: no look-around. The syntax is RE2's.
        S.matches("(?<!a)") → 10: "(?<!a)" is not a regular expression: only groups (…), (?:…), (?P<name>…) and flags (?ims) are supported: no look-around. The syntax is RE2's.
        S.matches(r"(a)\1") → 10: "(a)\1" is not a regular expression: "\1" is not supported. The syntax is RE2's.
        S.matches(r"\C") → 10: "\C" is not a regular expression: "\C" is not supported. The syntax is RE2's.
        S.matches("\\") → 10: "\" is not a regular expression: it ends with a backslash. The syntax is RE2's.
        S.matches("[[:foo:]]") → 10: "[[:foo:]]" is not a regular expression: there is no class [:foo:]. The syntax is RE2's.
        S.matches("[b-a]") → 10: "[b-a]" is not a regular expression: a range in a class is upside down. The syntax is RE2's.
        S.matches(r"\p{Greek}") → 10: "\p{Greek}" is not a regular expression: category "Greek" is not supported; general categories such as L, Lu, Nd are. The syntax is RE2's.
        S.matches(r"\x{110000}") → 10: "\x{110000}" is not a regular expression: "\x" wants two hexadecimal digits, or \x{10FFFF}. The syntax is RE2's.
        S.matches("[😀]") → 10: "[😀]" is not a regular expression: a class holds a character above U+FFFF. The syntax is RE2's.
        S.matches("a{1001}") → 10: "a{1001}" is not a regular expression: more than 1000 repetitions. The syntax is RE2's.
        S.matches("((a{100}){100}){100}") → 10: "((a{100}){100}){100}" is not a regular expression: with its repetitions it is larger than 4,096. The syntax is RE2's.
        S.matches("a{2,1}") → 10: "a{2,1}" is not a regular expression: it is malformed. The syntax is RE2's.
        """);

    [TestMethod]
    [DynamicData(nameof(Syntax))]
    [DynamicData(nameof(Names))]
    [DynamicData(nameof(Types))]
    [DynamicData(nameof(Constants))]
    public void ExpressionIsRefused(string expression, string expected)
    {
        var error = Bench.Error(expression);
        Assert.AreEqual(expected, $"{error.Position}: {error.Message}");
    }
}
