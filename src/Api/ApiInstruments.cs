using System.Diagnostics.Metrics;

namespace FeatureStore.Api;

/// <summary>Metrics of the HTTP API.</summary>
internal static class ApiInstruments
{
    private static readonly Meter _meter = new("FeatureStore.Api");

    public static readonly Histogram<double> RequestDuration = _meter.CreateHistogram<double>(
        "featurestore.api.request.duration", "s", "From a request's headers to the end of its answer; the count is that of requests.");

    public static readonly LiveCount RequestsActive = new(_meter, "featurestore.api.requests.active", "{request}", "Requests under way.");

    public static readonly Counter<long> EntitiesRead = _meter.CreateCounter<long>(
        "featurestore.api.entities.read", "{entity}", "Entities read, by where their block came from: hot store or runtime.");

    public static readonly Counter<long> HotStoreFailures = _meter.CreateCounter<long>(
        "featurestore.api.hot_store.failures", "{failure}", "Reads of the hot store that failed, timed out, or gave a block of another layout, and went on in the runtime.");

    public static readonly Counter<long> ValuesServed = _meter.CreateCounter<long>(
        "featurestore.api.values.served", "{value}", "Feature values answered by get-online-features, by status.");

    public static readonly Counter<long> RowsScored = _meter.CreateCounter<long>(
        "featurestore.api.rows.scored", "{row}", "Rows scored on request, by model and outcome.");

    public static readonly Counter<long> RowsPushed = _meter.CreateCounter<long>(
        "featurestore.api.rows.pushed", "{row}", "Rows pushed and acknowledged, by source.");

    public static readonly LiveCount StreamClients = new(_meter, "featurestore.api.stream.clients", "{client}", "Clients of the status stream.");

    public static readonly LiveCount ChangeClients = new(_meter, "featurestore.api.changes.clients", "{client}", "Subscribers to changes.");

    public static readonly Counter<long> ChangesSent = _meter.CreateCounter<long>(
        "featurestore.api.changes.sent", "{entity}", "Entities whose values were sent to subscribers to changes.");

    public static readonly Counter<long> ChangesFiltered = _meter.CreateCounter<long>(
        "featurestore.api.changes.filtered", "{entity}", "Changed entities that were read for a subscriber and not sent, as no value had changed or its condition did not hold.");

    public static readonly Counter<long> ChangesCoalesced = _meter.CreateCounter<long>(
        "featurestore.api.changes.coalesced", "{change}", "Changes that a subscriber had not read when the same entity changed again.");

    public static readonly Counter<long> ChangesDropped = _meter.CreateCounter<long>(
        "featurestore.api.changes.dropped", "{change}", "Changes that were dropped, as too many entities had changed, before a subscriber had read them.");
}
