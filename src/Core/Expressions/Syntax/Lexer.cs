namespace FeatureStore.Core.Expressions;

/// <summary>Cuts a source into tokens.</summary>
internal sealed class Lexer(string source)
{
    private static readonly string[] Symbols =
        ["&&", "||", "==", "!=", "<=", ">=", "<", ">", "(", ")", "[", "]", "{", "}", ".", ",", ":", "?", "+", "-", "*", "/", "%", "!"];

    private int _position;

    public Token Next()
    {
        SkipSpaceAndComments();
        if (_position == source.Length)
            return new Token(TokenKind.End, _position, _position, "");
        var start = _position;
        var c = source[start];
        if (TryQuote(out var quote))
            return TextToken(start, quote);
        if (char.IsAsciiLetter(c) || c == '_')
            return new Token(TokenKind.Identifier, start, _position = EndOfWord(start), source[start.._position]);
        if (char.IsAsciiDigit(c) || c == '.' && char.IsAsciiDigit(At(start + 1)))
            return NumberToken(start);
        if (c == '`')
            return QuotedIdentifier(start);
        foreach (var symbol in Symbols)
        {
            if (string.CompareOrdinal(source, start, symbol, 0, symbol.Length) == 0)
                return new Token(TokenKind.Symbol, start, _position += symbol.Length, symbol);
        }
        throw new ExpressionException(start, c switch
        {
            '=' => "\"=\" is not an operator. Use \"==\" to compare.",
            '&' => "\"&\" is not an operator. Use \"&&\" for and.",
            '|' => "\"|\" is not an operator. Use \"||\" for or.",
            _ when char.IsControl(c) || char.IsSurrogate(c) => $"Character U+{(int)c:X4} is not allowed outside strings.",
            _ => $"Character \"{c}\" is not allowed outside strings.",
        });
    }

    private char At(int position) => position < source.Length ? source[position] : '\0';

    private void SkipSpaceAndComments()
    {
        while (_position < source.Length)
        {
            if (source[_position] is ' ' or '\t' or '\n' or '\r' or '\f')
                _position++;
            else if (source[_position] == '/' && At(_position + 1) == '/')
            {
                var newline = source.IndexOf('\n', _position);
                _position = newline < 0 ? source.Length : newline;
            }
            else
                return;
        }
    }

    private int EndOfWord(int position)
    {
        while (char.IsAsciiLetterOrDigit(At(position)) || At(position) == '_')
            position++;
        return position;
    }

    /// <summary>Recognizes the start of a string or bytes literal, its prefixes included; stops at the quote.</summary>
    private bool TryQuote(out Quote quote)
    {
        var at = _position;
        var isBytes = At(at) is 'b' or 'B';
        at += isBytes ? 1 : 0;
        var isRaw = At(at) is 'r' or 'R';
        at += isRaw ? 1 : 0;
        var mark = At(at);
        quote = default;
        if (mark is not ('"' or '\''))
            return false;
        var isTriple = At(at + 1) == mark && At(at + 2) == mark;
        quote = new Quote(mark, isTriple, isRaw, isBytes);
        _position = at + (isTriple ? 3 : 1);
        return true;
    }

    private Token TextToken(int start, Quote quote)
    {
        var text = new LiteralText(source, _position, quote);
        _position = text.End;
        return new Token(quote.IsBytes ? TokenKind.Bytes : TokenKind.String, start, _position, "", text.Bytes);
    }

    private Token NumberToken(int start)
    {
        var kind = TokenKind.Int;
        if (At(start) == '0' && At(start + 1) is 'x' or 'X')
        {
            _position = start + 2;
            while (char.IsAsciiHexDigit(At(_position)))
                _position++;
        }
        else
        {
            SkipDigits();
            if (At(_position) == '.' && char.IsAsciiDigit(At(_position + 1)))
            {
                kind = TokenKind.Double;
                _position++;
                SkipDigits();
            }
            if (At(_position) is 'e' or 'E')
            {
                var digits = _position + (At(_position + 1) is '+' or '-' ? 2 : 1);
                if (char.IsAsciiDigit(At(digits)))
                {
                    kind = TokenKind.Double;
                    _position = digits;
                    SkipDigits();
                }
            }
        }
        var end = _position;
        if (kind == TokenKind.Int && At(end) is 'u' or 'U')
        {
            kind = TokenKind.Uint;
            _position++;
        }
        var behind = EndOfWord(_position);
        if (behind > _position || source[start..end] is "0x" or "0X")
            throw new ExpressionException(start, $"\"{source[start..behind]}\" is not a number. Numbers are 42, 42u, 0x2A, 4.2, 4.2e1.");
        return new Token(kind, start, _position, source[start..end]);
    }

    private void SkipDigits()
    {
        while (char.IsAsciiDigit(At(_position)))
            _position++;
    }

    private Token QuotedIdentifier(int start)
    {
        var end = source.IndexOf('`', start + 1);
        if (end < 0 || source.AsSpan(start, end - start).Contains('\n'))
            throw new ExpressionException(start, "The name in backticks does not end. Close it with \"`\".");
        if (end == start + 1)
            throw new ExpressionException(start, "The name in backticks is empty.");
        _position = end + 1;
        return new Token(TokenKind.QuotedIdentifier, start, _position, source[(start + 1)..end]);
    }
}
