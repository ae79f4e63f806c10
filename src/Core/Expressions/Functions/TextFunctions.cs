using System.Buffers;
using System.Buffers.Text;
using System.Text;
using Text = System.ReadOnlySpan<byte>;

namespace FeatureStore.Core.Expressions;

/// <summary>Functions of strings and bytes. Strings are UTF-8; indexes count code points. False: out of range, or a result that is too long.</summary>
internal static class TextFunctions
{
    public static bool Size(Text text, out long result)
    {
        result = CodePoints.Count(text);
        return true;
    }

    public static bool SizeOfBytes(Text bytes, out long result)
    {
        result = bytes.Length;
        return true;
    }

    public static bool Contains(Text text, Text part, out bool result)
    {
        result = text.IndexOf(part) >= 0;
        return true;
    }

    public static bool StartsWith(Text text, Text start, out bool result)
    {
        result = text.StartsWith(start);
        return true;
    }

    public static bool EndsWith(Text text, Text end, out bool result)
    {
        result = text.EndsWith(end);
        return true;
    }

    public static bool Concat(Text left, Text right, out Text result)
    {
        var fits = left.Length + right.Length <= ExpressionLimits.TextBytesMax;
        result = fits ? (byte[])[.. left, .. right] : default;
        return fits;
    }

    public static bool LowerAscii(Text text, out Text result)
    {
        result = FlipCase(text, 'A', 'Z');
        return true;
    }

    public static bool UpperAscii(Text text, out Text result)
    {
        result = FlipCase(text, 'a', 'z');
        return true;
    }

    /// <summary>Without white space, as Unicode defines it, at both ends.</summary>
    public static bool Trim(Text text, out Text result)
    {
        while (Rune.DecodeFromUtf8(text, out var rune, out var length) == OperationStatus.Done && Rune.IsWhiteSpace(rune))
            text = text[length..];
        while (Rune.DecodeLastFromUtf8(text, out var rune, out var length) == OperationStatus.Done && Rune.IsWhiteSpace(rune))
            text = text[..^length];
        result = text;
        return true;
    }

    public static bool CharAt(Text text, long index, out Text result)
    {
        var offset = CodePoints.Offset(text, index);
        result = offset < 0 || offset == text.Length ? default : text.Slice(offset, CodePoints.FirstLength(text[offset..]));
        return offset >= 0;
    }

    public static bool IndexOf(Text text, Text part, out long result) => IndexOf(text, part, 0, out result);

    /// <param name="text">Searched forward.</param>
    /// <param name="part">Searched for.</param>
    /// <param name="from">Lowest index that may be the result; behind the text it is an error.</param>
    /// <param name="result">Index, or −1.</param>
    public static bool IndexOf(Text text, Text part, long from, out long result)
    {
        result = -1;
        var offset = CodePoints.Offset(text, from);
        if (offset < 0)
            return false;
        var found = text[offset..].IndexOf(part);
        if (found >= 0)
            result = from + CodePoints.Count(text.Slice(offset, found));
        return true;
    }

    public static bool LastIndexOf(Text text, Text part, out long result)
    {
        var found = text.LastIndexOf(part);
        result = found < 0 ? -1 : CodePoints.Count(text[..found]);
        return true;
    }

    /// <param name="text">Searched backward.</param>
    /// <param name="part">Searched for.</param>
    /// <param name="from">Highest index that may be the result; behind the text it is an error.</param>
    /// <param name="result">Index, or −1.</param>
    public static bool LastIndexOf(Text text, Text part, long from, out long result)
    {
        result = -1;
        var offset = CodePoints.Offset(text, from);
        return offset >= 0 && LastIndexOf(text[..Math.Min(text.Length, offset + part.Length)], part, out result);
    }

    public static bool Substring(Text text, long start, out Text result)
    {
        var offset = CodePoints.Offset(text, start);
        result = offset < 0 ? default : text[offset..];
        return offset >= 0;
    }

    public static bool Substring(Text text, long start, long end, out Text result)
    {
        var from = CodePoints.Offset(text, start);
        var to = CodePoints.Offset(text, end);
        var isRange = from >= 0 && to >= from;
        result = isRange ? text[from..to] : default;
        return isRange;
    }

    public static bool Replace(Text text, Text old, Text with, out Text result) => Replace(text, old, with, -1, out result);

