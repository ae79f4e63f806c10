using System.Buffers;
using System.Text;
using System.Text.RegularExpressions;
using FeatureStore.Core.Events;

namespace FeatureStore.Core.Expressions;

/// <summary>text.matches(pattern): whether the pattern is found anywhere. Takes time linear in the text.</summary>
internal sealed class MatchesNode : Node<bool>
{
    private const int StackCharsMax = 256;

    private readonly Node<ReadOnlySpan<byte>> _operand;
    private readonly Regex _regex;

    public MatchesNode(Node<ReadOnlySpan<byte>> operand, Regex regex)
        : base(operand)
    {
        _operand = operand;
        _regex = regex;
    }

    /// <exception cref="FormatException">The pattern is wrong; says what.</exception>
    public static Regex Compile(string pattern)
    {
        try
        {
            return new Regex(RegexTranslator.Translate(pattern), RegexOptions.NonBacktracking | RegexOptions.CultureInvariant);
        }
        catch (Exception exception) when (exception is ArgumentException or NotSupportedException)
        {
            throw new FormatException("it is malformed", exception);
        }
    }

    public override bool Try(in FieldRow row, Scope? scope, out bool value)
    {
        value = false;
        if (!_operand.Try(row, scope, out var text) || scope is not null && !scope.Charge(text.Length))
            return false;
        var rented = text.Length > StackCharsMax ? ArrayPool<char>.Shared.Rent(text.Length) : null;
        Span<char> chars = rented ?? stackalloc char[StackCharsMax];
        value = _regex.IsMatch(chars[..Encoding.UTF8.GetChars(text, chars)]);
        if (rented is not null)
            ArrayPool<char>.Shared.Return(rented);
        return true;
    }
}
