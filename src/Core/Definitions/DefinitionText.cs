using System.Text;
using System.Text.Json;

namespace FeatureStore.Core.Definitions;

/// <summary>How definitions and the messages about them are written.</summary>
public static class DefinitionText
{
    private const int QuotedLengthMax = 80;
    private const int ListedNamesMax = 10;
    private const int ComparedNamesMax = 1000;

    /// <summary>A text in double quotes, control characters escaped, cut where it is long.</summary>
    public static string Quote(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        var quoted = new StringBuilder("\"");
        foreach (var character in text.AsSpan(0, Math.Min(text.Length, QuotedLengthMax)))
        {
            if (char.IsControl(character) || char.IsSurrogate(character) || character is '\u2028' or '\u2029')
                quoted.Append(System.Globalization.CultureInfo.InvariantCulture, $"\\u{(int)character:x4}");
            else
                quoted.Append(character);
        }

        return quoted.Append(text.Length > QuotedLengthMax ? "…\"" : "\"").ToString();
    }

    /// <summary>What messages call a thing: by its kind and name, or by its path where it has no name.</summary>
    public static string Subject(string kind, string name, string path)
    {
        ArgumentNullException.ThrowIfNull(name);
        return name.Length == 0 ? path : $"{kind} {Quote(name)}";
    }

    /// <summary>A value of a type in a sentence: <c>a double</c>, <c>an int64</c>.</summary>
    public static string AValueOf(FieldType type) => type == FieldType.Int64 ? "an int64" : $"a {Name(type)}";

    /// <summary>Name of an enum's value: <c>dead_letter</c> for <see cref="MissingAction.DeadLetter"/>.</summary>
    public static string Name<T>(T value)
        where T : struct, Enum => JsonNamingPolicy.SnakeCaseLower.ConvertName(value.ToString());

    /// <summary>Names of all values of an enum, in order of declaration.</summary>
    public static IReadOnlyList<string> Names<T>()
        where T : struct, Enum => EnumNames<T>.All;

    /// <summary>The enum's value of a name.</summary>
    /// <returns>False where there is none.</returns>
    public static bool TryParse<T>(string name, out T value)
        where T : struct, Enum
    {
        var index = Array.IndexOf(EnumNames<T>.All, name);
        value = index < 0 ? default : Enum.GetValues<T>()[index];
        return index >= 0;
    }

    /// <summary>What to say after an unknown name: the one that was probably meant, or all there are.</summary>
    public static string Hint(string name, IReadOnlyCollection<string> candidates)
    {
        if (Nearest(name, candidates) is { } nearest)
            return $"Did you mean {Quote(nearest)}?";
        return candidates.Count switch
        {
            0 => "There is none.",
            1 => $"There is {Quote(candidates.First())}.",
            <= ListedNamesMax => $"There are {string.Join(", ", candidates.Select(Quote))}.",
            _ => $"There are {string.Join(", ", candidates.Take(ListedNamesMax).Select(Quote))} and {candidates.Count - ListedNamesMax} more.",
        };
    }

    /// <summary>
    /// The candidate that differs least from a name, by a third of its letters at most, by 3 at most, but by one in any case. Null where none is near
    /// among the first 1,000.
    /// </summary>
    public static string? Nearest(string name, IEnumerable<string> candidates)
    {
        ArgumentNullException.ThrowIfNull(name);
        ArgumentNullException.ThrowIfNull(candidates);
        if (name.Length is 0 or > DefinitionLimits.NameLengthMax)
            return null;
        string? nearest = null;
        var limit = Math.Clamp(name.Length / 3, 1, 3) + 1;
        foreach (var candidate in candidates.Take(ComparedNamesMax))
        {
            if (Math.Abs(candidate.Length - name.Length) >= limit)
                continue;
            var distance = Distance(name, candidate, limit);
            if (distance >= limit)
                continue;
            nearest = candidate;
            limit = distance;
        }

        return nearest;
    }

    /// <summary>
    /// Insertions, deletions, replacements and swaps of neighbours between two words, without regard to case; the limit where there are as many or more.
    /// Cells further than the limit from the diagonal cannot count less, so they are not computed.
    /// </summary>
    private static int Distance(string left, string right, int limit)
    {
        Span<int> before = stackalloc int[right.Length + 1];
        Span<int> above = stackalloc int[right.Length + 1];
        Span<int> row = stackalloc int[right.Length + 1];
        above.Fill(limit);
        for (var j = 0; j <= Math.Min(limit, right.Length); j++)
            above[j] = j;
        for (var i = 1; i <= left.Length; i++)
        {
            row.Fill(limit);
            row[0] = Math.Min(i, limit);
            for (var j = Math.Max(1, i - limit); j <= Math.Min(right.Length, i + limit); j++)
            {
                var replace = above[j - 1] + (Same(left[i - 1], right[j - 1]) ? 0 : 1);
                row[j] = Math.Min(replace, 1 + Math.Min(above[j], row[j - 1]));
                if (i > 1 && j > 1 && Same(left[i - 1], right[j - 2]) && Same(left[i - 2], right[j - 1]))
                    row[j] = Math.Min(row[j], before[j - 2] + 1);
            }

            above.CopyTo(before);
            row.CopyTo(above);
        }

        return Math.Min(limit, above[right.Length]);
    }

    private static bool Same(char left, char right) => char.ToLowerInvariant(left) == char.ToLowerInvariant(right);

    private static class EnumNames<T>
        where T : struct, Enum
    {
        public static readonly string[] All = [.. Enum.GetValues<T>().Select(Name)];
    }
}
