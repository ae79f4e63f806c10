namespace FeatureStore.Core.Tests.Expressions;

/// <summary>
/// What CEL's public conformance cases fix, in cases of our own, section by section. <c>null</c> stands for their evaluation errors too;
/// what differs on purpose is in <see cref="Differences"/> and under "Where it differs" of docs/expressions.md.
/// </summary>
[TestClass]
public class ConformanceTests
{
    public static IEnumerable<object[]> LiteralsAndSyntax => Bench.Table("""
        # Literals of each type
        0 → 0
        0u → 0u
        -0.0 → -0.0
        .5 → 0.5
        6.02E23 → 6.02E+23
        2e-3 → 0.002
        0x1f → 31
        -0x10 → -16
        0XFFu → 255u
        18446744073709551615u → 18446744073709551615u
        -9223372036854775808 → -9223372036854775808
        '' → ""
        "it's" → "it's"
        'say "x"' → "say \u0022x\u0022"
        '''a'b''' → "a'b"
        r'\d' → "\u005cd"
        R"\\" → "\u005c\u005c"
        '\x41\u00e9\U0001F600\101' → "Aé😀A"
        "\a\b\f\n\r\t\v" → "\u0007\u0008\u000c\u000a\u000d\u0009\u000b"
        b'\xff\377é' → b\xff\xff\xc3\xa9
        b'' → b
        [] → []
        [1, 'x', [2u]] → [1, "x", [2u]]
        [1, 2,] → [1, 2]
        {} → {}
        {1: 'one', true: 2.0, 'k': [],} → {1: "one", true: 2.0, "k": []}
        # Types are values
        int → int
        type(int) → type
        type(type(1u)) → type
        type(b'') → bytes
        type([]) → list
        type({}) → map
        type(timestamp(0)) → google.protobuf.Timestamp
        type(duration('0s')) → google.protobuf.Duration
        type(1.0) == double && type('') == string && type(true) == bool → true
        # Precedence and association
        2 + 3 * 4 - 5 → 9
        20 / 2 / 5 → 2
        20 - 7 - 3 → 10
        17 % 7 % 2 → 1
        -2 - -3 → 1
        !true || true → true
        false && false || true → true
        1 < 2 == true → true
        1 == 2 ? 'a' : 2 == 2 ? 'b' : 'c' → "b"
        true ? 1 : false ? 2 : 3 → 1
        3 in [1, 3] == true → true
        - 7 + 1 → -6
        (1 + 2) * (3 + 4) → 21
        [[1, 2], [3]][0][1] → 2
        {'a': {'b': 5}}.a.b → 5
        {'in': 1, 'b c': 2}['b c'] → 2
        {'if': 1}.if → 1
        {'a b': 1}.`a b` → 1
        """).Append(["1 + // one\n\t 2\r\n// the end", "3"]);

