using FeatureStore.Core.Definitions;

namespace FeatureStore.Registry.Tests;

[TestClass]
public sealed class DefinitionTextTests
{
    [TestMethod]
    [DataRow("slidng", "sliding")]
    [DataRow("nmae", "name")]
    [DataRow("NAME", "name")]
    [DataRow("on", "of")]
    [DataRow("tile", null)]
    [DataRow("window_of_sliding", null)]
    [DataRow("", null)]
    public void NearestIsWhatWasMeant(string name, string? expected) =>
        Assert.AreEqual(expected, DefinitionText.Nearest(name, ["window", "ttl", "name", "sliding", "of", "delay"]));

    /// <summary>Against the recurrence itself, without limits.</summary>
    [TestMethod]
    public void NearestIsTheLeastDistance()
    {
        const int Seed = 1;
        var random = new Random(Seed);
        string Word() => string.Concat(Enumerable.Range(0, random.Next(1, 7)).Select(_ => "abA"[random.Next(3)]));
        for (var index = 0; index < 500; index++)
        {
            var name = Word();
            string[] candidates = [.. Enumerable.Range(0, 5).Select(_ => Word())];
            var best = candidates.MinBy(candidate => Distance(name, candidate))!;
            var expected = Distance(name, best) <= Math.Clamp(name.Length / 3, 1, 3) ? best : null;
            Assert.AreEqual(expected, DefinitionText.Nearest(name, candidates), $"seed {Seed}: {name} among {string.Join(", ", candidates)}");
        }
    }

    [TestMethod]
    public void QuotesShowWhatCannotBeSeen() =>
        Assert.AreEqual("\"a\\u000a\\u2028b\" and \"é\"", $"{DefinitionText.Quote("a\n\u2028b")} and {DefinitionText.Quote("é")}");

    [TestMethod]
    public void LongListsAreCut()
    {
        Assert.AreEqual("There is none.", DefinitionText.Hint("x", []));
        Assert.AreEqual(
            "There are \"aa0\", \"aa1\", \"aa2\", \"aa3\", \"aa4\", \"aa5\", \"aa6\", \"aa7\", \"aa8\", \"aa9\" and 2 more.",
            DefinitionText.Hint("zzz", [.. Enumerable.Range(0, 12).Select(index => $"aa{index}")]));
    }

    private static int Distance(ReadOnlySpan<char> left, ReadOnlySpan<char> right)
    {
        if (left.Length == 0 || right.Length == 0)
            return left.Length + right.Length;
        var same = char.ToLowerInvariant(left[^1]) == char.ToLowerInvariant(right[^1]);
        var least = Math.Min(Distance(left[..^1], right[..^1]) + (same ? 0 : 1), 1 + Math.Min(Distance(left[..^1], right), Distance(left, right[..^1])));
        var isSwap = left.Length > 1 && right.Length > 1 && char.ToLowerInvariant(left[^1]) == char.ToLowerInvariant(right[^2]) && char.ToLowerInvariant(left[^2]) == char.ToLowerInvariant(right[^1]);
        return isSwap ? Math.Min(least, Distance(left[..^2], right[..^2]) + 1) : least;
    }
}
