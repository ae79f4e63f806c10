namespace FeatureStore.Core.Expressions;

/// <summary>Bounds of an expression. They keep a hostile source, and a hostile value, from taking the process's time or memory.</summary>
internal static class ExpressionLimits
{
    public const int SourceCharsMax = 4096;

    /// <summary>Brackets, calls and conditionals inside one another.</summary>
    public const int NestingMax = 64;

    /// <summary>Height of the syntax tree: also counts the operators of a chain such as a + b + c.</summary>
    public const int HeightMax = 256;

    /// <summary>Items of a list literal, entries of a map literal, arguments of a call.</summary>
    public const int ItemsMax = 1000;

    /// <summary>Longest text or bytes that an expression may make.</summary>
    public const int TextBytesMax = 64 * 1024;

    /// <summary>
    /// Work of one evaluation: one step for each node of a comprehension's body and each item, for each item of a list that is made,
    /// for each 64 bytes of text read or made. An evaluation that would take more has no value.
    /// </summary>
    public const int StepsMax = 1_000_000;

    /// <summary>Size of a regular expression with its repetitions written out.</summary>
    public const int RegexSizeMax = 4_096;
}
