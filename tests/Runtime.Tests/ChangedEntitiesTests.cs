using System.Buffers.Binary;
using FeatureStore.Runtime.Local;

namespace FeatureStore.Runtime.Tests;

[TestClass]
public sealed class ChangedEntitiesTests : IDisposable
{
    private readonly LocalRuntime _runtime = Runtimes.New(2, tracksPublishing: true);

    public void Dispose() => _runtime.Dispose();

    [TestMethod]
    public void EachReaderTakesAnEntityOnceHoweverOftenItChanged()
    {
        _runtime.ToTell.Track(TestProject.Customer, true);
        Apply(1, 2, 1, 1);
        CollectionAssert.AreEquivalent(new long[] { 1, 2 }, Take(_runtime.ToTell));
        Assert.IsEmpty(Take(_runtime.ToTell));
        CollectionAssert.AreEquivalent(new long[] { 1, 2 }, Take(_runtime.ToPublish), "one reader takes nothing from the other");
        Apply(2);
        CollectionAssert.AreEqual(new long[] { 2 }, Take(_runtime.ToTell));
        CollectionAssert.AreEqual(new long[] { 2 }, Take(_runtime.ToPublish));
    }

    [TestMethod]
    public void NothingIsKeptOfWhatIsNotTracked()
    {
        Apply(1);
        Assert.IsEmpty(Take(_runtime.ToTell), "never tracked");
        _runtime.ToTell.Track(TestProject.Customer, true);
        Apply(1, 2);
        _runtime.ToTell.Track(TestProject.Customer, false);
        Apply(3);
        _runtime.ToTell.Track(TestProject.Customer, true);
        Assert.IsEmpty(Take(_runtime.ToTell), "forgotten at the end");
        Apply(2, 3);
        CollectionAssert.AreEquivalent(new long[] { 2, 3 }, Take(_runtime.ToTell), "and told of later changes all the same");
        CollectionAssert.AreEquivalent(new long[] { 1, 2, 3 }, Take(_runtime.ToPublish));
    }

    [TestMethod]
    public async Task TheEndOfAnEntityIsAChange()
    {
        _runtime.ToTell.Track(TestProject.Customer, true);
        Apply(1, 2);
        await _runtime.EraseAsync(TestProject.Customer, Key(1), CancellationToken.None);
        var (keys, sequences, blocks) = (new BlockSet(), new List<long>(), new BlockSet());
        _runtime.ToTell.Take(TestProject.Customer, 100, keys, sequences, blocks);
        var ends = Enumerable.Range(0, keys.Count).ToDictionary(index => BinaryPrimitives.ReadInt64BigEndian(keys[index]), index => blocks[index].IsEmpty);
        CollectionAssert.AreEquivalent(new Dictionary<long, bool> { [1] = true, [2] = false }, ends);
        _runtime.ToTell.PutBack(TestProject.Customer, keys, sequences, blocks);
        CollectionAssert.AreEquivalent(new long[] { 1, 2 }, Take(_runtime.ToTell));
    }

    /// <summary>Listening comes and goes while events are applied: what is told is what has changed since, no less, and no more than once a round.</summary>
    [TestMethod]
    public void WhatIsToldIsWhatHasChanged()
    {
        const int Seed = 1;
        Console.WriteLine($"seed {Seed}");
        var random = new Random(Seed);
        var expected = new HashSet<long>();
        var isTracked = false;
        for (var round = 0; round < 2000; round++)
        {
            switch (random.Next(8))
            {
                case 0:
                    isTracked = !isTracked;
                    _runtime.ToTell.Track(TestProject.Customer, isTracked);
                    if (!isTracked)
                        expected.Clear();
                    break;
                case 1:
                    var taken = Take(_runtime.ToTell, random.Next(1, 30));
                    CollectionAssert.AllItemsAreUnique(taken);
                    Assert.IsTrue(taken.TrueForAll(expected.Remove), "told, and had not changed");
                    break;
                case 2:
                    _ = Take(_runtime.ToPublish, random.Next(1, 30));
                    break;
                default:
                    long[] customers = [.. Enumerable.Range(0, random.Next(1, 5)).Select(_ => (long)random.Next(50))];
                    Apply(customers);
                    if (isTracked)
                        expected.UnionWith(customers);
                    break;
            }
        }

        CollectionAssert.AreEquivalent(expected.ToList(), Take(_runtime.ToTell));
    }

    [TestMethod]
    public async Task ListenersAreToldInRoundsAndNobodyWorksWhileThereIsNone()
    {
        var time = new ManualTime();
        await using var feed = new LocalChangeFeed(_runtime.ToTell, new LocalChangeFeedOptions(), time);
        Assert.AreEqual(0, time.Waiting, "before anybody listens");
        var listener = new ChangeListener();
        var listening = await feed.ListenAsync(TestProject.Customer, listener, CancellationToken.None);
        await Assert.ThrowsExactlyAsync<InvalidOperationException>(async () => await feed.ListenAsync(TestProject.Customer, listener, CancellationToken.None));
        Apply(5, 6, 5);
        Wait.Until(() => time.Waiting == 1, "the rounds begin");
        Assert.IsEmpty(listener.Told);
        time.Advance(0.05);
        Wait.Until(() => listener.Told.Count == 2, "both are told");
        await listening.DisposeAsync();
        Apply(7);
        time.Advance(0.05);
        Wait.Until(() => time.Waiting == 0, "the rounds end");
        CollectionAssert.AreEquivalent(new long[] { 5, 6 }, listener.Told.Keys.ToArray());

        await using var again = await feed.ListenAsync(TestProject.Customer, listener, CancellationToken.None);
        Apply(8);
        Wait.Until(() => time.Waiting == 1, "the rounds begin again");
        time.Advance(0.05);
        Wait.Until(() => listener.Told.ContainsKey(8), "the next is told");
        Assert.IsFalse(listener.Told.ContainsKey(7));
    }

    private static byte[] Key(long customer)
    {
        var key = new byte[8];
        BinaryPrimitives.WriteInt64BigEndian(key, customer);
        return key;
    }

    private static List<long> Take(IChangedEntities changed, int countMax = 1000)
    {
        var keys = new BlockSet();
        changed.Take(TestProject.Customer, countMax, keys);
        return [.. Enumerable.Range(0, keys.Count).Select(index => BinaryPrimitives.ReadInt64BigEndian(keys[index]))];
    }

    private void Apply(params long[] customers)
    {
        var batch = new TestBatch(TestProject.Plan, TestProject.Payments);
        foreach (var customer in customers)
            batch.Add(TestProject.StartMs, customer, null, 1);
        batch.ResetVectors();
        _runtime.Apply(batch);
    }
}

[TestClass]
public sealed class LocalChangeFeedTests : ChangeFeedContract
{
    protected override ChangeFeedHost Start() => new Host();

    private sealed class Host : ChangeFeedHost
    {
        private readonly LocalRuntime _runtime = Runtimes.New(3);
        private readonly LocalChangeFeed _feed;

        public Host()
        {
            _feed = new LocalChangeFeed(_runtime.ToTell, new LocalChangeFeedOptions { Interval = TimeSpan.FromMilliseconds(5) }, TimeProvider.System);
            (Runtime, Feed) = (_runtime, _feed);
        }

        public override void Dispose()
        {
            _feed.DisposeAsync().AsTask().GetAwaiter().GetResult();
            _runtime.Dispose();
        }
    }
}
