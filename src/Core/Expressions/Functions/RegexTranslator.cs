using System.Buffers;
using System.Globalization;
using System.Text;

namespace FeatureStore.Core.Expressions;

/// <summary>
/// Rewrites a regular expression in RE2's syntax as one in .NET's with the same matches: \d, \w and \s are ASCII, $ is the very end,
/// a character above U+FFFF counts once. What neither back-tracking-free engine has is refused. Groups do not capture: only whether
/// there is a match is asked.
/// </summary>
internal sealed class RegexTranslator
{
    private const int RepetitionMax = 1000;

    /// <summary>A character above U+FFFF, as .NET sees it.</summary>
    private const string AstralPair = @"[\uD800-\uDBFF][\uDC00-\uDFFF]";

    private static readonly Dictionary<string, string> PosixClasses = new()
    {
        ["alnum"] = "0-9A-Za-z",
        ["alpha"] = "A-Za-z",
        ["ascii"] = @"\x00-\x7F",
        ["blank"] = @"\t ",
        ["cntrl"] = @"\x00-\x1F\x7F",
        ["digit"] = "0-9",
        ["graph"] = "!-~",
        ["lower"] = "a-z",
        ["print"] = " -~",
        ["punct"] = @"!-/:-@\[-`{-~",
        ["space"] = @"\t\n\v\f\r ",
        ["upper"] = "A-Z",
        ["word"] = "0-9A-Za-z_",
        ["xdigit"] = "0-9A-Fa-f",
    };

    private static readonly SearchValues<char> WordCharacters =
        SearchValues.Create("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz");

    private readonly string _pattern;
    private readonly StringBuilder _output = new();
    private readonly Stack<Group> _groups = new();
    private int _position;
    private bool _dotMatchesNewline;
    private bool _isMultiline;

    /// <summary>Size of the group so far with its repetitions written out, and of the last atom in it.</summary>
    private long _size;
    private long _atomSize;

    private RegexTranslator(string pattern) => _pattern = pattern;

    private readonly record struct Group(long SizeBefore, bool DotMatchesNewline, bool IsMultiline);

    /// <exception cref="FormatException">The pattern is wrong, too large, or uses what is not supported; says what.</exception>
    public static string Translate(string pattern)
    {
        var translator = new RegexTranslator(pattern);
        while (translator._position < pattern.Length)
            translator.One();
        if (translator._groups.Count > 0)
            throw new FormatException("a \"(\" is not closed");
        return translator._output.ToString();
    }

    private char At(int position) => position < _pattern.Length ? _pattern[position] : '\0';

    private void One()
    {
        switch (_pattern[_position])
        {
            case '\\':
                Escape();
                break;
            case '[':
                Atom(Class());
                break;
            case '(':
                Open();
                break;
            case ')':
                Close();
                break;
            case '.':
                _position++;
                Atom(_dotMatchesNewline ? $@"(?:[^\uD800-\uDFFF]|{AstralPair})" : $@"(?:[^\n\uD800-\uDFFF]|{AstralPair})");
                break;
            case '$':
                _position++;
                Atom(_isMultiline ? "$" : @"\z");
                break;
            case '*' or '+' or '?':
                Repeat(2);
                _output.Append(_pattern[_position++]);
                Lazy();
                break;
            case '{' when TryCounts(out var length, out var count):
                Repeat(count);
                _output.Append(_pattern, _position, length);
                _position += length;
                Lazy();
                break;
            case '|' or '^':
                _size++;
                _output.Append(_pattern[_position++]);
                break;
            default:
                Atom(Literal(NextRune()));
                break;
        }
    }

    private void Atom(string translated)
    {
        _output.Append(translated);
        _atomSize = 1;
        Grow(1);
    }

    private void Grow(long size)
    {
        _size += size;
        if (_size > ExpressionLimits.RegexSizeMax)
            throw new FormatException($"with its repetitions it is larger than {ExpressionLimits.RegexSizeMax:N0}");
    }

    private void Repeat(long count)
    {
        if (count > RepetitionMax)
            throw new FormatException($"more than {RepetitionMax} repetitions");
        var grown = _atomSize * Math.Max(0, count - 1);
        Grow(grown);
        _atomSize += grown;
    }

    /// <summary>? behind a repetition changes what is captured, not whether there is a match.</summary>
    private void Lazy()
    {
        if (At(_position) == '?')
            _position++;
    }

    private bool TryCounts(out int length, out long count)
    {
        var end = _pattern.IndexOf('}', _position);
        length = end - _position + 1;
        count = 0;
        if (end < 0)
            return false;
        var bounds = _pattern[(_position + 1)..end].Split(',');
        if (bounds.Length > 2 || !long.TryParse(bounds[0], NumberStyles.None, CultureInfo.InvariantCulture, out count))
            return false;
        if (bounds.Length == 2 && bounds[1].Length > 0)
            return long.TryParse(bounds[1], NumberStyles.None, CultureInfo.InvariantCulture, out count);
        count += bounds.Length - 1;
        return true;
    }