    /// <param name="text">Searched.</param>
    /// <param name="old">Replaced; empty: with is put before each code point and at the end.</param>
    /// <param name="with">Put in place.</param>
    /// <param name="limit">Most replacements; negative: all.</param>
    /// <param name="result">The new text.</param>
    public static bool Replace(Text text, Text old, Text with, long limit, out Text result)
    {
        // The length comes first: a result that is too long must not cost the work of making it.
        var count = old.IsEmpty ? CodePoints.Count(text) + 1 : text.Count(old);
        count = limit < 0 ? count : (int)Math.Min(count, limit);
        var length = text.Length + (long)count * (with.Length - old.Length);
        result = default;
        if (length > ExpressionLimits.TextBytesMax)
            return false;
        var replaced = new byte[length];
        var rest = replaced.AsSpan();
        for (var i = 0; i < count; i++)
        {
            var found = !old.IsEmpty ? text.IndexOf(old) : i > 0 ? CodePoints.FirstLength(text) : 0;
            text[..found].CopyTo(rest);
            with.CopyTo(rest[found..]);
            rest = rest[(found + with.Length)..];
            text = text[(found + old.Length)..];
        }
        text.CopyTo(rest);
        result = replaced;
        return true;
    }

    public static bool Split(Text text, Text separator, out Value result) => Split(text, separator, -1, out result);

    /// <param name="text">Cut.</param>
    /// <param name="separator">Between the parts; empty: each code point is a part.</param>
    /// <param name="limit">Most parts, the last one whole; 0: none; negative: no limit.</param>
    /// <param name="result">List of strings.</param>
    public static bool Split(Text text, Text separator, long limit, out Value result)
    {
        var parts = new List<Value>();
        while (limit < 0 || parts.Count < limit - 1)
        {
            var length = separator.IsEmpty ? CodePoints.FirstLength(text) : text.IndexOf(separator);
            if (length < 0 || separator.IsEmpty && length >= text.Length)
                break;
            parts.Add(Value.OfString(text[..length].ToArray()));
            text = text[(length + separator.Length)..];
        }
        if (limit != 0 && !(separator.IsEmpty && text.IsEmpty))
            parts.Add(Value.OfString(text.ToArray()));
        result = Value.OfList([.. parts]);
        return true;
    }

    public static bool Join(Value list, out Text result) => Join(list, default, out result);

    public static bool Join(Value list, Text separator, out Text result)
    {
        result = default;
        var length = (long)separator.Length * Math.Max(0, list.List.Length - 1);
        foreach (var item in list.List)
        {
            if (item.Kind != ExpressionType.String)
                return false;
            length += item.Text.Length;
        }
        if (length > ExpressionLimits.TextBytesMax)
            return false;
        var writer = new ArrayBufferWriter<byte>((int)length + 1);
        for (var i = 0; i < list.List.Length; i++)
        {
            writer.Write(i > 0 ? separator : default);
            writer.Write(list.List[i].Text);
        }
        result = writer.WrittenSpan;
        return true;
    }

    public static bool Reverse(Text text, out Text result)
    {
        var reversed = new byte[text.Length];
        for (var rest = reversed.AsSpan(); !text.IsEmpty;)
        {
            var length = CodePoints.FirstLength(text);
            text[..length].CopyTo(rest[^length..]);
            rest = rest[..^length];
            text = text[length..];
        }
        result = reversed;
        return true;
    }

    /// <summary>In double quotes, with escapes for control characters that have a letter, for the quote and the backslash.</summary>
    public static bool Quote(Text text, out Text result)
    {
        var escaped = "\a\b\f\n\r\t\v\\\""u8;
        var letters = "abfnrtv\\\""u8;
        var writer = new ArrayBufferWriter<byte>(text.Length + 2);
        writer.Write("\""u8);
        for (var next = text.IndexOfAny(escaped); next >= 0; next = text.IndexOfAny(escaped))
        {
            writer.Write(text[..next]);
            writer.Write([(byte)'\\', letters[escaped.IndexOf(text[next])]]);
            text = text[(next + 1)..];
        }
        writer.Write(text);
        writer.Write("\""u8);
        result = writer.WrittenSpan;
        return result.Length <= ExpressionLimits.TextBytesMax;
    }

    public static bool EncodeBase64(Text bytes, out Text result)
    {
        result = default;
        if (Base64.GetMaxEncodedToUtf8Length(bytes.Length) > ExpressionLimits.TextBytesMax)
            return false;
        var encoded = new byte[Base64.GetMaxEncodedToUtf8Length(bytes.Length)];
        Base64.EncodeToUtf8(bytes, encoded, out _, out _);
        result = encoded;
        return true;
    }

    /// <summary>Padded or not; without white space.</summary>
    public static bool DecodeBase64(Text text, out Text result)
    {
        result = default;
        var padded = new byte[(text.Length + 3) / 4 * 4];
        text.CopyTo(padded);
        padded.AsSpan(text.Length).Fill((byte)'=');
        var decoded = new byte[padded.Length / 4 * 3];
        if (text.ContainsAny(" \t\r\n"u8) || Base64.DecodeFromUtf8(padded, decoded, out _, out var length) != OperationStatus.Done)
            return false;
        result = decoded.AsSpan(0, length);
        return true;
    }

    private static byte[] FlipCase(Text text, char first, char last)
    {
        var flipped = text.ToArray();
        foreach (ref var b in flipped.AsSpan())
        {
            if (b >= first && b <= last)
                b ^= 0x20;
        }
        return flipped;
    }
}
