namespace FeatureStore.Monitoring;

/// <summary>What the exporter listens to, and its bounds.</summary>
public sealed record PrometheusExporterOptions
{
    /// <summary>A meter is exported where its name is one of these, or begins with one of these and a dot.</summary>
    public IReadOnlyList<string> Meters { get; init; } =
        ["FeatureStore", "System.Runtime", "Microsoft.AspNetCore.Server.Kestrel"];

    /// <summary>Most sets of label values an instrument may have; measurements of further ones are dropped and counted. 1 to 100,000.</summary>
    public int SeriesPerInstrumentMax { get; init; } = 2_000;

    /// <summary>Most series of all instruments together. 1 to 1,000,000.</summary>
    public int SeriesMax { get; init; } = 20_000;
}
