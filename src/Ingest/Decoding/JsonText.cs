using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Text.Unicode;
using FeatureStore.Ingest.DeadLetters;

namespace FeatureStore.Ingest.Decoding;

/// <summary>
/// Steps over JSON (RFC 8259) in native memory. Each step takes a position and the end, never reads at or beyond the end, and returns the position after
/// what it stepped over, or null where it found a problem; <see cref="Problem"/> and <see cref="ProblemAt"/> then say which and where.
/// </summary>
internal unsafe struct JsonText
{
    /// <summary>Objects and arrays inside one another, the document's own object included.</summary>
    public const int DepthMax = 64;

    public JsonProblem Problem { get; private set; }

    public byte* ProblemAt { get; private set; }

    [MethodImpl(MethodImplOptions.NoInlining)]
    public byte* Fail(JsonProblem problem, byte* at)
    {
        Problem = problem;
        ProblemAt = at;
        return null;
    }

    /// <summary>Says what stands where an object should.</summary>
    public byte* FailStart(byte* start, byte* at, byte* end)
    {
        if (at == end)
            return Fail(JsonProblem.Empty, start);
        return Fail(end - start >= 3 && new ReadOnlySpan<byte>(start, 3).SequenceEqual((ReadOnlySpan<byte>)[0xef, 0xbb, 0xbf])
            ? JsonProblem.ByteOrderMark
            : JsonProblem.NotAnObject, at);
    }

    /// <summary>The first byte at or after a position that is not JSON white space.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static byte* SkipSpace(byte* at, byte* end) => at < end && *at > ' ' ? at : SkipSpaces(at, end);

    /// <param name="at">The opening quote.</param>
    /// <param name="end">End of the document.</param>
    /// <param name="plain">Whether the text between the quotes is as it is, without escapes.</param>
    /// <returns>The position after the closing quote.</returns>
    public byte* SkipString(byte* at, byte* end, out bool plain)
    {
        plain = true;
        var ascii = true;
        var start = at + 1;
        at = start;
        while (true)
        {
            at = ascii ? FindInAscii(at, end) : FindInText(at, end);
            if (at == end)
                return Fail(JsonProblem.EndsEarly, end);
            if (*at == '"')
                break;
            if (*at < ' ')
                return Fail(JsonProblem.ControlCharacter, at);
            if (*at != '\\')
            {
                ascii = false;
                continue;
            }

            plain = false;
            at = SkipEscape(at, end);
            if (at == null)
                return null;
        }

        if (!ascii && !Utf8.IsValid(new ReadOnlySpan<byte>(start, (int)(at - start))))
            return Fail(JsonProblem.InvalidUtf8, start);
        return at + 1;
    }

    /// <summary>Steps over any value.</summary>
    /// <param name="at">Its first byte, before <paramref name="end"/>.</param>
    /// <param name="end">End of the document.</param>
    public byte* SkipValue(byte* at, byte* end)
    {
        // One bit for each open level, the innermost the lowest: 1 for an object. The document's own object is level 1.
        var objects = 1UL;
        var depth = 1;
        while (true)
        {
            if (*at is (byte)'{' or (byte)'[')
            {
                if (depth == DepthMax)
                    return Fail(JsonProblem.TooDeep, at);
                var isObject = *at == '{';
                depth++;
                objects = objects << 1 | (isObject ? 1UL : 0);
                at = SkipSpace(at + 1, end);
                if (at == end)
                    return Fail(JsonProblem.EndsEarly, at);
                if (*at != (isObject ? '}' : ']'))
                {
                    if (isObject && (at = SkipName(at, end)) == null)
                        return null;
                    continue;
                }
            }
            else
            {
                at = SkipScalar(at, end);
                if (at == null || depth == 1)
                    return at;
                at = SkipSpace(at, end);
            }

            // After a value inside an object or array: close levels, then step to the next value.
            while (at < end && *at == ((objects & 1) != 0 ? '}' : ']'))
            {
                at++;
                objects >>= 1;
                if (--depth == 1)
                    return at;
                at = SkipSpace(at, end);
            }

            if (at == end)
                return Fail(JsonProblem.EndsEarly, at);
            if (*at != ',')
                return Fail(JsonProblem.CommaExpected, at);
            at = SkipSpace(at + 1, end);
            if (at == end)
                return Fail(JsonProblem.EndsEarly, at);
            if ((objects & 1) != 0 && (at = SkipName(at, end)) == null)
                return null;
        }
    }

