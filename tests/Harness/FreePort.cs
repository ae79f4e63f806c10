using System.Net;
using System.Net.Sockets;

namespace FeatureStore.Harness;

/// <summary>
/// Ports of the loopback interface for servers that tests start. Below those that the system gives to outgoing connections and to whoever asks for any port: between this choice
/// and the server's start nothing else takes them, nor while a server is down that comes back. And low enough for a Redis cluster, whose bus is 10,000 above.
/// </summary>
internal static class FreePort
{
    private const int First = 12_000;
    private const int Count = 8_000;

    /// <summary>Test processes that run at once begin apart, each goes on upwards.</summary>
    private static int _taken = Environment.ProcessId * 97;

    /// <returns>A port that nobody listens on, and that this process has not given out lately.</returns>
    public static int Next()
    {
        for (var tries = 0; tries < Count; tries++)
        {
            var port = First + (int)((uint)Interlocked.Increment(ref _taken) % Count);
            using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            try
            {
                socket.Bind(new IPEndPoint(IPAddress.Loopback, port));
                socket.Listen();
                return port;
            }
            catch (SocketException)
            {
                // It is in use.
            }
        }

        throw new InvalidOperationException($"None of the ports {First} to {First + Count - 1} is free.");
    }
}
