using System.Globalization;

namespace FeatureStore.Core.Expressions;

/// <summary>Recursive descent over CEL's grammar. Nesting is bounded, chains of operators are loops: no source overflows the stack.</summary>
internal sealed class Parser
{
    private static readonly HashSet<string> Reserved =
    [
        "as", "break", "const", "continue", "else", "for", "function", "if", "import", "let", "loop", "package", "namespace", "return",
        "var", "void", "while",
    ];

    private static readonly string[][] BinaryOperators = [["<", "<=", ">=", ">", "==", "!=", Operators.In], ["+", "-"], ["*", "/", "%"]];

    private readonly Lexer _lexer;
    private Token _token;
    private int _nesting;
    private Token _previous;

    private Parser(string source)
    {
        _lexer = new Lexer(source);
        _token = _lexer.Next();
    }

    public static Syntax Parse(string source)
    {
        if (source.Length > ExpressionLimits.SourceCharsMax)
        {
            var message = string.Create(CultureInfo.InvariantCulture,
                $"The expression has {source.Length:N0} characters; at most {ExpressionLimits.SourceCharsMax:N0} are allowed.");
            throw new ExpressionException(ExpressionLimits.SourceCharsMax, message);
        }
        var parser = new Parser(source);
        if (parser._token.Kind == TokenKind.End)
            throw new ExpressionException(0, "The expression is empty.");
        var expression = parser.Expression();
        if (parser._token.Kind != TokenKind.End)
            throw parser.Unexpected("an operator or the end");
        return expression;
    }

    private Syntax Expression()
    {
        if (++_nesting > ExpressionLimits.NestingMax)
            throw new ExpressionException(_token.Start, $"The expression is nested deeper than {ExpressionLimits.NestingMax} levels.");
        var expression = Logical(isAnd: false);
        if (_token.Is("?"))
        {
            var position = Take().Start;
            var whenTrue = Logical(isAnd: false);
            Expect(":");
            expression = Checked(new ConditionalSyntax(position, expression, whenTrue, Expression()));
        }
        _nesting--;
        return expression;
    }

    private Syntax Logical(bool isAnd)
    {
        var first = isAnd ? Binary(0) : Logical(isAnd: true);
        var symbol = isAnd ? "&&" : "||";
        if (!_token.Is(symbol))
            return first;
        var position = _token.Start;
        var operands = new List<Syntax> { first };
        while (_token.Is(symbol))
        {
            Take();
            operands.Add(isAnd ? Binary(0) : Logical(isAnd: true));
        }
        return Checked(new LogicalSyntax(position, _previous.End, isAnd, operands));
    }

    /// <summary>Relations (level 0), sums (1) and products (2), all left-associative.</summary>
    private Syntax Binary(int level)
    {
        if (level == BinaryOperators.Length)
            return Unary();
        var left = Binary(level + 1);
        while (_token.Kind is TokenKind.Symbol or TokenKind.Identifier && BinaryOperators[level].Contains(_token.Text))
        {
            var symbol = Take();
            var right = Binary(level + 1);
            left = Checked(new CallSyntax(left.Start, symbol.Start, _previous.End, symbol.Text, null, [left, right]));
        }
        return left;
    }

    /// <summary>A chain of ! or of − is applied as often as it is odd or even; the last − before a number is the number's sign.</summary>
    private Syntax Unary()
    {
        if (!_token.Is("!") && !_token.Is("-"))
            return Member(Primary());
        var first = _token;
        var count = 0;
        for (; _token.Is(first.Text); count++)
            Take();
        var isSign = first.Text == "-" && _token.Kind is TokenKind.Int or TokenKind.Double;
        var operand = Member(isSign ? Number(first.Start, isNegative: true) : Primary());
        if ((count - (isSign ? 1 : 0)) % 2 == 0)
            return operand;
        return Checked(new CallSyntax(first.Start, first.Start, _previous.End, first.Text == "!" ? Operators.Not : Operators.Negate, null, [operand]));
    }

    private Syntax Member(Syntax target)
    {
        while (true)
        {
            if (_token.Is("."))
            {
                Take();
                if (_token.Is("?"))
                    throw new ExpressionException(_token.Start, "Optional members \".?\" are not supported. Use has(x) ? x : ….");
                var name = Name(isMember: true);
                target = _token.Is("(") ? Call(target.Start, name, target) : Checked(new SelectSyntax(name.Start, name.End, target, name.Text));
            }
            else if (_token.Is("["))
            {
                var position = Take().Start;
                if (_token.Is("?"))
                    throw new ExpressionException(_token.Start, "Optional indexes \"[?\" are not supported. Use key in map ? map[key] : ….");
                var index = Expression();
                Expect("]");
                target = Checked(new CallSyntax(target.Start, position, _previous.End, Operators.Index, null, [target, index]));
            }
            else if (_token.Is("{") && target is NameSyntax or SelectSyntax)
                throw new ExpressionException(target.Start, "Messages cannot be made. Use a map: {\"name\": value}.");
            else
                return target;
        }
    }