    /// <summary>Steps over the colon after a member's name, and to the first byte of the value.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public byte* SkipColon(byte* at, byte* end)
    {
        at = SkipSpace(at, end);
        if (at == end)
            return Fail(JsonProblem.EndsEarly, at);
        if (*at != ':')
            return Fail(JsonProblem.ColonExpected, at);
        at = SkipSpace(at + 1, end);
        return at == end ? Fail(JsonProblem.EndsEarly, at) : at;
    }

    public static bool IsLiteral(byte* at, byte* end, ReadOnlySpan<byte> literal) =>
        end - at >= literal.Length && new ReadOnlySpan<byte>(at, literal.Length).SequenceEqual(literal);

    /// <summary>Kind of the value that begins with a byte; of one that begins no value, a number.</summary>
    public static JsonKind KindOf(byte first) => first switch
    {
        (byte)'"' => JsonKind.String,
        (byte)'{' => JsonKind.Object,
        (byte)'[' => JsonKind.Array,
        (byte)'t' or (byte)'f' => JsonKind.Bool,
        (byte)'n' => JsonKind.Null,
        _ => JsonKind.Number,
    };

    /// <summary>Resolves the escapes of a text that <see cref="SkipString"/> found sound.</summary>
    /// <param name="text">What stands between the quotes.</param>
    /// <param name="unescaped">Gets the text.</param>
    /// <returns>Its length, or −1 where it does not fit.</returns>
    public static int Unescape(ReadOnlySpan<byte> text, Span<byte> unescaped)
    {
        var length = 0;
        while (text.Length > 0)
        {
            var plain = text.IndexOf((byte)'\\');
            if (plain < 0)
                plain = text.Length;
            if (plain > unescaped.Length - length)
                return -1;
            text[..plain].CopyTo(unescaped[length..]);
            length += plain;
            text = text[plain..];
            if (text.Length == 0)
                break;

            var read = 2;
            var rune = text[1] switch
            {
                (byte)'b' => '\b',
                (byte)'f' => '\f',
                (byte)'n' => '\n',
                (byte)'r' => '\r',
                (byte)'t' => '\t',
                (byte)'u' => ReadRune(text, out read),
                var other => other,
            };
            text = text[read..];
            if (!new System.Text.Rune(rune).TryEncodeToUtf8(unescaped[length..], out var written))
                return -1;
            length += written;
        }

        return length;
    }

    private static int ReadRune(ReadOnlySpan<byte> escape, out int read)
    {
        var high = Hex4(escape[2..]);
        read = 6;
        if (high is < 0xd800 or > 0xdbff)
            return high;
        read = 12;
        return 0x1_0000 + (high - 0xd800 << 10) + Hex4(escape[8..]) - 0xdc00;
    }

    private static byte* SkipSpaces(byte* at, byte* end)
    {
        while (at < end && *at is (byte)' ' or (byte)'\n' or (byte)'\r' or (byte)'\t')
            at++;
        return at;
    }

    private byte* SkipName(byte* at, byte* end)
    {
        if (*at != '"')
            return Fail(JsonProblem.NameExpected, at);
        at = SkipString(at, end, out _);
        return at == null ? null : SkipColon(at, end);
    }

