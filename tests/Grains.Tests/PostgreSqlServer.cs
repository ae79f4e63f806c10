using System.Data.Common;
using System.Diagnostics;
using System.Globalization;
using FeatureStore.Storage.Tests;
using Npgsql;

namespace FeatureStore.Grains.Tests;

/// <summary>A PostgreSQL server of the test's own on a loopback port, with the one table and the queries that grain storage asks for.</summary>
internal sealed class PostgreSqlServer : IDisposable
{
    /// <summary>Queries are found by key; parameters and columns have the names that the ADO.NET provider gives them. Version is the ETag.</summary>
    private const string Schema =
        """
        CREATE TABLE OrleansQuery (QueryKey varchar(64) PRIMARY KEY, QueryText text NOT NULL);
        CREATE TABLE Records (Service text, State text, Grain text, Payload bytea, Version integer NOT NULL, PRIMARY KEY (Service, State, Grain));
        INSERT INTO OrleansQuery VALUES
        ('ReadFromStorageKey', 'SELECT Payload AS PayloadBinary, Version AS "Version" FROM Records WHERE Service = @ServiceId AND State = @GrainTypeString AND Grain = @GrainIdExtensionString'),
        ('WriteToStorageKey', 'WITH changed AS (UPDATE Records SET Payload = @PayloadBinary, Version = Version + 1 WHERE Service = @ServiceId AND State = @GrainTypeString AND Grain = @GrainIdExtensionString AND Version = @GrainStateVersion RETURNING Version),
           made AS (INSERT INTO Records SELECT @ServiceId, @GrainTypeString, @GrainIdExtensionString, @PayloadBinary, 1 WHERE @GrainStateVersion IS NULL ON CONFLICT DO NOTHING RETURNING Version)
           SELECT coalesce((SELECT Version FROM changed), (SELECT Version FROM made), @GrainStateVersion) AS NewGrainStateVersion'),
        ('ClearStorageKey', 'UPDATE Records SET Payload = NULL, Version = Version + 1 WHERE Service = @ServiceId AND State = @GrainTypeString AND Grain = @GrainIdExtensionString AND Version = @GrainStateVersion RETURNING Version');
        """;

    private readonly TemporaryDirectory _directory = new();
    private readonly ServerProcess _process;

    private PostgreSqlServer(string programs)
    {
        var port = ServerProcess.FreePort();
        var data = _directory.File("data");
        string[] user = [];
        if (Environment.UserName == "root")
        {
            // The server refuses to run as root.
            user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"];
            Run(["chown", "postgres", _directory.Path]);
        }

        Run([.. user, Path.Combine(programs, "initdb"), "--pgdata", data, "--username", "test", "--auth", "trust", "--no-sync"]);
        string[] server = [.. user, Path.Combine(programs, "postgres"), "-D", data, "-p", port.ToString(CultureInfo.InvariantCulture), "-c", "listen_addresses=127.0.0.1", "-c", $"unix_socket_directories={_directory.Path}", "-c", "fsync=off"];
        _process = new ServerProcess(server[0], port, server[1..]);
        Connection = $"Host=127.0.0.1;Port={port};Username=test;Database=postgres";
        DbProviderFactories.RegisterFactory("Npgsql", NpgsqlFactory.Instance);
        Wait.Until("PostgreSQL takes queries", () =>
        {
            using var source = NpgsqlDataSource.Create(Connection);
            using var command = source.CreateCommand(Schema);
            command.ExecuteNonQuery();
            return true;
        });
    }

    public string Connection { get; }

    /// <summary>Starts a server; skips the test where the program is missing.</summary>
    public static PostgreSqlServer Start()
    {
        var programs = Directory.Exists("/usr/lib/postgresql") ? Directory.GetDirectories("/usr/lib/postgresql").Select(version => Path.Combine(version, "bin")) : [];
        if (programs.Where(path => File.Exists(Path.Combine(path, "initdb"))).Max() is not { } found)
        {
            Assert.Inconclusive("PostgreSQL is not installed (Debian: apt-get install postgresql)");
            throw new InvalidOperationException();
        }

        return new PostgreSqlServer(found);
    }

    public void Dispose()
    {
        _process.Dispose();
        _directory.Dispose();
    }

    private static void Run(string[] command)
    {
        using var process = Process.Start(new ProcessStartInfo(command[0], command[1..]) { RedirectStandardOutput = true, RedirectStandardError = true })!;
        process.OutputDataReceived += (_, _) => { };
        process.BeginOutputReadLine();
        var error = process.StandardError.ReadToEnd();
        process.WaitForExit();
        Assert.AreEqual(0, process.ExitCode, error);
    }
}
