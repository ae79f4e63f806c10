using System.Text.RegularExpressions;
using FeatureStore.Harness;

namespace FeatureStore.Deploy.Tests;

/// <summary>What the server says of itself.</summary>
internal static class Server
{
    private static readonly Lazy<IReadOnlyList<string>> _options = new(() =>
        [.. Regex.Matches(Tools.Run("dotnet", [SiloProcess.Program, "--help"]).Succeeded(), "^  --([a-z-]+)", RegexOptions.Multiline).Select(match => match.Groups[1].Value)]);

    /// <summary>The names of its options, without the hyphens in front.</summary>
    public static IReadOnlyList<string> Options() => _options.Value;

    /// <summary>The variable of the environment that stands for an option.</summary>
    public static string Variable(string option) => "FEATURESTORE_" + option.ToUpperInvariant().Replace('-', '_');
}
