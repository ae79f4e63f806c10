using System.Text;
using System.Text.Json;

namespace FeatureStore.Core.Definitions;

/// <summary>How definitions and the messages about them are written.</summary>
public static class DefinitionText
{
    private const int QuotedLengthMax = 80;
    private const int ListedNamesMax = 10;

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

    /// <summary>The candidate that differs least from a name: in at most a third of its letters, and at least in one. Null where none is near.</summary>
    public static string? Nearest(string name, IEnumerable<string> candidates)
    {
        ArgumentNullException.ThrowIfNull(name);
        ArgumentNullException.ThrowIfNull(candidates);
        string? nearest = null;
        if (name.Length is 0 or > DefinitionLimits.NameLengthMax)
            return null;
        var distanceMax = Math.Max(1, name.Length / 3);
        foreach (var candidate in candidates)
        {
            if (Math.Abs(candidate.Length - name.Length) > distanceMax || candidate.Length > DefinitionLimits.NameLengthMax)
                continue;
            var distance = Distance(name, candidate);
            if (distance > distanceMax || (nearest is not null && distance == distanceMax))
                continue;
            nearest = candidate;
            distanceMax = distance;
        }

        return nearest;
    }

    /// <summary>Insertions, deletions, replacements and swaps of neighbours between two words, without regard to case.</summary>
    private static int Distance(string left, string right)
    {
        Span<int> before = stackalloc int[right.Length + 1];
        Span<int> above = stackalloc int[right.Length + 1];
        Span<int> row = stackalloc int[right.Length + 1];
        for (var j = 0; j <= right.Length; j++)
            above[j] = j;
        for (var i = 1; i <= left.Length; i++)
        {
            row[0] = i;
            for (var j = 1; j <= right.Length; j++)
            {
                var replace = above[j - 1] + (Same(left[i - 1], right[j - 1]) ? 0 : 1);
                row[j] = Math.Min(replace, 1 + Math.Min(above[j], row[j - 1]));
                if (i > 1 && j > 1 && Same(left[i - 1], right[j - 2]) && Same(left[i - 2], right[j - 1]))
                    row[j] = Math.Min(row[j], before[j - 2] + 1);
            }

            above.CopyTo(before);
            row.CopyTo(above);
        }

        return above[right.Length];
    }

    private static bool Same(char left, char right) => char.ToLowerInvariant(left) == char.ToLowerInvariant(right);

    private static class EnumNames<T>
        where T : struct, Enum
    {
        public static readonly string[] All = [.. Enum.GetValues<T>().Select(Name)];
    }
}
