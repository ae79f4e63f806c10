namespace FeatureStore.Grains.Slices;

/// <summary>Says which silo consumes which slice of a project's stream, in which term, and where all cut it. Its key is the project.</summary>
[Alias("featurestore.slice-coordinator")]
internal interface ISliceCoordinatorGrain : IGrainWithStringKey
{
    /// <summary>Takes in what a silo tells.</summary>
    /// <returns>What is wanted of it now.</returns>
    [Alias("report")]
    [ResponseTimeout(ResponseTimes.Apply)]
    ValueTask<SliceOrder> ReportAsync([Immutable] MemberReport report);

    /// <summary>Waits, within a second, for something else to be wanted than a silo knows of.</summary>
    [Alias("watch")]
    [ResponseTimeout(ResponseTimes.Apply)]
    ValueTask<SliceOrder> WatchAsync(SiloAddress silo, Guid coordinator, long version);

    /// <summary>Erases an entity at the next cut.</summary>
    /// <returns>Why it is not erased durably; null where it is.</returns>
    [Alias("erase")]
    ValueTask<string?> EraseAsync(string entity, [Immutable] byte[] key);
}
