using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;

namespace FeatureStore.Harness;

/// <summary>A program started by a test, with what it printed.</summary>
public sealed partial class ChildProcess : IDisposable
{
    private const int OutputCharactersMax = 1 << 20;
    private const int SignalTerminate = 15;
    private readonly Process _process;
    private readonly StringBuilder _output = new();
    private readonly StringBuilder _error = new();

    public ChildProcess(string file, IEnumerable<string> arguments, string? workingFolder = null, IReadOnlyDictionary<string, string>? environment = null)
    {
        var start = new ProcessStartInfo(file)
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            RedirectStandardInput = true,
            WorkingDirectory = workingFolder ?? Workspace.Root,
        };
        foreach (var argument in arguments)
            start.ArgumentList.Add(argument);
        foreach (var (name, value) in environment ?? new Dictionary<string, string>())
            start.Environment[name] = value;
        _process = Process.Start(start) ?? throw new InvalidOperationException($"\"{file}\" did not start.");
        _process.StandardInput.Close();
        _process.OutputDataReceived += (_, line) => Append(_output, line.Data);
        _process.ErrorDataReceived += (_, line) => Append(_error, line.Data);
        _process.BeginOutputReadLine();
        _process.BeginErrorReadLine();
        AppDomain.CurrentDomain.ProcessExit += KillAtExit;
    }

    public int Id => _process.Id;

    public bool HasExited => _process.HasExited;

    /// <summary>Standard output so far, at most its first MiB.</summary>
    public string Output => Read(_output);

    /// <summary>Standard error so far, at most its first MiB.</summary>
    public string Error => Read(_error);

    /// <summary>Runs a program to its end.</summary>
    /// <exception cref="InvalidOperationException">It failed; the message has what it printed.</exception>
    /// <returns>Its standard output.</returns>
    public static string Run(string file, IEnumerable<string> arguments, TimeSpan deadline, string? workingFolder = null)
    {
        using var process = new ChildProcess(file, arguments, workingFolder);
        var status = process.WaitForExit(deadline);
        return status == 0 ? process.Output : throw new InvalidOperationException($"\"{file}\" ended with {status}: {process.Error}{process.Output}");
    }

    /// <returns>Whether the program ended within the time.</returns>
    public bool HasExitedAfter(TimeSpan time) => _process.WaitForExit(time);

    /// <summary>kill -9.</summary>
    public void Kill()
    {
        _process.Kill();
        _process.WaitForExit();
    }

    /// <summary>SIGTERM.</summary>
    public void Terminate()
    {
        if (!HasExited && SendSignal(Id, SignalTerminate) != 0)
            throw new InvalidOperationException($"SIGTERM to {Id} failed: {Marshal.GetLastPInvokeErrorMessage()}.");
    }

    /// <exception cref="TimeoutException">It still runs at the deadline; it is killed and the message has what it printed.</exception>
    /// <returns>The exit status.</returns>
    public int WaitForExit(TimeSpan deadline)
    {
        if (!_process.WaitForExit(deadline))
        {
            Kill();
            throw new TimeoutException($"\"{_process.StartInfo.FileName} {string.Join(' ', _process.StartInfo.ArgumentList)}\" still ran after {deadline.TotalSeconds} s. It printed:\n{Output}{Error}");
        }

        _process.WaitForExit(); // also waits for the last lines printed
        return _process.ExitCode;
    }

    public void Dispose()
    {
        AppDomain.CurrentDomain.ProcessExit -= KillAtExit;
        if (!HasExited)
            Kill();
        _process.Dispose();
    }

    private void KillAtExit(object? sender, EventArgs arguments) => _process.Kill();

    private static void Append(StringBuilder text, string? line)
    {
        lock (text)
        {
            if (line is not null && text.Length < OutputCharactersMax)
                text.Append(line).Append('\n');
        }
    }

    private static string Read(StringBuilder text)
    {
        lock (text)
            return text.ToString();
    }

    [LibraryImport("libc", EntryPoint = "kill", SetLastError = true)]
    private static partial int SendSignal(int process, int signal);
}

/// <summary>What a process has used, from /proc.</summary>
/// <param name="CpuSeconds">User and system time of the process and of the children it waited for.</param>
/// <param name="MemoryMaxMiB">Largest resident set.</param>
public readonly record struct ProcessUse(double CpuSeconds, double MemoryMaxMiB)
{
    private const double TicksPerSecond = 100; // USER_HZ, the same on every Linux that .NET runs on

    public static ProcessUse Of(int process)
    {
        var stat = File.ReadAllText($"/proc/{process}/stat");
        // The name in parentheses may hold spaces; what follows it starts with the third field.
        var fields = stat[(stat.LastIndexOf(')') + 2)..].Split(' ');
        var ticks = 0L;
        for (var field = 14; field <= 17; field++)
            ticks += long.Parse(fields[field - 3], CultureInfo.InvariantCulture);
        var peak = File.ReadLines($"/proc/{process}/status").FirstOrDefault(line => line.StartsWith("VmHWM:", StringComparison.Ordinal));
        var kiB = peak is null ? 0 : long.Parse(peak.AsSpan(6, peak.Length - 8).Trim(), CultureInfo.InvariantCulture);
        return new ProcessUse(ticks / TicksPerSecond, kiB / 1024.0);
    }
}
