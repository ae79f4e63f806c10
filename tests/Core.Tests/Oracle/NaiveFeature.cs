using FeatureStore.Core.Definitions;
using FeatureStore.Core.Tests.Plans;

namespace FeatureStore.Core.Tests.Oracle;

/// <summary>A feature, the index of the source that feeds it, and its expressions in C#.</summary>
internal sealed record NaiveFeature(int Source, FeatureDefinition Definition, Condition Where, Input? Of, Input? By);

/// <summary>An expression, and what it says in C#: null, a double, a long, or a string.</summary>
internal sealed record Input(string Text, Func<TestEvent, object?> Evaluate)
{
    /// <summary>Whether its type is int.</summary>
    public bool IsInteger { get; init; }

    public override string ToString() => Text;
}

/// <summary>An expression of type bool, and what it says in C#; null: every event.</summary>
internal sealed record Condition(string? Text, Func<TestEvent, bool> Holds)
{
    public static readonly Condition Always = new(null, _ => true);
}