    private void Open()
    {
        _groups.Push(new Group(_size, _dotMatchesNewline, _isMultiline));
        _size = 0;
        _position++;
        if (At(_position) != '?')
        {
            _output.Append("(?:");
            return;
        }
        var name = At(_position + 1) == 'P' ? _position + 2 : _position + 1;
        if (At(name) == '<' && At(name + 1) is not ('=' or '!'))
        {
            var end = _pattern.IndexOf('>', name);
            if (end <= name + 1 || _pattern.AsSpan((name + 1)..end).ContainsAnyExcept(WordCharacters))
                throw new FormatException("a group's name is wrong");
            _position = end + 1;
            _output.Append("(?:");
            return;
        }
        Flags();
    }

    /// <summary>(?flags) for the rest of the enclosing group, (?flags:…) for this one.</summary>
    private void Flags()
    {
        var on = true;
        bool? ignoreCase = null;
        for (_position++; ; _position++)
        {
            switch (At(_position))
            {
                case '-' when on:
                    on = false;
                    break;
                case 's':
                    _dotMatchesNewline = on;
                    break;
                case 'm':
                    _isMultiline = on;
                    break;
                case 'i':
                    ignoreCase = on;
                    break;
                case 'U':
                    break;
                case ':':
                    _position++;
                    _output.Append(Options(ignoreCase)).Append(':');
                    return;
                case ')':
                    _position++;
                    _output.Append(Options(ignoreCase)).Append(')');
                    _size = _groups.Pop().SizeBefore;
                    _atomSize = 0;
                    return;
                default:
                    throw new FormatException("only groups (…), (?:…), (?P<name>…) and flags (?ims) are supported: no look-around");
            }
        }
    }

    private string Options(bool? ignoreCase)
    {
        var on = (_isMultiline ? "m" : "") + (ignoreCase == true ? "i" : "");
        var off = (_isMultiline ? "" : "m") + (ignoreCase == false ? "i" : "");
        return $"(?{on}{(off.Length > 0 ? "-" : "")}{off}";
    }

    private void Close()
    {
        if (!_groups.TryPop(out var group))
            throw new FormatException("a \")\" has no \"(\"");
        _position++;
        _output.Append(')');
        _dotMatchesNewline = group.DotMatchesNewline;
        _isMultiline = group.IsMultiline;
        _atomSize = _size + 1;
        _size = group.SizeBefore;
        Grow(_atomSize);
    }

    private void Escape()
    {
        var c = At(_position + 1);
        switch (c)
        {
            case 'A' or 'z' or 'b' or 'B':
                _position += 2;
                Atom("\\" + c);
                break;
            case 'Q':
                var end = _pattern.IndexOf(@"\E", _position, StringComparison.Ordinal);
                end = end < 0 ? _pattern.Length : end;
                _position += 2;
                while (_position < end)
                    Atom(Literal(NextRune()));
                _position = Math.Min(_pattern.Length, end + 2);
                break;
            case 'd' or 'D' or 'w' or 'W' or 's' or 'S' or 'p' or 'P':
                var content = Shorthand(out var isNegated);
                Atom(ClassOf(content, isNegated, hasAstral: false));
                break;
            default:
                Atom(Literal(EscapedRune()));
                break;
        }
    }

    /// <summary>A bracketed class.</summary>
    private string Class()
    {
        _position++;
        var isNegated = At(_position) == '^';
        _position += isNegated ? 1 : 0;
        var content = new StringBuilder();
        var hasAstral = false;
        for (var first = true; first || At(_position) != ']'; first = false)
        {
            if (_position >= _pattern.Length)
                throw new FormatException("a \"[\" is not closed");
            if (At(_position) == '[' && At(_position + 1) == ':')
                content.Append(PosixClass());
            else if (At(_position) == '\\' && At(_position + 1) is 'd' or 'D' or 'w' or 'W' or 's' or 'S' or 'p' or 'P')
            {
                var shorthand = Shorthand(out var isComplement);
                content.Append(isComplement ? Complement(shorthand) : shorthand);
                hasAstral |= isComplement;
            }
            else
                Range(content);
        }
        _position++;
        return ClassOf(content.ToString(), isNegated, hasAstral);
    }

    private void Range(StringBuilder content)
    {
        var low = ClassRune();
        content.Append(EscapeUnit(low));
        if (At(_position) != '-' || At(_position + 1) is ']' or '\0')
            return;
        _position++;
        var high = ClassRune();
        if (high < low)
            throw new FormatException("a range in a class is upside down");
        content.Append('-').Append(EscapeUnit(high));
    }

