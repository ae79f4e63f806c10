using System.Globalization;
using System.Text;
using FeatureStore.Core.Definitions;
using FeatureStore.Core.Events;

namespace FeatureStore.Core.Tests.Plans;

/// <summary>An event of any of the tests' sources, whose fields are all the same.</summary>
internal sealed record TestEvent(int Source, long TimeMs)
{
    public static readonly FieldDefinition[] Fields =
    [
        new("K", FieldType.Int64), new("TS", FieldType.Timestamp), new("A", FieldType.Double), new("B", FieldType.Double), new("C", FieldType.Int64),
        new("F", FieldType.Bool), new("S", FieldType.String),
    ];

    public double? A { get; init; }

    public double? B { get; init; }

    public long? C { get; init; }

    public bool? F { get; init; }

    public string? S { get; init; }

    public static EventBatch NewBatch() => new(new RowSchema(Fields));

    public int AddTo(EventBatch batch)
    {
        var row = batch.Add(new EventHeader { TimeMs = TimeMs });
        batch.SetInt64(row, 0, 42);
        batch.SetInt64(row, 1, TimeMs);
        if (A is { } a)
            batch.SetDouble(row, 2, a);
        if (B is { } b)
            batch.SetDouble(row, 3, b);
        if (C is { } c)
            batch.SetInt64(row, 4, c);
        if (F is { } f)
            batch.SetInt64(row, 5, f ? 1 : 0);
        if (S is { } s)
            batch.SetText(row, 6, Encoding.UTF8.GetBytes(s));
        return row;
    }

    public override string ToString() => string.Create(
        CultureInfo.InvariantCulture, $"source {Source}, time {TimeMs}, A {A:R}, B {B:R}, C {C}, F {F}, S {S}");
}
