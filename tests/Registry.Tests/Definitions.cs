namespace FeatureStore.Registry.Tests;

/// <summary>Sound definitions, and edits of them that make one wrong.</summary>
internal static class Definitions
{
    /// <summary>In an edit: the place where the error is expected.</summary>
    public const char Mark = '§';

    /// <summary>Everything that definitions can say, once.</summary>
    public const string Sound = """
        project: shop
        sources:
          - name: orders
            kafka: { topic: orders, format: json }
            timestamp: AT
            clock: wall
            lateness: 10m
            ahead: 2h
            align: 0
            dead_letters: orders.bad
            id: ID
            envelope: none
            fields: { ID: int64, AT: timestamp, USER: int64, AMOUNT: double, CHANNEL: string, FIRST: bool }
            clean:
              - { field: AMOUNT, missing: drop, below: 0, above: 1e6, outside: clip }
              - { field: CHANNEL, missing: fill, fill: web }
            enrich:
              - { feature: spend:ever, as: PAST }
          - { name: hits, kafka: { topic: hits }, timestamp: SEEN, fields: { SEEN: timestamp, CHANNEL: string, USER: int64 } }
          - { name: hit_orders, join: { left: hits, right: orders, on: [USER], within: 45m, unmatched: left, limit: 40 } }
        entities:
          - { name: user, keys: [USER] }
        feature_views:
          - name: spend
            entity: user
            source: orders
            ttl: 90d
            features:
              - { name: total, aggregate: sum, of: AMOUNT, where: "AMOUNT > 1.0", window: { sliding: 7d } }
              - { name: late, aggregate: mean, of: AMOUNT, window: { sliding: 1h, delay: 1d, limit: 500 }, default: -1 }
              - { name: ever, aggregate: count }
              - { name: tiled, aggregate: quantile, of: AMOUNT, q: 0.95, window: { sliding: 30d, delay: 1h, tile: 2h } }
              - { name: daily, aggregate: variance, of: AMOUNT, sample: true, window: { tumbling: 1d, offset: 6h, closed: true, time_zone: Europe/Berlin } }
              - { name: visit, aggregate: session_duration, window: { session: 30m, max: 12h, closed: 3, limit: 600 } }
              - { name: recent, aggregate: last_n, of: CHANNEL, n: 5, window: { last: 10 } }
              - { name: faded, aggregate: decayed_sum, of: AMOUNT, half_life: 36h }
              - { name: spread, aggregate: histogram, of: AMOUNT, bounds: [0, 10, 100.5] }
              - { name: usual, aggregate: top_k, of: CHANNEL, k: 4 }
              - { name: by_channel, aggregate: stddev, of: AMOUNT, by: CHANNEL, limit: 20, window: { tumbling: 7d } }
        feature_services:
          - name: buy
            request: { AMOUNT: double, CHANNEL: string }
            features:
              - AMOUNT
              - spend:total
              - { name: big, expression: "AMOUNT > 9.0 ? 1.0 : 0.0" }
              - { feature: spend:late, name: mean_late, transform: { standardize: { mean: 53.6, std: 42.3 } } }
              - { feature: spend:ever, transform: [log1p, { clip: { min: 0, max: 5 } }, { minmax: { min: 0, max: 5 } }, { impute: 0 }, { bucketize: [0.2, 0.5] }] }
              - { feature: CHANNEL, transform: { one_hot: [web, app] } }
        models:
          - name: churn
            service: buy
            entity: user
            on: orders
            outputs: { score: "probabilities[1]" }
            sink: { topic: predictions, vector: true }
        """;

    public static DefinitionLoadResult Load(string text) => DefinitionLoader.Load([new("f", text)]);

    /// <summary>Replaces texts that are in the definitions exactly once: old, new, old, new …</summary>
    public static string Edit(string text, params IReadOnlyList<string> edits)
    {
        for (var index = 0; index < edits.Count; index += 2)
        {
            var at = text.IndexOf(edits[index], StringComparison.Ordinal);
            Assert.IsGreaterThanOrEqualTo(0, at, $"not in the definitions: {edits[index]}");
            Assert.AreEqual(-1, text.IndexOf(edits[index], at + 1, StringComparison.Ordinal), $"more than once in the definitions: {edits[index]}");
            text = text[..at] + edits[index + 1] + text[(at + edits[index].Length)..];
        }

        return text;
    }

    /// <summary>Takes the marks out of a text.</summary>
    /// <returns>The text, and line and column of each mark, from 1.</returns>
    public static (string Text, IReadOnlyList<string> Places) TakeMarks(string text)
    {
        var places = new List<string>();
        for (var at = text.IndexOf(Mark, StringComparison.Ordinal); at >= 0; at = text.IndexOf(Mark, StringComparison.Ordinal))
        {
            var before = text[..at];
            places.Add($"{before.Count(character => character == '\n') + 1}:{at - before.LastIndexOf('\n')}");
            text = text.Remove(at, 1);
        }

        return (text, places);
    }
}
