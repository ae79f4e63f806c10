namespace FeatureStore.Core.Expressions;

internal enum TokenKind
{
    End,
    Identifier,

    /// <summary>A name in backticks.</summary>
    QuotedIdentifier,
    Int,
    Uint,
    Double,
    String,
    Bytes,
    Symbol,
}

/// <summary>A word of the source.</summary>
/// <param name="Kind">What it is.</param>
/// <param name="Start">Characters into the source.</param>
/// <param name="End">Behind its last character.</param>
/// <param name="Text">An identifier's name, a symbol's or number's characters.</param>
/// <param name="Bytes">Content of a string or bytes literal.</param>
internal readonly record struct Token(TokenKind Kind, int Start, int End, string Text, byte[]? Bytes = null)
{
    public bool Is(string symbol) => Kind == TokenKind.Symbol && Text == symbol;

    public bool IsKeyword(string word) => Kind == TokenKind.Identifier && Text == word;

    public override string ToString() => Kind switch
    {
        TokenKind.End => "the end",
        TokenKind.String => "a string",
        TokenKind.Bytes => "bytes",
        _ => $"\"{Text}\"",
    };
}
