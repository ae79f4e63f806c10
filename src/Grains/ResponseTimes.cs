namespace FeatureStore.Grains;

/// <summary>
/// How long a call waits for its answer, as h:mm:ss. Orleans ends the calls that wait for a silo when that is found dead, but not one that is sent to it just after, while the connection is still
/// open, nor one that another silo passes on to it: those wait for this.
/// </summary>
internal static class ResponseTimes
{
    /// <summary>One attempt of a read. It changes nothing and is made again, to find the entity elsewhere where its silo is out.</summary>
    public const string Read = "0:00:02";

    /// <summary>A call that changes something. Without an answer an entity has to go back to what is durable, so it is longer than a busy machine takes.</summary>
    public const string Apply = "0:00:10";

    /// <summary>Writing some hundred entities to a store that may be slow.</summary>
    public const string Flush = "0:00:30";
}
