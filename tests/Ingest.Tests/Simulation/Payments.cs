using System.Globalization;
using System.Text;
using FeatureStore.Core.Plans;
using FeatureStore.Registry;

namespace FeatureStore.Ingest.Tests.Simulation;

/// <summary>The simulation's definitions.</summary>
internal static class Payments
{
    public const string Topic = "payments";
    public const string Predictions = "predictions";
    public const string DeadLetters = "payments.dead-letter";

    /// <summary>An amount on which the model fails.</summary>
    public const double BadAmount = 13;
    public const long LatenessMs = 600_000;
    public const long WindowMs = 3_600_000;

    public static ProjectPlan Plan(long alignMs, long delayMs)
    {
        var text = $$"""
            project: simulation
            sources:
              - name: payments
                kafka: { topic: payments, format: json }
                timestamp: AT
                clock: stream
                lateness: 10m
                align: {{alignMs}}ms
                id: ID
                fields: { ID: int64, AT: timestamp, CUSTOMER: int64, TERMINAL: string, AMOUNT: double }
                clean:
                  - { field: AMOUNT, missing: drop, below: 0, outside: dead_letter }
            entities:
              - { name: customer, keys: [CUSTOMER] }
              - { name: terminal, keys: [TERMINAL] }
            feature_views:
              - name: customers
                entity: customer
                source: payments
                features:
                  - { name: c_count, aggregate: count, window: { sliding: 1h } }
                  - { name: c_sum, aggregate: sum, of: AMOUNT, window: { sliding: 1h } }
                  - { name: c_ever, aggregate: count }
              - name: terminals
                entity: terminal
                source: payments
                features:
                  - { name: t_count, aggregate: count, window: { sliding: 1h, delay: {{delayMs}}ms } }
                  - { name: t_sum, aggregate: sum, of: AMOUNT, window: { sliding: 1h, delay: {{delayMs}}ms } }
                  - { name: t_now, aggregate: count, window: { sliding: 1h } }
            feature_services:
              - name: all
                request: { AMOUNT: double, TERMINAL: string }
                features:
                  - AMOUNT
                  - { name: half, expression: "share / 2.0 + (TERMINAL == place ? 0.0 : 1e9)" }
                  - { name: share, expression: "c_sum > 0.0 ? AMOUNT / c_sum : -1.0" }
                  - customers:c_count
                  - customers:c_sum
                  - customers:c_ever
                  - terminals:t_count
                  - terminals:t_sum
                  - terminals:t_now
                  - { name: place, feature: TERMINAL }
            models:
              - { name: sum, service: all, on: payments, sink: { topic: predictions, vector: true } }
            """;
        var result = DefinitionLoader.Load([new DefinitionFile("simulation.yaml", text)]);
        return ProjectPlan.Compile(result.Project ?? throw new InvalidOperationException(result.ToString()));
    }

    public static byte[] Json(Payment payment)
    {
        var text = new StringBuilder("{");
        if (payment.Customer is { } customer)
            text.Append(CultureInfo.InvariantCulture, $"\"CUSTOMER\":{customer},");
        if (payment.Amount is { } amount)
            text.Append(CultureInfo.InvariantCulture, $"\"AMOUNT\":{amount},");
        // Every other name has an escape in it: such texts are copied, the others stay where they are.
        var terminal = payment.Terminal % 2 == 0 ? $"t{payment.Terminal}" : $"\\u0074{payment.Terminal}";
        text.Append(CultureInfo.InvariantCulture, $"\"TERMINAL\":\"{terminal}\",\"ID\":{payment.Id},\"AT\":{payment.TimeMs}}}");
        return Encoding.UTF8.GetBytes(text.ToString());
    }
}

internal sealed record Payment(long Id, long TimeMs, long? Customer, int Terminal, double? Amount);