    private int ClassRune()
    {
        var rune = At(_position) == '\\' ? EscapedRune() : NextRune();
        return rune.IsBmp ? rune.Value : throw new FormatException("a class holds a character above U+FFFF");
    }

    private string PosixClass()
    {
        var end = _pattern.IndexOf(":]", _position, StringComparison.Ordinal);
        var name = end < 0 ? "" : _pattern[(_position + 2)..end];
        if (!PosixClasses.TryGetValue(name, out var content))
            throw new FormatException($"there is no class [:{name}:]");
        _position = end + 2;
        return content;
    }

    /// <summary>\d and the like, as the content of a class.</summary>
    private string Shorthand(out bool isNegated)
    {
        var c = At(_position + 1);
        isNegated = char.IsAsciiLetterUpper(c);
        _position += 2;
        return char.ToLowerInvariant(c) switch
        {
            'd' => "0-9",
            'w' => "0-9A-Za-z_",
            's' => @"\t\n\f\r ",
            _ => Category(ref isNegated),
        };
    }

    private string Category(ref bool isNegated)
    {
        var end = At(_position) == '{' ? _pattern.IndexOf('}', _position) : _position;
        var name = end < 0 ? "" : _pattern[_position..Math.Min(end + 1, _pattern.Length)].Trim('{', '}');
        if (name is ['^', ..])
        {
            isNegated = !isNegated;
            name = name[1..];
        }
        if (name.Length is 0 or > 2 || !"LMNPSZC".Contains(name[0]) || name.Length == 2 && !char.IsAsciiLetterLower(name[1]))
            throw new FormatException($"category \"{name}\" is not supported; general categories such as L, Lu, Nd are");
        _position = end + 1;
        return $@"\p{{{name}}}";
    }

    /// <summary>All characters up to U+FFFF that a shorthand's content does not hold.</summary>
    private static string Complement(string content) => content switch
    {
        "0-9" => @"\x00-/:-\uD7FF\uE000-\uFFFF",
        "0-9A-Za-z_" => @"\x00-/:-@\[-\^`{-\uD7FF\uE000-\uFFFF",
        @"\t\n\f\r " => @"\x00-\x08\x0B\x0E-\x1F!-\uD7FF\uE000-\uFFFF",
        _ => @"\P" + content[2..],
    };

    private static string ClassOf(string content, bool isNegated, bool hasAstral)
    {
        var units = isNegated ? $@"[^{content}\uD800-\uDFFF]" : $"[{content}]";
        return isNegated == hasAstral ? units : $"(?:{units}|{AstralPair})";
    }

    /// <summary>A literal character behind a backslash.</summary>
    private Rune EscapedRune()
    {
        var c = At(_position + 1);
        var control = "afnrtv".IndexOf(c);
        if (control >= 0)
        {
            _position += 2;
            return new Rune("\a\f\n\r\t\v"[control]);
        }
        if (c == 'x')
            return Hex();
        if (c == '0')
        {
            var value = 0;
            for (_position++; At(_position) is >= '0' and <= '7' && value < 0x20; _position++)
                value = value * 8 + At(_position) - '0';
            return new Rune(value);
        }
        if (!char.IsAscii(c) || char.IsAsciiLetterOrDigit(c) || c == '\0')
            throw new FormatException(c == '\0' ? "it ends with a backslash" : $"\"\\{c}\" is not supported");
        _position += 2;
        return new Rune(c);
    }

    private Rune Hex()
    {
        var isBraced = At(_position + 2) == '{';
        var start = _position + (isBraced ? 3 : 2);
        var end = isBraced ? _pattern.IndexOf('}', start) : Math.Min(start + 2, _pattern.Length);
        if (end <= start || !int.TryParse(_pattern.AsSpan(start..end), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var value) || !Rune.IsValid(value))
            throw new FormatException("\"\\x\" wants two hexadecimal digits, or \\x{10FFFF}");
        _position = end + (isBraced ? 1 : 0);
        return new Rune(value);
    }

    private Rune NextRune()
    {
        var rune = Rune.GetRuneAt(_pattern, _position);
        _position += rune.Utf16SequenceLength;
        return rune;
    }

    private static string Literal(Rune rune) => rune.IsBmp ? EscapeUnit(rune.Value) : $"(?:{rune})";

    private static string EscapeUnit(int unit) =>
        unit < 0x80 && char.IsAsciiLetterOrDigit((char)unit) ? ((char)unit).ToString() : @"\u" + unit.ToString("X4", CultureInfo.InvariantCulture);
}
