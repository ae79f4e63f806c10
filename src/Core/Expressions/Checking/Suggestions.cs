namespace FeatureStore.Core.Expressions;

/// <summary>Finds what a misspelt name may have been.</summary>
internal static class Suggestions
{
    /// <summary>A sentence that names the nearest candidate; empty where none is near.</summary>
    public static string DidYouMean(string name, IEnumerable<string> candidates)
    {
        var nearest = candidates
            .Select(candidate => (Candidate: candidate, Distance: Distance(name.ToUpperInvariant(), candidate.ToUpperInvariant())))
            .OrderBy(pair => pair.Distance)
            .ThenBy(pair => pair.Candidate, StringComparer.Ordinal)
            .FirstOrDefault((Candidate: "", Distance: int.MaxValue));
        var near = name.Length < 3 ? 0 : Math.Clamp(name.Length / 3, 1, 3);
        return nearest.Distance <= near ? $" Did you mean \"{nearest.Candidate}\"?" : "";
    }

    /// <summary>Insertions, deletions and replacements of one character that lead from one text to the other.</summary>
    private static int Distance(string from, string to)
    {
        var row = new int[to.Length + 1];
        for (var j = 0; j < row.Length; j++)
            row[j] = j;
        for (var i = 1; i <= from.Length; i++)
        {
            var diagonal = row[0];
            row[0] = i;
            for (var j = 1; j <= to.Length; j++)
            {
                var above = row[j];
                var replaced = diagonal + (from[i - 1] == to[j - 1] ? 0 : 1);
                row[j] = Math.Min(replaced, Math.Min(above, row[j - 1]) + 1);
                diagonal = above;
            }
        }
        return row[^1];
    }
}
