namespace FeatureStore.Core.Expressions;

/// <summary>A part of the source as it is written; what it means is the checker's business.</summary>
/// <param name="Start">Characters into the source of its first character.</param>
/// <param name="Position">Where an error about it points: at an operator, a member's name, else its start.</param>
/// <param name="End">Behind its last character.</param>
/// <param name="Height">Of the tree below it; a leaf has 1.</param>
internal abstract record Syntax(int Start, int Position, int End, int Height);

/// <summary>A literal; without a value: null.</summary>
internal sealed record LiteralSyntax(int Start, int End, Value? Value) : Syntax(Start, Start, End, 1);

/// <summary>Name of a field, variable, type or namespace. Rooted, written with a leading dot, it is never a variable.</summary>
internal sealed record NameSyntax(int Start, int End, string Name, bool IsRooted) : Syntax(Start, Start, End, 1);

/// <summary>target.member</summary>
internal sealed record SelectSyntax(int Position, int End, Syntax Target, string Member)
    : Syntax(Target.Start, Position, End, Target.Height + 1);

/// <summary>target.function(arguments), function(arguments), or an operator under its name in <see cref="Operators"/>.</summary>
internal sealed record CallSyntax(int Start, int Position, int End, string Function, Syntax? Target, IReadOnlyList<Syntax> Arguments)
    : Syntax(Start, Position, End, 1 + Math.Max(Target?.Height ?? 0, Arguments.Count == 0 ? 0 : Arguments.Max(argument => argument.Height)));

/// <summary>Operands of a chain of &amp;&amp; or of ||.</summary>
internal sealed record LogicalSyntax(int Position, int End, bool IsAnd, IReadOnlyList<Syntax> Operands)
    : Syntax(Operands[0].Start, Position, End, 1 + Operands.Max(operand => operand.Height));

internal sealed record ConditionalSyntax(int Position, Syntax Condition, Syntax WhenTrue, Syntax WhenFalse)
    : Syntax(Condition.Start, Position, WhenFalse.End, 1 + Math.Max(Condition.Height, Math.Max(WhenTrue.Height, WhenFalse.Height)));

internal sealed record ListSyntax(int Start, int End, IReadOnlyList<Syntax> Items)
    : Syntax(Start, Start, End, 1 + (Items.Count == 0 ? 0 : Items.Max(item => item.Height)));

/// <summary>Keys and values in turn.</summary>
internal sealed record MapSyntax(int Start, int End, IReadOnlyList<Syntax> KeysAndValues)
    : Syntax(Start, Start, End, 1 + (KeysAndValues.Count == 0 ? 0 : KeysAndValues.Max(item => item.Height)));

/// <summary>Names under which operators are calls.</summary>
internal static class Operators
{
    public const string Index = "[]";
    public const string Not = "!";
    public const string In = "in";

    /// <summary>The unary minus; the binary one is "-".</summary>
    public const string Negate = "-x";
}