    public static IEnumerable<object[]> Comparisons => Bench.Table("""
        3 == 3 && 3 != 4 → true
        3u == 3 && 3.0 == 3u && 3 == 3.0 → true
        dyn(1) == dyn('1') → false
        dyn(true) != dyn(1) → true
        -1 == 18446744073709551615u → false
        1.0 / 0.0 == 2.0 / 0.0 → true
        0.0 / 0.0 == 0.0 / 0.0 → false
        0.0 / 0.0 != 0.0 / 0.0 → true
        -0.0 == 0.0 → true
        'ab' == 'a' + 'b' → true
        'é' == '\u0065\u0301' → false
        b'\x00' == b'' → false
        [1, 2u, 3.0] == [1.0, 2, 3u] → true
        [1] == [1, 1] → false
        [] == [] → true
        [[0.0 / 0.0]] == [[0.0 / 0.0]] → false
        {'a': 1, 'b': 2} == {'b': 2.0, 'a': 1u} → true
        {1: 'x'} == {1u: 'x'} → true
        {'a': 1} == {'a': 1, 'b': 2} → false
        {} != {} → false
        int == type(7) → true
        int == uint → false
        timestamp(60) == timestamp('1970-01-01T00:01:00Z') → true
        duration('1m') == duration('60s') → true
        # Order within a type and across numbers
        1 < 2 && 2 <= 2 && 3 > 2 && 2 >= 2 → true
        -1 < 0u → true
        18446744073709551615u > 9223372036854775807 → true
        1.5 > 1 && 1 < 1.5 && 2u > 1.5 → true
        dyn(9007199254740993) > dyn(9007199254740992.0) → true
        0.0 / 0.0 < 1.0 || 0.0 / 0.0 >= 1.0 → false
        -1.0 / 0.0 < -9223372036854775808 → true
        false < true → true
        true <= false → false
        'A' < 'a' && 'a' < 'aa' && '' < ' ' → true
        '\uffff' < '\U00010000' → true
        b'\x7f' < b'\x80' → true
        timestamp(1) > timestamp(0) → true
        duration('-1s') < duration('0s') → true
        dyn(1) < dyn('a') → null
        dyn([1]) < dyn([2]) → null
        # Membership
        2 in [1, 2.0] → true
        2u in {2: 'x'} → true
        'x' in {'y': 1} → false
        [1] in [[2], [1]] → true
        dyn('a') in [1, 2] → false
        1 in [] → false
        """);

    public static IEnumerable<object[]> Conversions => Bench.Table("""
        int(-3.99) → -3
        int(3.99) → 3
        int(7u) → 7
        int('-0042') → -42
        int(timestamp('2001-09-09T01:46:40Z')) → 1000000000
        int(9223372036854775807u) → 9223372036854775807
        int(9223372036854775808u) → null
        int(1e19) → null
        int(0.0 / 0.0) → null
        int(9.223372036854776e18) → null
        int('1.5') → null
        int('') → null
        uint(5) → 5u
        uint(-1) → null
        uint(3.7) → 3u
        uint(-0.5) → null
        uint('12') → 12u
        uint('-12') → null
        uint(1.8446744073709552e19) → null
        double(5) → 5.0
        double(18446744073709551615u) → 1.8446744073709552E+19
        double('-1e-2') → -0.01
        double('nope') → null
        string(-7) → "-7"
        string(7u) → "7"
        string(0.25) → "0.25"
        string(true) → "true"
        string(b'\xe2\x82\xac') → "€"
        string(b'\xff') → null
        string(timestamp(1)) → "1970-01-01T00:00:01Z"
        string(duration('90s')) → "90s"
        string('x') → "x"
        bytes('€') → b\xe2\x82\xac
        bytes(b'a') → b\x61
        bool('true') && bool('TRUE') && bool('True') && bool('t') && bool('1') → true
        bool('false') || bool('F') || bool('0') → false
        bool('yes') → null
        bool('tRuE') → null
        dyn(1) + dyn(2) → 3
        dyn(1) + dyn(2.0) → null
        duration(duration('5s')) == duration('5s') → true
        timestamp(timestamp(9)) → 1970-01-01T00:00:09Z
        """);

