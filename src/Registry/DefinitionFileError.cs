namespace FeatureStore.Registry;

/// <summary>One thing wrong in a file of definitions.</summary>
/// <param name="File">The file, or the directory where no single file is at fault.</param>
/// <param name="Line">Counted from 1.</param>
/// <param name="Column">Counted from 1, in characters (UTF-16 units).</param>
/// <param name="Message">Fact, detail, hint; identifiers quoted.</param>
public sealed record DefinitionFileError(string File, int Line, int Column, string Message)
{
    /// <summary><c>file:line:column: message</c>, as compilers write it and editors read it.</summary>
    public override string ToString() => $"{File}:{Line}:{Column}: {Message}";
}
