namespace FeatureStore.Harness;

/// <summary>The product's server as users start it: a process, its command line, its HTTP port.</summary>
public sealed class SiloProcess : IDisposable
{
    private readonly ChildProcess _process;

    private SiloProcess(ChildProcess process, Uri address)
    {
        _process = process;
        Http = new HttpClient { BaseAddress = address, Timeout = TimeSpan.FromSeconds(30) };
    }

    public HttpClient Http { get; }

    public int Id => _process.Id;

    public string Output => _process.Output;

    public string Error => _process.Error;

    public bool HasExited => _process.HasExited;

    /// <summary>The server's program in the configuration that this one was built in.</summary>
    public static string Program
    {
        get
        {
            var configuration = new DirectoryInfo(AppContext.BaseDirectory).Parent!.Name;
            var path = Path.Combine(Workspace.Root, "src", "Silo", "bin", configuration, "net10.0", "FeatureStore.Silo.dll");
            return File.Exists(path) ? path : throw new FixtureMissingException($"The server is not built: there is no \"{path}\".");
        }
    }

    /// <summary>Starts the server; it is not ready yet.</summary>
    /// <param name="arguments">Options besides <c>--urls</c>.</param>
    /// <param name="port">Port to listen on; 0: a free one.</param>
    public static SiloProcess Start(IEnumerable<string> arguments, int port = 0)
    {
        var address = new Uri($"http://127.0.0.1:{(port == 0 ? FreePort() : port)}");
        return new SiloProcess(new ChildProcess("dotnet", [Program, .. arguments, "--urls", address.GetLeftPart(UriPartial.Authority)]), address);
    }

    /// <summary>Waits until the server says that it is ready.</summary>
    /// <exception cref="InvalidOperationException">It ended; the message has what it printed.</exception>
    /// <exception cref="TimeoutException">It was not ready by the deadline; likewise.</exception>
    public SiloProcess WaitReady(TimeSpan deadline)
    {
        var answer = "nothing";
        Wait.Until(
            () =>
            {
                ThrowIfExited();
                try
                {
                    using var response = Http.GetAsync("health/ready").GetAwaiter().GetResult();
                    answer = $"{(int)response.StatusCode} {response.Content.ReadAsStringAsync().GetAwaiter().GetResult()}";
                    return response.IsSuccessStatusCode;
                }
                catch (Exception error) when (error is HttpRequestException or TaskCanceledException)
                {
                    answer = error.Message;
                    return false;
                }
            },
            deadline, () => $"The server was not ready: {answer}. It printed:\n{Output}{Error}");
        return this;
    }

    /// <exception cref="InvalidOperationException">The server ended; the message has what it printed.</exception>
    public void ThrowIfExited()
    {
        if (HasExited)
            throw new InvalidOperationException($"The server ended with {WaitForExit(TimeSpan.FromSeconds(10))}. It printed:\n{Output}{Error}");
    }

    /// <summary>Lets the server run on for a while.</summary>
    /// <returns>Whether it ended by itself.</returns>
    public bool HasExitedAfter(TimeSpan time) => _process.HasExitedAfter(time);

    /// <summary>kill -9.</summary>
    public void Kill() => _process.Kill();

    /// <summary>SIGTERM, and wait for the end.</summary>
    /// <returns>The exit status.</returns>
    public int Terminate(TimeSpan deadline)
    {
        _process.Terminate();
        return WaitForExit(deadline);
    }

    public int WaitForExit(TimeSpan deadline) => _process.WaitForExit(deadline);

    public void Dispose()
    {
        Http.Dispose();
        _process.Dispose();
    }

    /// <summary>A port of the loopback interface for a server that a test starts.</summary>
    public static int FreePort() => Harness.FreePort.Next();
}