    public static IEnumerable<object[]> Numbers => Bench.Table("""
        9223372036854775807 + 1 → null
        -9223372036854775808 - 1 → null
        4611686018427387904 * 2 → null
        -(-9223372036854775807 - 1) → null
        (-9223372036854775807 - 1) / -1 → null
        (-9223372036854775807 - 1) % -1 → null
        18446744073709551615u + 1u → null
        0u - 1u → null
        9223372036854775808u * 2u → null
        5 / 0 → null
        5 % 0 → null
        5u / 0u → null
        5u % 0u → null
        -7 / 2 → -3
        -7 % 2 → -1
        7 % -2 → 1
        7u / 2u → 3u
        1.0 / 3.0 * 3.0 → 1.0
        1e308 * 10.0 → Infinity
        -1e308 - 1e308 → -Infinity
        5e-324 / 2.0 → 0.0
        -(0.0) → -0.0
        0.1 + 0.2 == 0.3 → false
        math.greatest(2, 3.5, 1u) → 3.5
        math.greatest(-4) → -4
        math.greatest([7u, 9u]) → 9u
        math.least(4, 4.0) → 4
        math.least([]) → null
        math.least([3, -2.5, 1u]) → -2.5
        math.greatest(dyn('a'), dyn(1)) → null
        math.ceil(-1.2) → -1.0
        math.floor(-1.2) → -2.0
        math.trunc(-1.9) → -1.0
        math.round(2.5) → 3.0
        math.round(-2.5) → -3.0
        math.round(0.0 / 0.0) → NaN
        math.floor(1.0 / 0.0) → Infinity
        math.abs(-2.5) → 2.5
        math.abs(4u) → 4u
        math.abs(-9223372036854775807 - 1) → null
        math.sign(-42) → -1
        math.sign(0u) → 0u
        math.sign(-0.25) → -1.0
        math.isNaN(0.0 / 0.0) && !math.isNaN(1.0) → true
        math.isInf(-1.0 / 0.0) && !math.isInf(1e308) → true
        math.isFinite(0.0 / 0.0) || math.isFinite(1.0 / 0.0) → false
        math.sqrt(2.25) → 1.5
        math.sqrt(49u) → 7.0
        math.sqrt(-1) → NaN
        # Bits
        math.bitAnd(12, 10) → 8
        math.bitAnd(-1, 255) → 255
        math.bitAnd(6u, 3u) → 2u
        math.bitOr(12, 10) → 14
        math.bitOr(8u, 1u) → 9u
        math.bitXor(12, 10) → 6
        math.bitXor(-1, 5) → -6
        math.bitXor(7u, 2u) → 5u
        math.bitNot(41) → -42
        math.bitNot(18446744073709551614u) → 1u
        math.bitShiftLeft(3, 4) → 48
        math.bitShiftLeft(1, 63) → -9223372036854775808
        math.bitShiftLeft(1, 64) → 0
        math.bitShiftLeft(5u, 62) → 4611686018427387904u
        math.bitShiftLeft(5, -1) → null
        math.bitShiftRight(-1, 1) → 9223372036854775807
        math.bitShiftRight(-1, 64) → 0
        math.bitShiftRight(48u, 4) → 3u
        math.bitShiftRight(48u, -4) → null
        math.bitAnd(dyn(6), dyn(3)) → 2
        math.bitAnd(dyn(6), dyn(3u)) → null
        math.bitAnd(N, 3) → 3
        math.bitAnd(_N, 3) → null
        """);

    public static IEnumerable<object[]> ListsAndMaps => Bench.Table("""
        [1, 2] + [] + [3.0] → [1, 2, 3.0]
        ([] + []).size() → 0
        size([1, [2, 3]]) → 2
        size({'a': 1, 'b': 2}) → 2
        [7, 8, 9][0] → 7
        [7, 8, 9][dyn(2.0)] → 9
        [7, 8, 9][dyn(1u)] → 8
        [7, 8, 9][dyn(1.5)] → null
        [7, 8, 9][3] → null
        [7, 8, 9][-1] → null
        [7, 8, 9][dyn('0')] → null
        {'a': 1}['b'] → null
        {1: 'x'}[1u] → "x"
        {1: 'x'}[dyn(1.0)] → "x"
        {true: 1}[dyn('true')] → null
        {'a': 1, 'a': 2} → null
        {1: 1, 1u: 2} → null
        {dyn(1.5): 1} → null
        has({'a': 1}.a) → true
        has({'a': 1}.b) → false
        has({'a': {'b': 1}}.a.c) → false
        has({'a': {}}.b.c) → null
        """);