    private byte* SkipScalar(byte* at, byte* end)
    {
        switch (*at)
        {
            case (byte)'"':
                return SkipString(at, end, out _);
            case (byte)'t':
                return IsLiteral(at, end, "true"u8) ? at + 4 : Fail(JsonProblem.ValueExpected, at);
            case (byte)'f':
                return IsLiteral(at, end, "false"u8) ? at + 5 : Fail(JsonProblem.ValueExpected, at);
            case (byte)'n':
                return IsLiteral(at, end, "null"u8) ? at + 4 : Fail(JsonProblem.ValueExpected, at);
            case (byte)'-' or (>= (byte)'0' and <= (byte)'9'):
                var after = JsonNumber.Scan(at, end, out _);
                return after == null ? Fail(JsonProblem.BadNumber, at) : after;
            default:
                return Fail(JsonProblem.ValueExpected, at);
        }
    }

    /// <summary>Checks one escape, or a pair that makes one character.</summary>
    private byte* SkipEscape(byte* at, byte* end)
    {
        if (end - at < 2)
            return Fail(JsonProblem.EndsEarly, end);
        if (at[1] != 'u')
            return at[1] is (byte)'"' or (byte)'\\' or (byte)'/' or (byte)'b' or (byte)'f' or (byte)'n' or (byte)'r' or (byte)'t' ? at + 2 : Fail(JsonProblem.BadEscape, at);
        var unit = end - at < 6 ? -1 : Hex4(new ReadOnlySpan<byte>(at + 2, 4));
        if (unit < 0)
            return Fail(JsonProblem.BadEscape, at);
        if (unit is < 0xd800 or > 0xdfff)
            return at + 6;
        var low = unit > 0xdbff || end - at < 12 || at[6] != '\\' || at[7] != 'u' ? -1 : Hex4(new ReadOnlySpan<byte>(at + 8, 4));
        return low is >= 0xdc00 and <= 0xdfff ? at + 12 : Fail(JsonProblem.LoneSurrogate, at);
    }

    /// <returns>Value of four hexadecimal digits, or a negative number.</returns>
    private static int Hex4(ReadOnlySpan<byte> digits)
    {
        var value = 0;
        for (var i = 0; i < 4; i++)
        {
            if (!char.IsAsciiHexDigit((char)digits[i]))
                return -1;
            value = value << 4 | (digits[i] & 0xf) + (digits[i] > '9' ? 9 : 0);
        }

        return value;
    }

    /// <summary>The first quote, backslash, control character or byte beyond ASCII; the end where there is none.</summary>
    private static byte* FindInAscii(byte* at, byte* end)
    {
        for (; end - at >= Vector128<byte>.Count; at += Vector128<byte>.Count)
        {
            var bytes = Vector128.Load(at);
            // Bytes beyond ASCII are negative as signed ones, so one comparison finds them and the control characters.
            var found = Vector128.LessThan(bytes.AsSByte(), Vector128.Create((sbyte)' ')).AsByte()
                | Vector128.Equals(bytes, Vector128.Create((byte)'"')) | Vector128.Equals(bytes, Vector128.Create((byte)'\\'));
            var bits = found.ExtractMostSignificantBits();
            if (bits != 0)
                return at + System.Numerics.BitOperations.TrailingZeroCount(bits);
        }

        while (at < end && (sbyte)*at >= ' ' && *at != '"' && *at != '\\')
            at++;
        return at;
    }

    /// <summary>The first quote, backslash or control character; the end where there is none.</summary>
    private static byte* FindInText(byte* at, byte* end)
    {
        for (; end - at >= Vector128<byte>.Count; at += Vector128<byte>.Count)
        {
            var bytes = Vector128.Load(at);
            var found = Vector128.LessThan(bytes, Vector128.Create((byte)' '))
                | Vector128.Equals(bytes, Vector128.Create((byte)'"')) | Vector128.Equals(bytes, Vector128.Create((byte)'\\'));
            var bits = found.ExtractMostSignificantBits();
            if (bits != 0)
                return at + System.Numerics.BitOperations.TrailingZeroCount(bits);
        }

        while (at < end && *at >= ' ' && *at != '"' && *at != '\\')
            at++;
        return at;
    }
}
