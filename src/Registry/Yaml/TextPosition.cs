using YamlDotNet.Core;

namespace FeatureStore.Registry.Yaml;

/// <summary>Finds places in a file's text. Lines and columns count from 1, columns in characters.</summary>
internal static class TextPosition
{
    public static (int Line, int Column) Of(string text, int index) => From(text, 0, (1, 1), index);

    /// <summary>
    /// Where a character of a scalar's value stands in the file. Quoting, folding and indentation change the blanks and write some characters as
    /// escapes, but keep the other characters and their order: the n-th character of the value that is not blank is the n-th such in the file.
    /// </summary>
    /// <param name="scalar">The scalar.</param>
    /// <param name="offset">Characters into its value; the value's length: its end.</param>
    public static (int Line, int Column) InScalar(YamlNode scalar, int offset)
    {
        var file = scalar.File.Text;
        var value = scalar.Text;
        offset = Math.Clamp(offset, 0, value.Length);
        var index = ContentStart(scalar, file);
        for (var i = 0; i < offset; i++)
        {
            if (char.IsWhiteSpace(value[i]))
                continue;
            index = SkipBlanks(scalar.Style, file, index);
            index += CharacterLength(scalar.Style, file, index);

            // One escape may stand for two characters of the value.
            if (char.IsHighSurrogate(value[i]) && file[index - 1] != value[i])
                i++;
        }

        // Blanks that the value has here too are counted one by one; an error at a character skips what precedes it.
        if (offset < value.Length && !char.IsWhiteSpace(value[offset]))
            index = SkipBlanks(scalar.Style, file, index);
        return From(file, scalar.Index, (scalar.Line, scalar.Column), Math.Min(index, file.Length));
    }

    /// <summary>The place of an index, found from an earlier one whose place is known.</summary>
    private static (int Line, int Column) From(string text, int start, (int Line, int Column) place, int index)
    {
        for (var i = start; i < index; i++)
        {
            // "\r\n" is one break, which its '\n' makes.
            var isBreak = text[i] == '\n' || (text[i] == '\r' && (i + 1 == text.Length || text[i + 1] != '\n'));
            place = isBreak ? (place.Line + 1, 1) : (place.Line, place.Column + 1);
        }

        return place;
    }

    private static int ContentStart(YamlNode scalar, string file)
    {
        switch (scalar.Style)
        {
            case ScalarStyle.SingleQuoted or ScalarStyle.DoubleQuoted:
                return scalar.Index + 1;
            case ScalarStyle.Literal or ScalarStyle.Folded:
                var lineEnd = file.AsSpan(scalar.Index).IndexOfAny('\r', '\n');
                return lineEnd < 0 ? file.Length : SkipBlanks(scalar.Style, file, scalar.Index + lineEnd);
            default:
                return scalar.Index;
        }
    }

    private static int SkipBlanks(ScalarStyle style, string file, int index)
    {
        while (index < file.Length)
        {
            if (char.IsWhiteSpace(file[index]))
                index++;
            else if (style == ScalarStyle.DoubleQuoted && IsBlankEscape(file, index))
                index += CharacterLength(style, file, index);
            else
                break;
        }

        return index;
    }

    private static bool IsBlankEscape(string file, int index) =>
        file[index] == '\\' && index + 1 < file.Length && file[index + 1] is ' ' or '\t' or 'n' or 't' or 'r' or 'v' or 'f' or 'N' or '_' or 'L' or 'P' or '\r' or '\n';

    /// <summary>How many characters of the file make the one at an index.</summary>
    private static int CharacterLength(ScalarStyle style, string file, int index)
    {
        if (index + 1 >= file.Length)
            return 1;
        if (style == ScalarStyle.SingleQuoted)
            return file[index] == '\'' ? 2 : 1;
        if (style != ScalarStyle.DoubleQuoted || file[index] != '\\')
            return 1;
        return file[index + 1] switch
        {
            'x' => 4,
            'u' => 6,
            'U' => 10,
            _ => 2,
        };
    }
}
