using System.Globalization;
using System.Net.Sockets;
using System.Text;

namespace FeatureStore.Harness;

/// <summary>A Redis server in memory.</summary>
public sealed class RedisServer : IDisposable
{
    private readonly ChildProcess _process;

    private RedisServer(ChildProcess process, int port) => (_process, Port) = (process, port);

    public int Port { get; }

    public string Address => string.Create(CultureInfo.InvariantCulture, $"127.0.0.1:{Port}");

    /// <exception cref="FixtureMissingException">Redis is not on this machine.</exception>
    public static RedisServer Start()
    {
        if (!KafkaServer.OnPath("redis-server"))
            throw new FixtureMissingException("Redis is missing: apt-get install redis-server.");
        var port = SiloProcess.FreePort();
        var server = new RedisServer(new ChildProcess("redis-server", ["--port", $"{port}", "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]), port);
        Wait.Until(server.Answers, TimeSpan.FromSeconds(60), () => $"Redis did not answer. It printed:\n{server._process.Output}{server._process.Error}");
        return server;
    }

    /// <summary>Sends an inline command.</summary>
    /// <returns>The first line of the answer.</returns>
    public string Ask(string command)
    {
        using var client = new TcpClient("127.0.0.1", Port);
        using var stream = client.GetStream();
        stream.Write(Encoding.UTF8.GetBytes(command + "\r\n"));
        using var reader = new StreamReader(stream);
        return reader.ReadLine() ?? throw new InvalidDataException($"Redis did not answer \"{command}\".");
    }

    private bool Answers()
    {
        try
        {
            return Ask("PING") == "+PONG";
        }
        catch (Exception exception) when (exception is IOException or SocketException or InvalidDataException)
        {
            return false;
        }
    }

    public void Dispose() => _process.Dispose();
}