    public static IEnumerable<object[]> LogicAndMacros => Bench.Table("""
        true && true → true
        false && 1 / 0 == 1 → false
        1 / 0 == 1 && false → false
        true && 1 / 0 == 1 → null
        true || 1 / 0 == 1 → true
        1 / 0 == 1 || true → true
        false || 1 / 0 == 1 → null
        !true → false
        !!true → true
        true ? 1 : 1 / 0 → 1
        false ? 1 / 0 : 2 → 2
        1 / 0 == 1 ? 1 : 2 → null
        # One variable
        [].all(x, false) → true
        [1, 2].all(x, x > 1) → false
        [0, 2].all(x, 4 / x == 2) → null
        [0, 1].all(x, 4 / x == 2) → false
        [].exists(x, true) → false
        [0, 2].exists(x, 4 / x == 2) → true
        [0, 1].exists(x, 4 / x == 2) → null
        {'k': 1}.exists(key, key == 'k') → true
        {'k': 1}.all(key, key == 'z') → false
        [5, 6, 5].exists_one(x, x == 5) → false
        [5, 6, 5].existsOne(x, x == 6) → true
        [0, 2].exists_one(x, 4 / x == 2) → null
        [].filter(x, true) → []
        [3, 1, 2].filter(x, x > 1) → [3, 2]
        {'a': 1, 'b': 2}.filter(k, k != 'a') → ["b"]
        [1, 0].filter(x, 1 / x > 0) → null
        [2, 3].map(x, x * x) → [4, 9]
        [2, 3].map(x, x > 2, x * x) → [9]
        {'a': 1}.map(k, k + k) → ["aa"]
        [1, 2].map(x, [1, 2].map(x, x + 1)) → [[2, 3], [2, 3]]
        [1, 2].map(x, [3].map(y, x * y)) → [[3], [6]]
        # Two variables: index and item, or key and value
        [5, 6].all(i, v, v == i + 5) → true
        [5, 6].all(i, v, v == i) → false
        [0, 1].all(i, v, 2 / v > i) → null
        {'a': 1, 'b': 2}.all(k, v, k < 'c' && v < 3) → true
        [].all(i, v, false) → true
        [5, 6].exists(i, v, i == 1 && v == 6) → true
        [0, 6].exists(i, v, 6 / v == i) → true
        {'a': 1}.exists(k, v, k == 'a' && v == 2) → false
        {}.exists(k, v, true) → false
        [4, 1, 2].existsOne(i, v, i == v) → false
        [4, 1, 3].exists_one(i, v, i == v) → true
        {1: 1, 2: 3}.existsOne(k, v, k == v) → true
        [9, 8].transformList(i, v, v * 10 + i) → [90, 81]
        [9, 8].transformList(i, v, i > 0, v) → [8]
        {'a': 1}.transformList(k, v, k + string(v)) → ["a1"]
        [].transformList(i, v, 1 / 0) → []
        [0].transformList(i, v, 1 / v) → null
        {'a': 1, 'b': 2}.transformMap(k, v, v * 10) → {"a": 10, "b": 20}
        {'a': 1, 'b': 2}.transformMap(k, v, v > 1, k + k) → {"b": "bb"}
        ['x', 'y'].transformMap(i, v, v + string(i)) → {0: "x0", 1: "y1"}
        {}.transformMap(k, v, k) → {}
        {'a': 1}.transformMap(k, v, v)['a'] + N → 8
        [[1, 2], [3]].all(i, v, v.exists(j, w, w > i + j)) → true
        dyn([N]).transformList(i, v, i + v) → [7]
        # Bindings
        cel.bind(x, 2, x * x) → 4
        cel.bind(x, N + 1, x * x) → 64
        cel.bind(x, 1, cel.bind(y, x + 1, x + y)) → 3
        cel.bind(x, 1, cel.bind(x, x + 1, x)) → 2
        cel.bind(l, [1, 2], [2, 3].filter(x, x in l)) → [2]
        [1, 2].map(x, cel.bind(y, x * N, y + x)) → [8, 16]
        cel.bind(m, {'a': N}, m.a + m.a) → 14
        cel.bind(s, S + '!', s.size()) → 8
        cel.bind(N, 1, N + .N) → 8
        cel.bind(x, 1 / 0, 3) → 3
        cel.bind(x, 1 / (N - 7), x + 1) → null
        cel.bind(x, _N, x == null ? 0 : x) → 0
        cel.bind(x, _D, cel.bind(y, D, x == null ? y : x)) → 2.5
        cel.bind(x, null, x == null) → true
        cel.bind(b, YES, b && !NO) → true
        cel.bind(t, T, t - OLD > duration('1h')) → true
        cel.bind(x, dyn(N), x + 1) → 8
        """);

