using System.Globalization;
using FeatureStore.Core.Definitions;

namespace FeatureStore.Core.Cleaning;

/// <summary>What cleaning made of an event; default: kept. Nothing is formatted until somebody asks.</summary>
/// <param name="Verdict">Whether the event goes on.</param>
/// <param name="Rule">Index of the rule that ended it.</param>
/// <param name="Fault">What that rule found.</param>
/// <param name="MeasuredBits">The field's value as its slot in the row has it.</param>
public readonly record struct CleanResult(CleanVerdict Verdict, int Rule, CleanFault Fault, long MeasuredBits)
{
    /// <summary>Name of the rule: <c>clean[0] TX_AMOUNT</c>.</summary>
    public string RuleName(SourceDefinition source)
    {
        ArgumentNullException.ThrowIfNull(source);
        return $"clean[{Rule}] {source.Clean[Rule].Field}";
    }

    /// <summary>What is wrong: <c>field "TX_AMOUNT" is -5, below 0</c>.</summary>
    public string Reason(SourceDefinition source)
    {
        ArgumentNullException.ThrowIfNull(source);
        var rule = source.Clean[Rule];
        if (Fault == CleanFault.Missing)
            return $"field \"{rule.Field}\" is missing";
        var isDouble = source.Fields.First(field => field.Name == rule.Field).Type == FieldType.Double;
        var measured = isDouble ? BitConverter.Int64BitsToDouble(MeasuredBits).ToString(CultureInfo.InvariantCulture) : MeasuredBits.ToString(CultureInfo.InvariantCulture);
        var bound = Fault == CleanFault.Below ? $"below {rule.Below?.ToString(CultureInfo.InvariantCulture)}" : $"above {rule.Above?.ToString(CultureInfo.InvariantCulture)}";
        return $"field \"{rule.Field}\" is {measured}, {bound}";
    }
}

public enum CleanVerdict
{
    Keep,

    /// <summary>The event is left out, and counted.</summary>
    Drop,
    DeadLetter,
}

public enum CleanFault
{
    None,
    Missing,
    Below,
    Above,
}
