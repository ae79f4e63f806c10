using System.Globalization;
using Npgsql;

namespace FeatureStore.Harness;

/// <summary>A PostgreSQL server on a loopback port, with the tables and queries that Orleans' ADO.NET clustering and grain storage ask for.</summary>
public sealed class PostgreSqlServer : IDisposable
{
    /// <summary>
    /// Queries are found by key; parameters and columns have the names that the ADO.NET providers give them. Version is the ETag: of a grain's record its own,
    /// of silos one for all of them, which every change but a sign of life raises.
    /// </summary>
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

        CREATE TABLE Clusters (DeploymentId text PRIMARY KEY, Version integer NOT NULL);
        CREATE TABLE Silos (DeploymentId text, Address text, Port integer, Generation integer, SiloName text, HostName text, Status integer, ProxyPort integer,
          SuspectTimes text, StartTime timestamptz, IAmAliveTime timestamptz, PRIMARY KEY (DeploymentId, Address, Port, Generation));
        INSERT INTO OrleansQuery VALUES
        ('InsertMembershipVersionKey', 'WITH made AS (INSERT INTO Clusters VALUES (@DeploymentId, 0) ON CONFLICT DO NOTHING RETURNING 1) SELECT count(*) FROM made'),
        ('InsertMembershipKey', 'WITH raised AS (UPDATE Clusters SET Version = Version + 1 WHERE DeploymentId = @DeploymentId AND Version = @Version RETURNING DeploymentId),
           made AS (INSERT INTO Silos SELECT DeploymentId, @Address, @Port, @Generation, @SiloName, @HostName, @Status, @ProxyPort, NULL, @StartTime, @IAmAliveTime FROM raised ON CONFLICT DO NOTHING RETURNING 1)
           SELECT count(*) FROM made'),
        ('UpdateMembershipKey', 'WITH raised AS (UPDATE Clusters SET Version = Version + 1 WHERE DeploymentId = @DeploymentId AND Version = @Version RETURNING DeploymentId),
           changed AS (UPDATE Silos SET Status = @Status, SuspectTimes = @SuspectTimes, IAmAliveTime = @IAmAliveTime FROM raised
             WHERE Silos.DeploymentId = raised.DeploymentId AND Address = @Address AND Port = @Port AND Generation = @Generation RETURNING 1)
           SELECT count(*) FROM changed'),
        ('UpdateIAmAlivetimeKey', 'UPDATE Silos SET IAmAliveTime = @IAmAliveTime WHERE DeploymentId = @DeploymentId AND Address = @Address AND Port = @Port AND Generation = @Generation'),
        ('MembershipReadRowKey', 'SELECT c.DeploymentId, Address, Port, Generation, SiloName, HostName, Status, ProxyPort, SuspectTimes, StartTime, IAmAliveTime, Version
           FROM Clusters c LEFT JOIN Silos s ON s.DeploymentId = c.DeploymentId AND Address = @Address AND Port = @Port AND Generation = @Generation WHERE c.DeploymentId = @DeploymentId'),
        ('MembershipReadAllKey', 'SELECT c.DeploymentId, Address, Port, Generation, SiloName, HostName, Status, ProxyPort, SuspectTimes, StartTime, IAmAliveTime, Version
           FROM Clusters c LEFT JOIN Silos s ON s.DeploymentId = c.DeploymentId WHERE c.DeploymentId = @DeploymentId'),
        ('DeleteMembershipTableEntriesKey', 'WITH gone AS (DELETE FROM Silos WHERE DeploymentId = @DeploymentId) DELETE FROM Clusters WHERE DeploymentId = @DeploymentId'),
        ('CleanupDefunctSiloEntriesKey', 'DELETE FROM Silos WHERE DeploymentId = @DeploymentId AND IAmAliveTime < @IAmAliveTime AND Status <> 3'),
        ('GatewaysQueryKey', 'SELECT Address, ProxyPort, Generation FROM Silos WHERE DeploymentId = @DeploymentId AND Status = @Status AND ProxyPort > 0');
        """;

    private static readonly TimeSpan _deadline = TimeSpan.FromSeconds(120);
    private readonly string _folder = Workspace.NewFolder("postgresql");
    private readonly ChildProcess _process;

    private PostgreSqlServer(string programs)
    {
        var port = SiloProcess.FreePort();
        var data = Path.Combine(_folder, "data");
        string[] user = [];
        if (Environment.UserName == "root")
        {
            // The server refuses to run as root.
            user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"];
            ChildProcess.Run("chown", ["postgres", _folder], _deadline);
        }

        string[] make = [.. user, Path.Combine(programs, "initdb"), "--pgdata", data, "--username", "test", "--auth", "trust", "--no-sync"];
        ChildProcess.Run(make[0], make[1..], _deadline, _folder);
        string[] serve = [.. user, Path.Combine(programs, "postgres"), "-D", data, "-p", port.ToString(CultureInfo.InvariantCulture), "-c", "listen_addresses=127.0.0.1", "-c", $"unix_socket_directories={_folder}", "-c", "fsync=off"];
        _process = new ChildProcess(serve[0], serve[1..], _folder);
        Connection = $"Host=127.0.0.1;Port={port};Username=test;Database=postgres";
        Wait.Until(HasSchema, _deadline, () => $"PostgreSQL did not take queries. It printed:\n{_process.Error}");
    }

    /// <summary>Connection string, as Npgsql reads it.</summary>
    public string Connection { get; }

    /// <exception cref="FixtureMissingException">PostgreSQL is not on this machine.</exception>
    public static PostgreSqlServer Start()
    {
        var programs = Directory.Exists("/usr/lib/postgresql") ? Directory.GetDirectories("/usr/lib/postgresql").Select(version => Path.Combine(version, "bin")) : [];
        return new PostgreSqlServer(programs.Where(path => File.Exists(Path.Combine(path, "initdb"))).Max()
            ?? throw new FixtureMissingException("PostgreSQL is missing: apt-get install postgresql."));
    }

    public void Dispose()
    {
        _process.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    private bool HasSchema()
    {
        try
        {
            using var source = NpgsqlDataSource.Create(Connection);
            using var command = source.CreateCommand(Schema);
            command.ExecuteNonQuery();
            return true;
        }
        catch (Exception exception) when (exception is NpgsqlException { InnerException: not null } or PostgresException { SqlState: PostgresErrorCodes.CannotConnectNow })
        {
            return false;
        }
    }
}
