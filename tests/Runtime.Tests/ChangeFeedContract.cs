using System.Buffers.Binary;
using System.Collections.Concurrent;

namespace FeatureStore.Runtime.Tests;

/// <summary>What every feed of changes does, wherever the entities are.</summary>
public abstract class ChangeFeedContract
{
    /// <summary>Starts a runtime without any state, and a feed of its changes.</summary>
    protected abstract ChangeFeedHost Start();

    /// <summary>Every entity is told of after its last change, and none that has not changed; once it is over, none.</summary>
    [TestMethod]
    public async Task WhatChangesIsTold()
    {
        using var host = Start();
        var random = new Random(3);
        Apply(host, [.. Enumerable.Range(0, 60).Select(customer => (long)customer)]);
        var listener = new ChangeListener();
        var listening = await host.Feed.ListenAsync(TestProject.Customer, listener, CancellationToken.None);
        for (var round = 0; round < 8; round++)
        {
            listener.Told.Clear();
            long[] changed = [.. Enumerable.Range(0, random.Next(1, 40)).Select(_ => (long)random.Next(1000, 1060)).Distinct()];
            Apply(host, changed);
            Eventually(() => changed.All(listener.Told.ContainsKey), $"{changed.Length} entities are told in round {round}");
        }

        Assert.IsTrue(listener.Told.Keys.All(customer => customer >= 1000), "entities that had not changed are told");
        await listening.DisposeAsync();
        listener.Told.Clear();
        Apply(host, 1, 2, 3);
        // Another listener is told; by then the first would have been, too.
        var second = new ChangeListener();
        await using var again = await host.Feed.ListenAsync(TestProject.Customer, second, CancellationToken.None);
        Apply(host, 4);
        Eventually(() => second.Told.ContainsKey(4), "the next listener is told");
        Assert.IsEmpty(listener.Told);
    }

    [TestMethod]
    public async Task TheEndOfAnEntityIsTold()
    {
        using var host = Start();
        Apply(host, 7);
        var listener = new ChangeListener();
        await using var listening = await host.Feed.ListenAsync(TestProject.Customer, listener, CancellationToken.None);
        var key = new byte[8];
        BinaryPrimitives.WriteInt64BigEndian(key, 7);
        await host.Runtime.EraseAsync(TestProject.Customer, key, CancellationToken.None);
        Eventually(() => listener.Told.ContainsKey(7), "the erasure is told");
    }

    [TestMethod]
    public async Task EachEntityTypeHasItsListener()
    {
        using var host = Start();
        var (customers, devices) = (new ChangeListener(), new ChangeListener());
        await using var first = await host.Feed.ListenAsync(TestProject.Customer, customers, CancellationToken.None);
        await using var second = await host.Feed.ListenAsync(TestProject.Device, devices, CancellationToken.None);
        await Assert.ThrowsExactlyAsync<InvalidOperationException>(async () => await host.Feed.ListenAsync(TestProject.Device, devices, CancellationToken.None));
        Apply(host, 1);
        var logins = new TestBatch(TestProject.Plan, TestProject.Logins);
        logins.Add(TestProject.StartMs, null, "d", 1);
        logins.ResetVectors();
        host.Runtime.Apply(logins);
        Eventually(() => customers.Told.Count == 1 && devices.Told.Count == 1, "both are told");
        Assert.IsTrue(customers.Told.ContainsKey(1));
    }

    internal static void Eventually(Func<bool> condition, string what) =>
        Assert.IsTrue(SpinWait.SpinUntil(condition, TimeSpan.FromSeconds(180)), $"180 s have passed, and not: {what}");

    /// <summary>Applies an event of each customer.</summary>
    internal static void Apply(ChangeFeedHost host, params long[] customers)
    {
        var batch = new TestBatch(TestProject.Plan, TestProject.Payments);
        foreach (var customer in customers)
            batch.Add(TestProject.StartMs, customer, null, 1);
        batch.ResetVectors();
        host.Runtime.Apply(batch);
    }
}

/// <summary>A runtime that tells of its changes.</summary>
public abstract class ChangeFeedHost : IDisposable
{
    public IEntityRuntime Runtime { get; protected set; } = null!;

    public IChangeFeed Feed { get; protected set; } = null!;

    public abstract void Dispose();
}

/// <summary>Keeps what it is told: customers, and how often; devices as less than 0.</summary>
internal sealed class ChangeListener : IChangeListener
{
    private int _missed;

    public ConcurrentDictionary<long, int> Told { get; } = new();

    public int MissedCount => Volatile.Read(ref _missed);

    public void Changed(int entity, BlockSet keys)
    {
        for (var index = 0; index < keys.Count; index++)
            Told.AddOrUpdate(entity == TestProject.Customer ? BinaryPrimitives.ReadInt64BigEndian(keys[index]) : -1 - index, 1, (_, count) => count + 1);
    }

    public void Missed(int entity) => Interlocked.Increment(ref _missed);
}
