using FeatureStore.Harness;

namespace FeatureStore.Deploy.Tests;

/// <summary>Programs that tests run; where one is missing, the test is skipped with the reason.</summary>
internal static class Tools
{
    private static readonly TimeSpan _deadline = TimeSpan.FromSeconds(240);

    public static string Deploy { get; } = Path.Combine(Workspace.Root, "deploy");

    /// <summary>A tool of the shared folder.</summary>
    public static string Shared(params string[] path)
    {
        try
        {
            return Workspace.SharedPath(["tools", .. path]);
        }
        catch (FixtureMissingException missing)
        {
            Assert.Inconclusive(missing.Message);
            throw;
        }
    }

    /// <summary>A program of the machine.</summary>
    public static string Installed(string name, string package)
    {
        var found = (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':').Append("/usr/sbin").Select(folder => Path.Combine(folder, name)).FirstOrDefault(File.Exists);
        if (found is null)
            Assert.Inconclusive($"\"{name}\" is not installed (Debian's package {package}).");
        return found!;
    }

    /// <summary>A program that runs another in a mount namespace of its own.</summary>
    public static string Unshare()
    {
        var unshare = Installed("unshare", "util-linux");
        if (Run(unshare, ["--mount", "true"]) is { Status: not 0 } refused)
            Assert.Inconclusive($"A mount namespace of the test's own needs root with CAP_SYS_ADMIN: {refused.Error.Trim()}");
        return unshare;
    }

    /// <summary>Runs a program to its end.</summary>
    public static ToolResult Run(string program, IEnumerable<string> arguments, IReadOnlyDictionary<string, string>? environment = null)
    {
        using var process = new ChildProcess(program, arguments, Workspace.Root, environment);
        var status = process.WaitForExit(_deadline);
        return new ToolResult(status, process.Output, process.Error);
    }

    /// <summary>Runs a tool of the shared folder, which unpacks itself with zstd.</summary>
    public static ToolResult RunShared(string name, IEnumerable<string> arguments, IReadOnlyDictionary<string, string>? environment = null)
    {
        var program = Shared("bin", name);
        Installed("zstd", "zstd");
        return Run(program, arguments, environment);
    }
}

/// <summary>What a program left.</summary>
internal sealed record ToolResult(int Status, string Output, string Error)
{
    /// <summary>Its standard output, if it succeeded.</summary>
    public string Succeeded()
    {
        Assert.AreEqual(0, Status, Error + Output);
        return Output;
    }
}