    public static IEnumerable<object[]> Strings => Bench.Table("""
        size('') → 0
        size('né😀') → 3
        size(b'né') → 3
        'ab' + '' + 'é' → "abé"
        b'a' + b'\xff' → b\x61\xff
        'team'.startsWith('te') && 'team'.endsWith('am') && 'team'.contains('ea') → true
        ''.startsWith('') && 'x'.endsWith('') && 'x'.contains('') → true
        'x'.contains('xx') → false
        'añb'.matches('^a.b$') → true
        'abc'.matches('b') → true
        'abc'.matches('^b') → false
        matches('hubba', '(ub){1,}b') → true
        'A'.matches('(?i)a') → true
        '☺x'.charAt(0) → "☺"
        '☺x'.charAt(2) → ""
        '☺x'.charAt(3) → null
        'banana'.indexOf('an') → 1
        'banana'.indexOf('an', 2) → 3
        'banana'.indexOf('an', 6) → -1
        'banana'.indexOf('an', 7) → null
        'banana'.indexOf('', 6) → 6
        'banana'.indexOf('', 7) → null
        'banana'.lastIndexOf('an') → 3
        'banana'.lastIndexOf('an', 2) → 1
        'banana'.lastIndexOf('', 3) → 3
        'banana'.lastIndexOf('a', 0) → -1
        'banana'.lastIndexOf('a', 6) → 5
        'banana'.lastIndexOf('a', 7) → null
        'banana'.lastIndexOf('a', -1) → null
        'żółw'.substring(1) → "ółw"
        'żółw'.substring(1, 3) → "ół"
        'żółw'.substring(4) → ""
        'żółw'.substring(5) → null
        'żółw'.substring(2, 1) → null
        'żółw'.substring(-1, 1) → null
        'AbÇ'.lowerAscii() → "abÇ"
        'aBç'.upperAscii() → "ABç"
        ' \t\u2003x \r\n'.trim() → "x"
        'l.l.l'.replace('.', '') → "lll"
        'l.l.l'.replace('l', 'L', 2) → "L.L.l"
        'l.l.l'.replace('l', 'L', 0) → "l.l.l"
        'ab'.replace('', '-') → "-a-b-"
        'a b c'.split(' ') → ["a", "b", "c"]
        'a b c'.split(' ', 2) → ["a", "b c"]
        'a b c'.split(' ', 1) → ["a b c"]
        'a b c'.split(' ', 0) → []
        'é☺'.split('') → ["é", "☺"]
        ['x', 'y'].join() → "xy"
        ['x', 'y'].join(', ') → "x, y"
        [].join('-') → ""
        dyn(['x', 1]).join() → null
        # Reversed, quoted, encoded
        'añ☺'.reverse() → "☺ña"
        ''.reverse() → ""
        S.reverse().reverse() == S → true
        strings.quote('a"b\\c') → "\u0022a\u005c\u0022b\u005c\u005cc\u0022"
        strings.quote('\n\t\a\v☺') → "\u0022\u005cn\u005ct\u005ca\u005cv☺\u0022"
        strings.quote('') → "\u0022\u0022"
        base64.encode(b'any') → "YW55"
        base64.encode(b'\xff') → "/w=="
        base64.decode('YW55IQ==') → b\x61\x6e\x79\x21
        base64.decode('YW55IQ') → b\x61\x6e\x79\x21
        base64.decode('Y W5') → null
        base64.decode('Y') → null
        base64.decode('Y_-=') → null
        base64.decode('') → b
        """);

