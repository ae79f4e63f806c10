using System.Globalization;
using FeatureStore.Ingest.Pipeline;

namespace FeatureStore.Ingest.Tests.Pipeline;

[TestClass]
public sealed class HandoverTests
{
    [TestMethod]
    public void HandsOverAllInOrderHoweverShortItIs()
    {
        const int Items = 100_000;
        var handover = new Handover<string>(3);
        var producer = new Thread(() =>
        {
            for (var item = 0; item < Items; item++)
                handover.Add(item.ToString(CultureInfo.InvariantCulture), CancellationToken.None);
            handover.Complete();
        })
        { IsBackground = true };
        producer.Start();

        var (taken, countMax) = (0, 0);
        Deadline.Ends(() =>
        {
            while (handover.TryTake(out var item, Timeout.Infinite, CancellationToken.None))
            {
                Assert.AreEqual(taken++.ToString(CultureInfo.InvariantCulture), item);
                countMax = Math.Max(countMax, handover.Count);
            }
        });

        Assert.AreEqual(Items, taken);
        Assert.IsLessThanOrEqualTo(3, countMax);
        Assert.IsTrue(handover.IsOver);
    }

    [TestMethod]
    public void TakesWhatIsThereAndWaitsNoLongerThanAsked()
    {
        var handover = new Handover<string>(1);
        Deadline.Ends(() =>
        {
            Assert.IsFalse(handover.TryTake(out _, 0, CancellationToken.None));
            Assert.IsFalse(handover.TryTake(out _, 20, CancellationToken.None));
        });
        Assert.IsFalse(handover.IsOver);

        handover.Add("a", CancellationToken.None);
        handover.Complete();

        Assert.IsFalse(handover.IsOver, "one is left");
        Assert.IsTrue(handover.TryTake(out var item, 0, CancellationToken.None));
        Assert.AreEqual("a", item);
        Assert.IsTrue(handover.IsOver);
        Deadline.Ends(() => Assert.IsFalse(handover.TryTake(out _, Timeout.Infinite, CancellationToken.None)));
        Assert.ThrowsExactly<InvalidOperationException>(() => handover.Add("b", CancellationToken.None));
    }

    [TestMethod]
    [DataRow(true)]
    [DataRow(false)]
    public void ACancelledTokenEndsTheWait(bool adds)
    {
        var handover = new Handover<string>(1);
        if (adds)
            handover.Add("a", CancellationToken.None);
        using var cancellation = new CancellationTokenSource();
        Exception? end = null;
        var waiting = new Thread(() => end = Assert.ThrowsExactly<OperationCanceledException>(() =>
        {
            if (adds)
                handover.Add("b", cancellation.Token);
            else
                handover.TryTake(out _, Timeout.Infinite, cancellation.Token);
        }))
        { IsBackground = true };
        waiting.Start();
        Deadline.Until(() => waiting.ThreadState.HasFlag(ThreadState.WaitSleepJoin), () => $"it is {waiting.ThreadState}");

        cancellation.Cancel();

        Deadline.Ends(waiting.Join);
        Assert.IsNotNull(end);
        Assert.AreEqual(adds ? 1 : 0, handover.Count);
        Assert.ThrowsExactly<OperationCanceledException>(() => handover.TryTake(out _, 0, cancellation.Token));
    }

    [TestMethod]
    public void ParkingWaitsForEachTaskAndThrowsWhatItFailedWith()
    {
        using var parking = new Parking();
        parking.Wait(ValueTask.CompletedTask);
        for (var round = 0; round < 1000; round++)
        {
            var (completion, isOver) = (new TaskCompletionSource(), false);
            var end = new Thread(() =>
            {
                Volatile.Write(ref isOver, true);
                completion.SetException(new TimeoutException("this one"));
            });
            end.Start();

            Deadline.Ends(() => Assert.AreEqual("this one", Assert.ThrowsExactly<TimeoutException>(() => parking.Wait(new ValueTask(completion.Task))).Message));

            Assert.IsTrue(Volatile.Read(ref isOver));
        }
    }
}
