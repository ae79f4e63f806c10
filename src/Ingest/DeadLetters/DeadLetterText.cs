using FeatureStore.Core.Plans;
namespace FeatureStore.Ingest.DeadLetters;
internal static class DeadLetterText
{
    public static (string Reason, string Rule) Of(SourcePlan source, Rejection rejection, (string Model, string Reason)? failure) => ($"{rejection.Reason} {failure?.Reason} {source.Definition.Name}", "x");
}
