using System.Net;
using FeatureStore.Grains.Changes;

namespace FeatureStore.Grains.Tests;

[TestClass]
public sealed class ReceivedBatchesTests
{
    private static readonly TimeSpan _lostAfter = TimeSpan.FromSeconds(5);
    private static readonly SiloAddress _a = SiloAddress.New(IPAddress.Loopback, 1, 1);
    private static readonly SiloAddress _b = SiloAddress.New(IPAddress.Loopback, 2, 1);

    private readonly ReceivedBatches _batches = new();
    private readonly Clock _clock = new();

    [TestMethod]
    public void WhatComesInTurnIsWhole()
    {
        Assert.IsTrue(Compare(_a, 7), "a silo that is new may have had changes before it knew");
        Assert.IsFalse(Compare(_a, 7));
        Assert.IsTrue(_batches.Receive(_a, 1, 8));
        Assert.IsTrue(_batches.Receive(_a, 1, 9));
        Assert.IsTrue(_batches.Receive(_a, 1, 9), "twice does no harm");
        Assert.IsFalse(Compare(_a, 9));
    }

    [TestMethod]
    public void AGapIsAMiss()
    {
        Compare(_a, 7);
        Assert.IsFalse(_batches.Receive(_a, 1, 9), "8 has not come");
        Assert.IsTrue(_batches.Receive(_a, 1, 10), "told once");
    }

    [TestMethod]
    public void ABatchThatDoesNotComeIsAMissAfterAWhile()
    {
        Compare(_a, 7);
        Assert.IsFalse(Compare(_a, 8), "it is under way");
        _clock.Advance(4);
        Assert.IsFalse(Compare(_a, 9));
        _clock.Advance(2);
        Assert.IsTrue(Compare(_a, 9), "8 has not come");
        Assert.IsFalse(Compare(_a, 9), "9 is under way since now");
        Assert.IsTrue(_batches.Receive(_a, 1, 9));
        _clock.Advance(60);
        Assert.IsFalse(Compare(_a, 9));
    }

    [TestMethod]
    public void ABatchMayComeBeforeItsSiloIsKnown()
    {
        Assert.IsTrue(_batches.Receive(_a, 1, 3));
        Assert.IsTrue(Compare(_a, 2));
        Assert.IsTrue(_batches.Receive(_a, 1, 4));
        Assert.IsFalse(Compare(_a, 4));
    }

    [TestMethod]
    public void ASiloThatBeginsAnewIsANewOne()
    {
        Compare(_a, 7);
        Assert.IsTrue(_batches.Compare(_a, 2, 0, _clock, _lostAfter));
        Assert.IsTrue(_batches.Receive(_a, 2, 1));
    }

    [TestMethod]
    public void ASiloThatGoesIsAMiss()
    {
        Compare(_a, 7);
        Compare(_b, 1);
        Assert.IsFalse(_batches.Forget([_a, _b]));
        Assert.IsTrue(_batches.Forget([_b]));
        Assert.IsFalse(_batches.Forget([_b]));
    }

    private bool Compare(SiloAddress silo, long published) => _batches.Compare(silo, 1, published, _clock, _lostAfter);

    private sealed class Clock : TimeProvider
    {
        private long _seconds;

        public override long TimestampFrequency => 1;

        public override long GetTimestamp() => _seconds;

        public void Advance(int seconds) => _seconds += seconds;
    }
}