    public static IEnumerable<object[]> Formats => Bench.Table("""
        'plain'.format([]) → "plain"
        '100%%'.format([]) → "100%"
        '%%%s%%'.format(['x']) → "%x%"
        '%s-%s'.format(['a', 1]) → "a-1"
        '%s'.format([2.5]) → "2.5"
        '%s %s'.format([true, 3u]) → "true 3"
        '%s'.format([b'h\xc3\xa9']) → "hé"
        '%s'.format([b'\xff']) → null
        '%s'.format([timestamp(5)]) → "1970-01-01T00:00:05Z"
        '%s'.format([duration('1h1s')]) → "3601s"
        '%s'.format([type(1)]) → "int"
        '%s'.format([[1, ['b', 2.5], {}, []]]) → "[1, [b, 2.5], {}, []]"
        '%s'.format([{'z': 1, 'a': [true], 5: duration('1s')}]) → "{5: 1s, a: [true], z: 1}"
        '%s'.format([[0.0 / 0.0, -1.0 / 0.0]]) → "[NaN, -Infinity]"
        '%d|%d|%d'.format([-3, 4u, 0.5]) → "-3|4|0.5"
        '%d'.format([1.0 / 0.0]) → "Infinity"
        '%f'.format([1.5]) → "1.500000"
        '%.2f'.format([-2.345]) → "-2.35"
        '%.0f %.0f'.format([4.5, 5.5]) → "4 6"
        '%.1f'.format([7]) → "7.0"
        '%f'.format([0.0 / 0.0]) → "NaN"
        '%e'.format([0.00012345]) → "1.234500e-04"
        '%.1e'.format([1e300]) → "1.0e+300"
        '%.0e'.format([15u]) → "2e+01"
        '%e'.format([-1.0 / 0.0]) → "-Infinity"
        '%x %X'.format([255, 255u]) → "ff FF"
        '%x'.format([-31]) → "-1f"
        '%x'.format([-9223372036854775808]) → "-8000000000000000"
        '%X %x'.format(['é', b'\x01']) → "C3A9 01"
        '%b %b %b'.format([6, -6, true]) → "110 -110 1"
        '%o %o'.format([64, 0u]) → "100 0"
        '%o'.format([18446744073709551615u]) → "1777777777777777777777"
        '%s = %.1f'.format([S, D]) → "héllo 😀 = 2.5"
        '%s'.format([_S]) → null
        '%d'.format([dyn('a')]) → null
        '%s %s'.format(dyn(['a'])) → null
        dyn('%s').format(dyn(['a'])) → "a"
        (S + '%d').format([N]) → "héllo 😀7"
        (S + '%q').format([N]) → null
        (S + '%').format([N]) → null
        """);

