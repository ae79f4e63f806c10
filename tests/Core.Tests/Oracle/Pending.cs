using FeatureStore.Core.Events;
using FeatureStore.Core.Plans;
namespace FeatureStore.Core.Tests.Oracle;
internal enum FeatureKind { Number, Text, NumberList, TextList, TopList, Map }
internal static class Pending
{
    extension(EntityFeature feature) { public FeatureKind Kind => FeatureKind.Number; }
    public static int Retract(this EntityPlan plan, Span<byte> block, int source, in FieldRow row, long timeMs) => 0;
    public static bool CanRetract(this EntityPlan plan, ReadOnlySpan<byte> block, int source, long timeMs) => false;
    public static void WriteJson(this EntityPlan plan, ReadOnlySpan<byte> block, long asOfMs, int feature, System.Text.Json.Utf8JsonWriter writer)
    {
        Span<double> value = stackalloc double[1];
        plan.Read(block, asOfMs, [feature], value);
        if (double.IsNaN(value[0])) writer.WriteNullValue(); else writer.WriteNumberValue(value[0]);
    }
}
