namespace FeatureStore.Core.Tests.Expressions;

/// <summary>Membership, indexes, members, macros.</summary>
[TestClass]
public class CollectionTests
{
    public static IEnumerable<object[]> Access => Bench.Table("""
        # in
        2 in [1, 2, 3] → true
        4 in [1, 2, 3] → false
        1 in [] → false
        N in [5, 6, 7] → true
        D in [1, 2, 3] → false
        D in [2.5] → true
        2.0 in [1, 2] → true
        2u in [1, 2] → true
        1 in [1u, 2u] → true
        9007199254740993 in [9007199254740992.0] → false
        0.0 / 0.0 in [0.0 / 0.0] → false
        -0.0 in [0.0] → true
        18446744073709551615u in [18446744073709551615u, 1u] → true
        "b" in ["a", "b"] → true
        S in ["hello", "héllo 😀"] → true
        S in ["hello"] → false
        ASCII in {"Hello, world": 1} → true
        b"a" in [b"a"] → true
        T in [timestamp("2018-06-01T06:30:15.250Z")] → true
        OLD in [T] → false
        [1] in [[1], [2]] → true
        [3] in [[1], [2]] → false
        dyn(1) in ["a", 1.0] → true
        dyn("1") in [1] → false
        N in [N, 1] → true
        N in [NEG] → false
        "a" in {"a": 1} → true
        "b" in {"a": 1} → false
        1.0 in {1: "x"} → true
        YES in [true] → true
        int in [int, string] → true
        dyn([1, 2]).exists(x, x == 2) → true
        # Index
        [1, 2, 3][0] → 1
        [1, 2, 3][2] → 3
        [1, 2, 3][3] → null
        [1, 2, 3][-1] → null
        ["a", "b"][N - 6] → "b"
        [[1, 2], [3]][0][1] → 2
        [7, 8, 9][dyn(1u)] → 8
        [7, 8, 9][dyn(2.0)] → 9
        [7, 8, 9][dyn(0.5)] → null
        [7, 8, 9][dyn("0")] → null
        {"a": 1, "b": 2}["b"] → 2
        {"a": 1}["c"] → null
        {1: "x"}[1] → "x"
        {1: "x"}[1u] → "x"
        {1: "x"}[1.0] → "x"
        {1: "x"}[dyn("1")] → null
        {true: 1, false: 0}[NO] → 0
        {"Hello, world": 5.5}[ASCII] → 5.5
        {"x": 5.5}[ASCII] → null
        {"x": N}["x"] → 7
        # Members
        {"a": 1}.a → 1
        {"a": {"b": 2}}.a.b → 2
        {"a": 1}.b → null
        dyn({"a": 1}).a → 1
        dyn(1).a → null
        has({"a": 1}.a) → true
        has({"a": 1}.b) → false
        has({"a": {"b": 2}}.a.b) → true
        has(dyn(1).a) → null
        # A map's key must be new and of a key's type
        {"a": 1, "a": 2} → null
        {1: 1, 1u: 2} → null
        {dyn(1.5): 1} → null
        # Sizes
        size([]) → 0
        size([1, 2]) → 2
        [1, 2].size() → 2
        size({"a": 1}) → 1
        {"a": 1}.size() → 1
        size("héllo 😀") → 7
        "héllo".size() → 5
        size(b"héllo") → 6
        size(dyn([1])) → 1
        size(dyn(1)) → null
        """);

    public static IEnumerable<object[]> Macros => Bench.Table("""
        [1, 2, 3].all(x, x > 0) → true
        [1, 2, 3].all(x, x > 1) → false
        [].all(x, x > 0) → true
        [1, 2, 3].exists(x, x == 2) → true
        [1, 2, 3].exists(x, x == 4) → false
        [].exists(x, true) → false
        [1, 2, 3].exists_one(x, x > 2) → true
        [1, 2, 3].exists_one(x, x > 1) → false
        [1, 2, 3].existsOne(x, x == 1) → true
        [].exists_one(x, true) → false
        [1, 2, 3].filter(x, x % 2 == 1) → [1, 3]
        [].filter(x, x > 0) → []
        [1, 2, 3].map(x, x * x) → [1, 4, 9]
        [1, 2, 3].map(x, x > 1, x * 10) → [20, 30]
        ["a", "b"].map(s, s + s) → ["aa", "bb"]
        [1, 2].map(x, string(x)).join("-") → "1-2"
        # Maps: over the keys
        {"a": 1, "b": 2}.all(k, k < "c") → true
        {"a": 1, "b": 2}.exists(k, k == "b") → true
        {"a": 1, "b": 2}.map(k, k + "!") → ["a!", "b!"]
        {"a": 1, "b": 2}.filter(k, k > "a") → ["b"]
        # The deciding item decides, even beside errors; else an error leaves no value
        [0, 1].all(x, 1 / x > 1) → false
        [1, 0].all(x, 1 / x > 1) → false
        [1, 0].all(x, 1 / x > 0) → null
        [0, 1].exists(x, 1 / x > 0) → true
        [0, 1].exists(x, 1 / x > 1) → null
        [0, 1].exists_one(x, 1 / x > 0) → null
        [0, 1].map(x, 1 / x) → null
        [0, 1].filter(x, 1 / x > 0) → null
        # Scope: inner before outer before fields; a leading dot means the field
        [1, 2].map(x, [10, 20].map(y, x + y)) → [[11, 21], [12, 22]]
        [1, 2].map(x, [3].map(x, x)) → [[3], [3]]
        [1, 2].map(N, N) → [1, 2]
        [1, 2].map(N, .N) → [7, 7]
        [1, 2].exists(x, [2, 3].exists(y, x == y)) → true
        [1, 2, 3].filter(x, x > 1).map(x, x + N) → [9, 10]
        [[1, 2], [3]].map(l, l.size()) → [2, 1]
        [[1, 2], [3]].map(l, l.map(x, x + 1)) → [[2, 3], [4]]
        [1, 2].map(x, dyn(x) + dyn(x)) → [2, 4]
        [1, "a"].map(x, type(x) == int ? 1 : 2) → [1, 2]
        dyn([1, 2]).map(x, x + dyn(N)) → [8, 9]
        [dyn(1) + 1, dyn(2) + 2].map(x, x * dyn(x + 1)) → [6, 20]
        dyn(1).all(x, true) → null
        """);

    [TestMethod]
    [DynamicData(nameof(Access))]
    [DynamicData(nameof(Macros))]
    public void ExpressionGives(string expression, string expected) => Assert.AreEqual(expected, Bench.Evaluate(expression));
}
