using FeatureStore.Grains.Payloads;
using Orleans.Concurrency;

namespace FeatureStore.Grains.Entities;

/// <summary>One entity. Its key is an <see cref="EntityAddress"/>. What the calls mean is said by <see cref="EntityCell"/>.</summary>
[Alias("featurestore.entity")]
internal interface IEntityGrain : IGrainWithStringKey
{
    /// <summary>Applies the entity's events of a batch and answers its part of each vector, right after each event.</summary>
    /// <param name="call">Who calls.</param>
    /// <param name="request">The events.</param>
    [Alias("apply")]
    [ResponseTimeout(ResponseTimes.Apply)]
    ValueTask<ApplyReply> ApplyAsync(OwnerCall call, [Immutable] ApplyRequest request);

    /// <summary>Goes back to the durable block, so that the owner can apply again what came after it.</summary>
    [Alias("roll-back")]
    [ResponseTimeout(ResponseTimes.Apply)]
    ValueTask<ApplyReply> RollBackAsync(OwnerCall call);

    /// <summary>A copy of the block; empty where the entity was never seen, null where the activation has ended: there is another.</summary>
    [AlwaysInterleave]
    [ReadOnly]
    [Alias("read")]
    [ResponseTimeout(ResponseTimes.Read)]
    ValueTask<Immutable<byte[]?>> ReadAsync();
}
