using System.Net;
using System.Net.Sockets;
using FeatureStore.Harness;

namespace FeatureStore.Integration;

/// <summary>A start that cannot work says why in one sentence on standard error and exits 2.</summary>
[TestClass]
public sealed class StartFailureTests : SystemTest
{
    private static readonly TimeSpan _deadline = TimeSpan.FromSeconds(180);
    private static readonly string _nowhere = $"127.0.0.1:{SiloProcess.FreePort()}";
    private static string? _lonelyFolder;
    private static SiloProcess? _lonely;

    /// <summary>A server looks for its broker for half a minute: meanwhile the other tests run.</summary>
    [ClassInitialize]
    public static void StartLonely(TestContext context)
    {
        try
        {
            _lonelyFolder = Workspace.NewFolder("test");
            _lonely = SiloProcess.Start(new FraudJob(_lonelyFolder, "lonely").Arguments(_nowhere));
        }
        catch (FixtureMissingException)
        {
            // The tests say so.
        }
    }

    [ClassCleanup]
    public static void StopLonely()
    {
        _lonely?.Dispose();
        if (_lonelyFolder is not null)
            Directory.Delete(_lonelyFolder, recursive: true);
    }

    [TestMethod]
    public void BadDefinitionsAreAllNamed()
    {
        var job = NewJob();
        job.EditDefinitions(text => text
            .Replace("lateness: 10m", "lateness: soon", StringComparison.Ordinal)
            .Replace("entity: terminal", "entity: terminus", StringComparison.Ordinal)
            .Replace("align: 1h", "aline: 1h", StringComparison.Ordinal));
        var error = Fails(Start(job));
        foreach (var named in (string[])["fraud.yaml", "soon", "terminus", "aline"])
            StringAssert.Contains(error, named);
    }

    [TestMethod]
    public void NoDefinitionsAtAll() =>
        StringAssert.Contains(Fails(Start(["--definitions", Path.Combine(Folder, "nowhere"), "--kafka", Kafka.Bootstrap, "--data", Folder])), "nowhere");

    [TestMethod]
    public void AModelThatIsNotThere()
    {
        var job = NewJob();
        var arguments = job.Arguments(Kafka.Bootstrap);
        arguments[^1] = Folder;
        StringAssert.Contains(Fails(Start(arguments)), "fraud");
    }

    [TestMethod]
    public void AnUnknownOption() =>
        StringAssert.Contains(Fails(Start(["--kaffka", Kafka.Bootstrap])), "--kaffka");

    [TestMethod]
    [DataRow("--runtime grains", "Option \"--runtime\" is \"grains\"; it is one of local, orleans.")]
    [DataRow("--runtime orleans --clustering adonet", "\"--clustering adonet\" needs \"--cluster-connection\"")]
    [DataRow("--runtime orleans --clustering kubernetes --cluster-connection x", "Option \"--storage\" is missing; it is one of memory, sqlite, adonet, redis, azure.")]
    [DataRow("--runtime orleans --clustering redis --cluster-connection x --storage memory", "\"--storage memory\" is lost with a silo")]
    [DataRow("--runtime orleans --kafka 127.0.0.1:1 --clustering redis --cluster-connection x --storage sqlite", "\"--storage sqlite\" is a file of one machine, and \"--clustering redis\" is for silos on several.")]
    [DataRow("--runtime orleans --storage sqlite", "\"--storage sqlite\" outlives the process, and without \"--kafka\" the stream ends with it.")]
    [DataRow("--runtime orleans --storage azure", "\"--storage azure\" needs \"--storage-connection\".")]
    [DataRow("--runtime orleans --roles serve", "Without \"--kafka\" the broker is embedded")]
    [DataRow("--runtime orleans --dashboard-key short", "Option \"--dashboard-key\" is shorter than 16 characters.")]
    [DataRow("--runtime orleans --silo-address here", "Option \"--silo-address\" is \"here\"; it is the IP address by which other silos reach this one.")]
    [DataRow("--runtime orleans --silo-address 0.0.0.0", "Option \"--silo-address\" is \"0.0.0.0\"; it is the IP address")]
    [DataRow("--runtime orleans --silence-max-seconds 1", "Option \"--silence-max-seconds\" is \"1\"; it is a whole number from 2 to 120.")]
    [DataRow("--runtime orleans --kafka 127.0.0.1:1 --clustering adonet --cluster-connection Colour=red", "The connection string of PostgreSQL cannot be read: ")]
    [DataRow("--slices 3", "Option \"--slices\" goes with \"--runtime orleans\"")]
    [DataRow("--runtime orleans --slices 257 --kafka localhost:1", "Option \"--slices\" is \"257\"; it is a whole number from 1 to 256.")]
    [DataRow("--runtime orleans --slices 2", "Option \"--slices\" needs \"--kafka HOST:PORT\"")]
    public void OptionsOfAClusterThatCannotBe(string arguments, string error) =>
        StringAssert.Contains(Fails(Start(arguments.Split(' '))), error);

