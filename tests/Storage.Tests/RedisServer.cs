using System.Globalization;
using System.Net;
using System.Net.Sockets;
using FeatureStore.Harness;

namespace FeatureStore.Storage.Tests;

/// <summary>A Redis server of the test's own, without persistence, on a loopback port.</summary>
internal sealed class RedisServer : IDisposable
{
    private readonly TemporaryDirectory _directory = new();
    private readonly string[] _arguments;
    private ServerProcess? _process;

    private RedisServer(int port, string[] arguments)
    {
        Port = port;
        _arguments = arguments;
    }

    public int Port { get; }

    public string Address => $"127.0.0.1:{Port}";

    /// <summary>Starts a server; skips the test where the program is missing.</summary>
    public static RedisServer Start(params string[] arguments)
    {
        var server = Reserve(arguments);
        server.StartAgain();
        return server;
    }

    /// <summary>A server that is not up yet.</summary>
    public static RedisServer Reserve(params string[] arguments)
    {
        if (ServerProcess.Find("redis-server") is null)
            Assert.Inconclusive("redis-server is not installed (Debian: apt-get install redis-server)");
        return new RedisServer(FreePort.Next(), arguments);
    }

    /// <summary>Starts empty, on the same port.</summary>
    public void StartAgain() => _process = new ServerProcess(
        "redis-server",
        Port,
        ["--port", Port.ToString(CultureInfo.InvariantCulture), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", _directory.Path, .. _arguments]);

    public void Stop()
    {
        _process?.Dispose();
        _process = null;
    }

    public void Freeze() => _process!.Freeze();

    public void Thaw() => _process!.Thaw();

    /// <summary>Sends one command as redis-cli would, over a connection of its own; gives the first line of the answer.</summary>
    public string Command(string command)
    {
        using var client = new TcpClient();
        client.Connect(IPAddress.Loopback, Port);
        using var stream = client.GetStream();
        stream.Write(System.Text.Encoding.ASCII.GetBytes(command + "\r\n"));
        using var reader = new StreamReader(stream);
        return reader.ReadLine()!;
    }

    public void Dispose()
    {
        Stop();
        _directory.Dispose();
    }
}