    private Syntax Primary()
    {
        var token = _token;
        switch (token.Kind)
        {
            case TokenKind.Int or TokenKind.Uint or TokenKind.Double:
                return Number(token.Start, isNegative: false);
            case TokenKind.String:
                Take();
                return new LiteralSyntax(token.Start, token.End, Value.OfString(token.Bytes!));
            case TokenKind.Bytes:
                Take();
                return new LiteralSyntax(token.Start, token.End, Value.OfBytes(token.Bytes!));
            case TokenKind.Identifier when token.Text is "true" or "false":
                Take();
                return new LiteralSyntax(token.Start, token.End, Value.OfBool(token.Text == "true"));
            case TokenKind.Identifier when token.Text == "null":
                Take();
                return new LiteralSyntax(token.Start, token.End, null);
            case TokenKind.Symbol when token.Text == "(":
                Take();
                var inner = Expression();
                Expect(")");
                return inner;
            case TokenKind.Symbol when token.Text == "[":
                var items = Items("]", isMap: false);
                return Checked(new ListSyntax(token.Start, _previous.End, items));
            case TokenKind.Symbol when token.Text == "{":
                var entries = Items("}", isMap: true);
                return Checked(new MapSyntax(token.Start, _previous.End, entries));
            default:
                return NameOrCall();
        }
    }

    private Syntax NameOrCall()
    {
        var start = _token.Start;
        var isRooted = _token.Is(".");
        if (isRooted)
            Take();
        if (_token.Kind is not (TokenKind.Identifier or TokenKind.QuotedIdentifier) || _token.IsKeyword(Operators.In))
            throw Unexpected("a value");
        var name = Name(isMember: false);
        return _token.Is("(") && name.Kind == TokenKind.Identifier
            ? Call(start, name, null)
            : new NameSyntax(start, name.End, name.Text, isRooted);
    }

    private Token Name(bool isMember)
    {
        if (_token.Kind == TokenKind.QuotedIdentifier)
            return Take();
        if (_token.Kind != TokenKind.Identifier)
            throw Unexpected("a name");
        if (_token.Text is "true" or "false" or "null" or Operators.In || !isMember && Reserved.Contains(_token.Text))
            throw new ExpressionException(_token.Start, $"\"{_token.Text}\" is a reserved word. Write a field of this name in backticks: `{_token.Text}`.");
        return Take();
    }

    private LiteralSyntax Number(int start, bool isNegative)
    {
        var token = Take();
        var text = token.Text;
        if (token.Kind == TokenKind.Double)
        {
            var number = double.Parse(text, NumberStyles.Float, CultureInfo.InvariantCulture);
            if (double.IsInfinity(number))
                throw new ExpressionException(token.Start, $"{text} is too large for a double.");
            return new LiteralSyntax(start, token.End, Value.OfDouble(isNegative ? -number : number));
        }
        var isHex = text.StartsWith("0x", StringComparison.OrdinalIgnoreCase);
        var fits = ulong.TryParse(isHex ? text.AsSpan(2) : text, isHex ? NumberStyles.HexNumber : NumberStyles.None, CultureInfo.InvariantCulture,
            out var magnitude);
        if (token.Kind == TokenKind.Uint && fits)
            return new LiteralSyntax(start, token.End, Value.OfUint(magnitude));
        if (token.Kind == TokenKind.Int && fits && magnitude <= (isNegative ? 1UL << 63 : long.MaxValue))
            return new LiteralSyntax(start, token.End, Value.OfInt(isNegative ? unchecked(-(long)magnitude) : (long)magnitude));
        var hint = token.Kind == TokenKind.Int ? $" Write {text}.0 for a double." : "";
        throw new ExpressionException(token.Start, $"{text} does not fit into 64 bits.{(isHex ? "" : hint)}");
    }

    private Syntax Call(int start, Token function, Syntax? target)
    {
        var arguments = Items(")", isMap: false);
        return Checked(new CallSyntax(start, function.Start, _previous.End, function.Text, target, arguments));
    }

    /// <summary>What stands between brackets, with them. A comma may stand before it, except in a call.</summary>
    private List<Syntax> Items(string closing, bool isMap)
    {
        Take();
        var items = new List<Syntax>();
        while (!_token.Is(closing))
        {
            if (items.Count >= ExpressionLimits.ItemsMax * (isMap ? 2 : 1))
                throw new ExpressionException(_token.Start, $"More than {ExpressionLimits.ItemsMax:N0} items.");
            if (_token.Is("?"))
                throw new ExpressionException(_token.Start, "Optional items \"?\" are not supported.");
            items.Add(Expression());
            if (isMap)
            {
                Expect(":");
                items.Add(Expression());
            }
            if (!_token.Is(","))
                break;
            Take();
            if (closing == ")" && _token.Is(closing))
                throw Unexpected("an argument");
        }
        Expect(closing);
        return items;
    }

    private static Syntax Checked(Syntax syntax) =>
        syntax.Height <= ExpressionLimits.HeightMax
            ? syntax
            : throw new ExpressionException(syntax.Position,
                $"The expression is more than {ExpressionLimits.HeightMax} operators deep. Shorten the chain, or use a list: x in [1, 2, 3].");

    private Token Take()
    {
        var token = _token;
        _previous = token;
        _token = _lexer.Next();
        return token;
    }

    private void Expect(string symbol)
    {
        if (!_token.Is(symbol))
            throw Unexpected($"\"{symbol}\"");
        Take();
    }

    private ExpressionException Unexpected(string expected)
    {
        var hint = _previous.Kind == TokenKind.Identifier && _previous.Text is "not" or "NOT" ? " Use \"!\"."
            : _token.Kind != TokenKind.Identifier ? ""
            : _token.Text switch
            {
                "and" or "AND" => " Use \"&&\".",
                "or" or "OR" => " Use \"||\".",
                "is" => " Use \"==\", or has(x).",
                _ => "",
            };
        return new ExpressionException(_token.Start, $"Expected {expected}, found {_token}.{hint}");
    }
}
