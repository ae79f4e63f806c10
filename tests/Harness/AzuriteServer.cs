using System.Globalization;
using System.Net.Sockets;
using System.Security.Cryptography;

namespace FeatureStore.Harness;

/// <summary>Azure's storage emulator, in memory: blobs and tables.</summary>
public sealed class AzuriteServer : IDisposable
{
    private const string Account = "featurestore";

    private readonly ChildProcess _process;

    private AzuriteServer(ChildProcess process, string key, int blobPort, int tablePort)
    {
        _process = process;
        Connection = string.Create(
            CultureInfo.InvariantCulture,
            $"DefaultEndpointsProtocol=http;AccountName={Account};AccountKey={key};BlobEndpoint=http://127.0.0.1:{blobPort}/{Account};TableEndpoint=http://127.0.0.1:{tablePort}/{Account}");
    }

    public string Connection { get; }

    /// <exception cref="FixtureMissingException">Azurite is not on this machine.</exception>
    public static AzuriteServer Start()
    {
        var program = Path.Combine(Workspace.Root, "artifacts", "azurite", "node_modules", "azurite", "dist", "src", "azurite.js");
        if (!File.Exists(program) || !KafkaServer.OnPath("node"))
            throw new FixtureMissingException("Azurite is missing: ./test fetches it from npm where the package sources have Orleans' Azure providers.");
        var (blobPort, tablePort) = (SiloProcess.FreePort(), SiloProcess.FreePort());
        var key = Convert.ToBase64String(RandomNumberGenerator.GetBytes(64));
        var process = new ChildProcess(
            "node",
            [program, "--inMemoryPersistence", "--skipApiVersionCheck", "--disableTelemetry", "--silent", "--blobPort", $"{blobPort}", "--queuePort", $"{SiloProcess.FreePort()}", "--tablePort", $"{tablePort}"],
            environment: new Dictionary<string, string> { ["AZURITE_ACCOUNTS"] = $"{Account}:{key}" });
        var server = new AzuriteServer(process, key, blobPort, tablePort);
        Wait.Until(() => Listens(blobPort) && Listens(tablePort), TimeSpan.FromSeconds(120), () => $"Azurite did not listen. It printed:\n{process.Output}{process.Error}");
        return server;
    }

    public void Dispose() => _process.Dispose();

    private static bool Listens(int port)
    {
        try
        {
            using var client = new TcpClient("127.0.0.1", port);
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }
}