    public static IEnumerable<object[]> Times => Bench.Table("""
        timestamp('2009-02-13T23:31:30Z') → 2009-02-13T23:31:30Z
        timestamp('2009-02-14T01:31:30.5+02:00') → 2009-02-13T23:31:30.5Z
        timestamp('0001-01-01T00:00:00Z') - duration('1ns') → null
        timestamp('9999-12-31T23:59:59.999999999Z') + duration('1ns') → null
        timestamp(253402300800) → null
        timestamp(-62135596801) → null
        timestamp('2009-02-13T23:31:30Z').getFullYear() → 2009
        timestamp('2009-02-13T23:31:30Z').getMonth() → 1
        timestamp('2009-02-13T23:31:30Z').getDate() → 13
        timestamp('2009-02-13T23:31:30Z').getDayOfMonth() → 12
        timestamp('2009-02-13T23:31:30Z').getDayOfYear() → 43
        timestamp('2009-02-13T23:31:30Z').getDayOfWeek() → 5
        timestamp('2009-02-13T23:31:30Z').getHours() → 23
        timestamp('2009-02-13T23:31:30Z').getMinutes() → 31
        timestamp('2009-02-13T23:31:30Z').getSeconds() → 30
        timestamp('2009-02-13T23:31:30.123456789Z').getMilliseconds() → 123
        timestamp('2009-02-13T23:31:30Z').getDate('Asia/Tokyo') → 14
        timestamp('2009-02-13T23:31:30Z').getDayOfWeek('+01:00') → 6
        timestamp('2009-02-13T23:31:30Z').getHours('-03:30') → 20
        timestamp('2009-02-13T23:31:30Z').getMinutes('02:45') → 16
        timestamp('2009-07-01T00:00:00Z').getHours('America/New_York') → 20
        timestamp('2009-01-01T00:00:00Z').getFullYear('America/New_York') → 2008
        timestamp('2008-12-31T12:00:00Z').getDayOfYear() → 365
        timestamp(100) + duration('50s') → 1970-01-01T00:02:30Z
        duration('50s') + timestamp(100) → 1970-01-01T00:02:30Z
        timestamp(100) - duration('200s') → 1969-12-31T23:58:20Z
        timestamp(100) - timestamp(250) → -150s
        duration('1h') + duration('30m') → 5400s
        duration('1h') - duration('90m') → -1800s
        duration('9223372036s') + duration('9223372036s') → null
        timestamp('9999-12-31T00:00:00Z') - timestamp('0001-01-01T00:00:00Z') → null
        duration('-1.5h').getMinutes() → -90
        duration('100m').getHours() → 1
        duration('100m').getSeconds() → 6000
        duration('1234ms').getMilliseconds() → 234
        duration('1h2m3s4ms5us6ns') → 3723.004005006s
        """);

    /// <summary>What the standard gives otherwise; docs/expressions.md says why.</summary>
    public static IEnumerable<object[]> Differences => Bench.Table("""
        # Null is no value: in a list, a map, a comparison of types
        [_N] == [_N] → null
        {'a': _N} → null
        type(_N) → null
        '%s'.format([_S]) → null
        # Comparison of int and double is exact
        dyn(9223372036854775807) < 9223372036854775808.0 → true
        dyn(9223372036854775807) == 9223372036854775808.0 → false
        # Numbers of two types that are known compare
        1 == 1.0 → true
        """);

