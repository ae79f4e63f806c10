using System.Buffers;
using System.Globalization;
using System.Text;

namespace FeatureStore.Core.Expressions;

/// <summary>How a string or bytes literal is written.</summary>
internal readonly record struct Quote(char Mark, bool IsTriple, bool IsRaw, bool IsBytes);

/// <summary>Reads the content of a string or bytes literal.</summary>
internal sealed class LiteralText
{
    private readonly string _source;
    private readonly Quote _quote;
    private readonly ArrayBufferWriter<byte> _bytes = new();
    private int _position;

    /// <param name="source">The whole source.</param>
    /// <param name="start">Behind the opening quote.</param>
    /// <param name="quote">How the literal is written.</param>
    public LiteralText(string source, int start, Quote quote)
    {
        _source = source;
        _quote = quote;
        _position = start;
        while (!AtClosingQuote())
            ReadOne(start);
        End = _position + (quote.IsTriple ? 3 : 1);
        Bytes = _bytes.WrittenSpan.ToArray();
    }

    /// <summary>UTF-8 of a string, or the bytes.</summary>
    public byte[] Bytes { get; }

    /// <summary>Behind the closing quote.</summary>
    public int End { get; }

    private char At(int position) => position < _source.Length ? _source[position] : '\0';

    private bool AtClosingQuote() =>
        At(_position) == _quote.Mark && (!_quote.IsTriple || At(_position + 1) == _quote.Mark && At(_position + 2) == _quote.Mark);

    private void ReadOne(int start)
    {
        if (_position >= _source.Length || !_quote.IsTriple && _source[_position] is '\n' or '\r')
        {
            var closing = new string(_quote.Mark, _quote.IsTriple ? 3 : 1);
            throw new ExpressionException(start - closing.Length, $"The string does not end. Close it with {closing}.");
        }
        if (_source[_position] == '\\' && !_quote.IsRaw)
        {
            ReadEscape();
            return;
        }
        if (Rune.DecodeFromUtf16(_source.AsSpan(_position), out var rune, out var length) != OperationStatus.Done)
            throw new ExpressionException(_position, "Half of a surrogate pair is not a character.");
        Write(rune);
        _position += length;
    }

    private void ReadEscape()
    {
        var c = At(_position + 1);
        var simple = "abfnrtv\\?\"'`".IndexOf(c);
        if (simple >= 0)
        {
            Write(new Rune("\a\b\f\n\r\t\v\\?\"'`"[simple]));
            _position += 2;
        }
        else if (c is 'x' or 'X')
            ReadCode(2, 2, 16);
        else if (c == 'u' && !_quote.IsBytes)
            ReadCode(2, 4, 16);
        else if (c == 'U' && !_quote.IsBytes)
            ReadCode(2, 8, 16);
        else if (c is >= '0' and <= '3')
            ReadCode(1, 3, 8);
        else
            throw Bad(2);
    }

    /// <summary>A code point, or in bytes an octet.</summary>
    private void ReadCode(int skip, int digits, int radix)
    {
        if (_position + skip + digits > _source.Length)
            throw Bad(skip);
        var value = 0L;
        foreach (var c in _source.AsSpan(_position + skip, digits))
        {
            if (!char.IsAsciiHexDigit(c) || Convert.ToInt32(c.ToString(), 16) >= radix)
                throw Bad(skip);
            value = value * radix + Convert.ToInt32(c.ToString(), 16);
        }
        if (_quote.IsBytes)
            _bytes.Write([(byte)value]);
        else if (value <= 0x10FFFF && Rune.IsValid((int)value))
            Write(new Rune((int)value));
        else
            throw new ExpressionException(_position, string.Create(CultureInfo.InvariantCulture, $"U+{value:X4} is not a character."));
        _position += skip + digits;
    }

    private ExpressionException Bad(int length)
    {
        var escape = _source.Substring(_position, Math.Min(length, _source.Length - _position));
        var hint = _quote.IsBytes ? @"In bytes use \n, \t, \\, \x41, \101 and the like" : @"Use \n, \t, \\, \x41, \u0041, \U00000041, \101 and the like";
        return new ExpressionException(_position, $"\"{escape}\" is not an escape. {hint}, or a raw string r\"…\".");
    }

    private void Write(Rune rune)
    {
        Span<byte> utf8 = stackalloc byte[4];
        _bytes.Write(utf8[..rune.EncodeToUtf8(utf8)]);
    }
}
