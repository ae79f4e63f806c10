using System.Net;

namespace FeatureStore.Silo;

/// <summary>What a silo of a cluster is told.</summary>
internal sealed record ClusterOptions
{
    /// <summary>What this silo is for: ingest, serve.</summary>
    public required IReadOnlyList<string> Roles { get; init; }

    /// <summary>Whether this silo owns the stream.</summary>
    public bool Ingests => Roles.Contains("ingest");

    /// <summary>Into how many slices the stream is divided; 1: it is not, and one silo owns it.</summary>
    public required int Slices { get; init; }

    public required string Clustering { get; init; }

    public required string? Connection { get; init; }

    public required string Storage { get; init; }

    public required string? StorageConnection { get; init; }

    /// <summary>Null: the machine's.</summary>
    public required IPAddress? SiloAddress { get; init; }

    public required int SiloPort { get; init; }

    public required int GatewayPort { get; init; }

    public required int PrimaryPort { get; init; }

    /// <summary>After how long without an answer a silo is taken for dead.</summary>
    public required TimeSpan SilenceMax { get; init; }

    /// <summary>Null: no dashboard.</summary>
    public required string? DashboardKey { get; init; }
}