    [TestMethod]
    public void APortInUse()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var port = ((IPEndPoint)listener.LocalEndpoint).Port;
        var job = NewJob();
        Kafka.CreateTopic(job.Topic, 1);
        StringAssert.Contains(Fails(Start(job.Arguments(Kafka.Bootstrap), port)), $"{port}");
    }

    [TestMethod]
    public void ASecondProcessOnTheSameData()
    {
        var job = NewJob();
        Kafka.CreateTopic(job.Topic, 1);
        var first = Start(job).WaitReady(ReadyDeadline);
        StringAssert.Contains(Fails(Start(job)), job.Data);
        first.WaitReady(ReadyDeadline); // it goes on
        Assert.AreEqual(0, first.Terminate(StopDeadline), first.Error);
    }

    [TestMethod]
    public void DataOfANewerVersion()
    {
        var job = WithData();
        var files = Directory.GetFiles(job.Data, "*", SearchOption.AllDirectories).Where(IsSqlite).ToList();
        Assert.AreNotEqual(0, files.Count, "no SQLite file in the data");
        foreach (var file in files)
        {
            using var stream = File.OpenWrite(file);
            stream.Position = 60; // user_version, in SQLite's file header
            stream.Write([0x7f, 0xff, 0xff, 0xff]);
        }

        StringAssert.Contains(Fails(Start(job)), "version");

        static bool IsSqlite(string file) => File.ReadAllBytes(file).AsSpan().StartsWith("SQLite format 3\0"u8);
    }

    [TestMethod]
    public void ChangedKeysOnOldData()
    {
        var job = WithData();
        job.EditDefinitions(text => text.Replace("CUSTOMER_ID: int64", "CUSTOMER_ID: string", StringComparison.Ordinal));
        StringAssert.Contains(Fails(Start(job)), "cannot be migrated. A block of entity \"customer\" has keys of other types");
    }

    [TestMethod]
    public void ChangedWindowsOnOldDataAreMigrated()
    {
        var job = WithData();
        job.EditDefinitions(text => text.Replace("window: { sliding: 30d }", "window: { sliding: 31d }", StringComparison.Ordinal));
        Start(job).WaitReady(ReadyDeadline);
    }

    /// <summary>With fewer records than were read, which the start sees; and with more, which only reading them can tell.</summary>
    [TestMethod]
    [DataRow(2)]
    [DataRow(5)]
    public void ARecreatedTopic(int records)
    {
        var job = WithData();
        Kafka.DeleteTopic(job.Topic);
        Wait.Until(() => TryCreate(job.Topic), _deadline, () => "The deleted topic is still there.");
        Send(job, records, amount: 8.5);
        StringAssert.Contains(Fails(Start(job)).Split('\n')[^1], job.Topic);
    }

    [TestMethod]
    public void AnUnreachableBroker() => StringAssert.Contains(Fails(_lonely!), _nowhere);

    /// <summary>A job that ran: its data hold three transactions.</summary>
    private FraudJob WithData()
    {
        var job = NewJob();
        Kafka.CreateTopic(job.Topic, 1);
        Send(job, 3);
        var silo = Start(job).WaitReady(ReadyDeadline);
        ReadPredictions(job.Sink(), 3);
        Assert.AreEqual(0, silo.Terminate(StopDeadline), silo.Error);
        return job;
    }

    private static void Send(FraudJob job, int count, double amount = 9.5)
    {
        using var producer = new TransactionProducer(Kafka.Bootstrap, job.Topic);
        for (var i = 0; i < count; i++)
            producer.Send(new Transaction(i, DateTimeOffset.UnixEpoch.AddYears(48).ToUnixTimeMilliseconds() + i * 1000, 7, 8, amount, false));
        producer.Flush();
    }

    private static bool TryCreate(string topic)
    {
        try
        {
            Kafka.CreateTopic(topic, 1);
            return true;
        }
        catch (Confluent.Kafka.Admin.CreateTopicsException)
        {
            return false;
        }
    }

    private string Fails(SiloProcess silo)
    {
        Assert.AreEqual(2, silo.WaitForExit(_deadline), $"{silo.Output}{silo.Error}");
        var error = silo.Error.Trim();
        TestContext.WriteLine(error);
        Assert.AreNotEqual("", error);
        Assert.IsFalse(error.Contains("   at ", StringComparison.Ordinal), $"A stack trace is no sentence: {error}");
        return error;
    }
}
