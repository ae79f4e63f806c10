using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;

namespace FeatureStore.Storage.Tests;

/// <summary>A server that a test starts on a loopback port and ends by its process id.</summary>
internal sealed partial class ServerProcess : IDisposable
{
    private const int SignalContinue = 18;
    private const int SignalStop = 19;

    private readonly Process _process;

    /// <summary>Starts the program and waits until its port takes connections.</summary>
    public ServerProcess(string program, int port, params IEnumerable<string> arguments)
    {
        _process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true })!;
        _process.OutputDataReceived += (_, _) => { };
        _process.ErrorDataReceived += (_, _) => { };
        _process.BeginOutputReadLine();
        _process.BeginErrorReadLine();
        Wait.Until($"{program} takes connections on port {port}", () =>
        {
            using var client = new TcpClient();
            client.Connect(IPAddress.Loopback, port);
            return true;
        });
    }

    /// <summary>Where a program is on the PATH, or null.</summary>
    public static string? Find(string program) => Environment.GetEnvironmentVariable("PATH")!
        .Split(Path.PathSeparator).Select(directory => Path.Combine(directory, program)).FirstOrDefault(File.Exists);

    /// <summary>Freezes the process: its connections stay open and nothing answers.</summary>
    public void Freeze() => Assert.AreEqual(0, Signal(_process.Id, SignalStop));

    public void Thaw() => Assert.AreEqual(0, Signal(_process.Id, SignalContinue));

    public void Dispose()
    {
        if (!_process.HasExited)
            _process.Kill();
        _process.WaitForExit();
        _process.Dispose();
    }

    [LibraryImport("libc", EntryPoint = "kill")]
    private static partial int Signal(int process, int signal);
}