    public static IEnumerable<object[]> Refused => Bench.Table("""
        x || true → 0: Unknown field "x".
        f_unknown(17) || true → 0: Unknown function "f_unknown".
        [null] → 1: A list with a null in it is null itself. Leave the null out.
        {'k': null} → 6: A map with a null in it is null itself. Leave the null out.
        true ? 'a' : 1 → 5: The branches of "?" have the types string and int.
        false && 32 → 9: "&&" wants bool, found int.
        'a' == 1 → 4: "==" compares string with int, which are never equal.
        [1].all(x, y, z, true) → 4: "all" takes 2 or 3 arguments, not 4: all(x, condition) or all(k, v, condition).
        [1].exists(true) → 4: "exists" takes 2 or 3 arguments, not 1: exists(x, condition) or exists(k, v, condition).
        [1].filter(i, v, true) → 4: "filter" takes 2 arguments, not 3: filter(x, condition).
        [1].transformList(v, v * 2) → 4: "transformList" takes 3 or 4 arguments, not 2: transformList(k, v, value) or transformList(k, v, condition, value).
        [1].transformMap(k, k, 1) → 20: Both variables of "transformMap" are called "k". Give one another name.
        [1].transformMap(k, 1, 1) → 20: The second argument of "transformMap" is the name of its variable, such as y.
        [1].all(1, v, true) → 8: The first argument of "all" is the name of its variable, such as x.
        [1].exists(i, v, v) → 17: "exists" wants bool, found int. Compare it: v != 0.
        [1].transformList(i, v, null) → 24: A list with a null in it is null itself. Leave the null out.
        N.transformList(i, v, v) → 2: "transformList" wants a list or a map, found int.
        transformMap([1], k, v, v) → 0: "transformMap" is a member of lists and maps. Write x.transformMap(…).
        [1].transfromList(i, v, v) → 4: Unknown function "transfromList". Did you mean "transformList"?
        cel.bind(x, 1) → 4: "cel.bind" takes 3 arguments, not 2: cel.bind(x, value, what is made of x).
        cel.bind(1, 1, 1) → 9: The first argument of "cel.bind" is the name of its variable, such as x.
        cel.bind(x, 1, y) → 15: Unknown field "y".
        cel.bind(x, 'a', x + 1) → 19: "+" does not take (string, int).
        cel.bnd(x, 1, x) → 4: Unknown function "cel.bnd". Did you mean "cel.bind"?
        math.bitAnd(1, 2u) → 5: "math.bitAnd" does not take (int, uint).
        math.bitAnd(1.0, 2.0) → 5: "math.bitAnd" does not take (double, double).
        math.bitNot(true) → 5: "math.bitNot" does not take (bool).
        math.bitShiftLeft(1, 2u) → 5: "math.bitShiftLeft" does not take (int, uint).
        math.bitOr(1) → 5: "math.bitOr" takes 2 arguments, not 1.
        'a'.reverse(1) → 4: "reverse" takes 0 arguments, not 1.
        [1].reverse() → 4: "reverse" does not take (list(int)).
        strings.quote(1) → 8: "strings.quote" does not take (int).
        strings → 0: Unknown field "strings". It holds functions: call one, such as strings.quote(x).
        base64.encode('a') → 7: "base64.encode" does not take (string).
        base64.decode(b'a') → 7: "base64.decode" does not take (bytes).
        '%q'.format([1]) → 0: "%q" is not a clause of a format. Use %s for any value, %d for a number
        'a %'.format([1]) → 0: "%" is not a clause of a format.
        '%.2d'.format([1]) → 0: "%.2d" is not a clause of a format.
        '%.1001f'.format([1.0]) → 0: "%.1001f" is not a clause of a format.
        '%.f'.format([1.0]) → 0: "%.f" is not a clause of a format.
        '%s %s'.format(['a']) → 15: The format has 2 clauses, the list 1 values.
        'x'.format(['a']) → 11: The format has 0 clauses, the list 1 values.
        '%s %x'.format(['a', 0.5]) → 21: "%x" does not take double. Use %s for any value
        '%d'.format([N > 0]) → 13: "%d" does not take bool.
        '%b'.format(['a']) → 13: "%b" does not take string.
        '%s'.format([null]) → 13: A list with a null in it is null itself.
        '%s'.format('a') → 5: "format" does not take (string, string).
        """);

    [TestMethod]
    [DynamicData(nameof(LiteralsAndSyntax))]
    [DynamicData(nameof(Comparisons))]
    [DynamicData(nameof(Conversions))]
    [DynamicData(nameof(Numbers))]
    [DynamicData(nameof(ListsAndMaps))]
    [DynamicData(nameof(LogicAndMacros))]
    [DynamicData(nameof(Strings))]
    [DynamicData(nameof(Formats))]
    [DynamicData(nameof(Times))]
    [DynamicData(nameof(Differences))]
    public void Gives(string expression, string expected) => Assert.AreEqual(expected, Bench.Evaluate(expression), expression);

    /// <summary>Refused before it runs, at a position, with a message that starts as written.</summary>
    [TestMethod]
    [DynamicData(nameof(Refused))]
    public void IsRefused(string expression, string expected)
    {
        var error = Bench.Error(expression);
        Assert.StartsWith(expected, $"{error.Position}: {error.Message}");
    }
}
