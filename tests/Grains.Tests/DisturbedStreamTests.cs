using FeatureStore.Grains.Persistence;
using FeatureStore.Harness;

namespace FeatureStore.Grains.Tests;

[TestClass]
public sealed class DisturbedStreamTests
{
    [TestMethod]
    [DataRow(1, 1)]
    [DataRow(2, 3)]
    public void UndisturbedItIsThePlainRun(int seed, int silos)
    {
        using var stream = new DisturbedStream(seed, silos, 120);
        while (stream.Next < 60)
            stream.Step();
        stream.Save();
        stream.Finish();
    }

    /// <summary>Silos that only host entities die, or leave, and others come.</summary>
    [TestMethod]
    [DataRow(3, 3)]
    [DataRow(4, 5)]
    public void SilosThatHostEntitiesComeAndGo(int seed, int silos) => HostsComeAndGo(new PlainCase(seed, 120), seed, silos, 3);

    [TestMethod]
    [DataRow(12, 3)]
    public void SilosComeAndGoWhereEventsDependOnOthers(int seed, int silos) => HostsComeAndGo(new DependentCase(seed, 120), seed, silos, 3);

    /// <summary>The silo that owns the stream dies, and another goes on.</summary>
    [TestMethod]
    [DataRow(5, 3)]
    [DataRow(6, 5)]
    public void TheOwnerDies(int seed, int silos) => OwnersDie(new PlainCase(seed, 120), seed, silos, 2);

    [TestMethod]
    [DataRow(13, 1)]
    [DataRow(14, 3)]
    public void TheOwnerDiesWhereEventsDependOnOthers(int seed, int silos) => OwnersDie(new DependentCase(seed, 120), seed, silos, 2);

    [TestMethod]
    [TestCategory("Soak")]
    public void SilosComeAndGoManyTimes()
    {
        for (var seed = 100; seed < 110; seed++)
        {
            HostsComeAndGo(new PlainCase(seed, 400), seed, 3 + seed % 3, 8);
            OwnersDie(new PlainCase(seed, 400), seed, 3 + seed % 3, 8);
            HostsComeAndGo(new DependentCase(seed, 400), seed, 3 + seed % 3, 8);
            OwnersDie(new DependentCase(seed, 400), seed, 3 + seed % 3, 8);
        }
    }

    /// <summary>A process that was thought dead comes back: it is turned away at its first word, and has changed nothing.</summary>
    [TestMethod]
    public void AnOwnerThatWasReplacedIsFenced()
    {
        using var stream = new DisturbedStream(7, 3, 60);
        for (var step = 0; step < 20; step++)
            stream.Step();
        var (runtime, checkpoints) = (stream.Runtime, stream.Checkpoints);
        stream.TakeOver(1);
        for (var step = 0; step < 20; step++)
            stream.Step();
        var late = FeatureStore.Runtime.Tests.TestProject.Batches(7, 3, 150).Last();
        var exception = Assert.ThrowsExactly<Ownership.OwnerFencedException>(() => runtime.ApplyAsync(late.Apply, CancellationToken.None).AsTask().GetAwaiter().GetResult());
        StringAssert.StartsWith(exception.Message, "Another silo has taken over the stream.");
        // A checkpoint that was already under way may still wait for what it will never publish.
        if (checkpoints.CompleteAsync().IsCompletedSuccessfully)
        {
            checkpoints.Begin("cluster", [], Task.CompletedTask);
            Assert.ThrowsExactly<Ownership.OwnerFencedException>(() => checkpoints.CompleteAsync().GetAwaiter().GetResult());
        }

        stream.Finish();
    }

    /// <summary>Nothing was durable: all that the first owner sent is given up, and comes again.</summary>
    [TestMethod]
    public void ANewOwnerBringsItsEntitiesBackToWhatIsDurable()
    {
        using var stream = new DisturbedStream(10, 3, 40, new OrleansRuntimeOptions { WriteBehind = TimeSpan.FromHours(1), WriteBehindEvents = int.MaxValue });
        for (var owner = 1; owner < 3; owner++)
        {
            for (var step = 0; step < 20; step++)
                stream.Step();
            stream.TakeOver(owner);
            Assert.AreEqual(0, stream.Next);
        }

        stream.Finish();
    }

    /// <summary>The owner ends between the writing of blocks and that of S.</summary>
    [TestMethod]
    public void BlocksThatAreDurableBeyondSPassOverWhatTheyContain()
    {
        using var stream = new DisturbedStream(11, 3, 60);
        var check = stream.Storage.BeforeWrite!;
        for (var step = 0; step < 20; step++)
            stream.Step();
        stream.Save();
        var term = stream.Term;
        stream.Storage.BeforeWrite = (state, id, record) =>
        {
            check(state, id, record);
            Refuse(state, record, term);
        };
        var blocks = stream.Storage.Writes;
        while (stream.Next < 40)
            stream.Step();
        stream.BeginSaving();
        Wait.Until(() => stream.Storage.Writes > blocks, TimeSpan.FromSeconds(120), () => "No block was written.");
        var before = stream.Next;
        stream.TakeOver(1);
        stream.Storage.BeforeWrite = check;
        Assert.IsLessThan(before, stream.Next);
        stream.Finish();
    }

    /// <summary>The owner ends between the writing of blocks and that of S, where these must not be ahead of it: what they were before counts.</summary>
    [TestMethod]
    [DataRow(15)]
    public void BlocksThatOthersDependOnGoBackToS(int seed)
    {
        // An erasure needs the record that is not written.
        using var stream = new DisturbedStream(new DependentCase(seed, 100, erases: false), seed, 3);
        for (var owner = 1; owner <= 3; owner++)
        {
            for (var step = 0; step < 20; step++)
                stream.Step();
            stream.Save();
            var term = stream.Term;
            stream.Storage.BeforeWrite = (state, _, record) => Refuse(state, record, term);
            var (saved, blocks) = (stream.Next, stream.Storage.Writes);
            for (var step = 0; step < 20; step++)
                stream.Step();
            stream.BeginSaving();
            Wait.Until(() => stream.Storage.Writes > blocks, TimeSpan.FromSeconds(120), () => "No block was written.");
            for (var step = 0; step < 5; step++)
                stream.Step();
            stream.Cluster.Kill(stream.Cluster.Silos[0]);
            stream.Cluster.Add();
            stream.TakeOver(0);
            stream.Storage.BeforeWrite = null;
            Assert.AreEqual(saved, stream.Next);
        }

        stream.Finish();
    }

    /// <summary>A checkpoint is not written, an erasure after its cut is, and the owner dies: the next one goes on from the checkpoint before, and needs all erasures since.</summary>
    [TestMethod]
    [DataRow(2)]
    [DataRow(6)]
    public void ACheckpointThatIsNotWrittenForgetsNoErasure(int seed)
    {
        using var stream = new DisturbedStream(new DependentCase(seed, 60), seed, 3, new OrleansRuntimeOptions { WriteBehind = TimeSpan.FromHours(1), WriteBehindEvents = int.MaxValue });
        while (stream.Next < 5)
            stream.Step();
        stream.Save();
        var saved = Record().Header!.Sequence;
        while (stream.Next < 18)
            stream.Step();
        Assert.HasCount(1, Record().JoinErasures);
        using var refused = new SemaphoreSlim(0);
        stream.Storage.BeforeWrite = (state, _, bytes) =>
        {
            if (state != ClusterNames.CheckpointState || OwnerRecord.Read(bytes).Header!.Sequence == saved)
                return;
            refused.Release();
            throw new IOException("The store is away.");
        };
        stream.BeginSaving();
        Assert.IsTrue(refused.Wait(TimeSpan.FromSeconds(120)), "The checkpoint is not written.");
        while (stream.Next < 25)
            stream.Step();
        Assert.HasCount(2, Record().JoinErasures);
        stream.Cluster.Kill(stream.Cluster.Silos[0]);
        stream.Cluster.Add();
        stream.Storage.BeforeWrite = null;
        stream.TakeOver(0);
        stream.Finish();

        OwnerRecord Record() => OwnerRecord.Read(stream.Storage.Records(ClusterNames.CheckpointState).Select(record => record.Bytes).Single(bytes => OwnerRecord.Read(bytes).Header is not null));
    }

    /// <summary>Writes fail, succeed with an answer that is lost, and find that another activation has written.</summary>
    [TestMethod]
    [DataRow(8)]
    [DataRow(9)]
    public void TheStoreFailsAtTimes(int seed)
    {
        using var stream = new DisturbedStream(seed, 3, 120);
        var random = new Random(seed);
        var check = stream.Storage.BeforeWrite!;
        var (failures, lost) = (0, 0);
        stream.Storage.BeforeWrite = (state, id, record) =>
        {
            check(state, id, record);
            if (Next(random) >= 20)
                return;
            Interlocked.Increment(ref failures);
            throw new IOException("The store is away.");
        };
        stream.Storage.AfterWrite = _ =>
        {
            if (Next(random) >= 20)
                return;
            Interlocked.Increment(ref lost);
            throw new IOException("The answer is lost.");
        };
        while (stream.Next < stream.Count)
        {
            stream.Step();
            if (stream.Next % 30 == 0)
                stream.Save();
        }

        stream.Storage.AfterWrite = null;
        stream.Storage.BeforeWrite = check;
        stream.Finish();
        Console.WriteLine($"{failures} writes failed, {lost} answers were lost");
        Assert.IsGreaterThan(0, failures);
        Assert.IsGreaterThan(0, lost);
    }

    /// <summary>Does not take S of an owner, who tries again and again, but lets the next one take over.</summary>
    private static void Refuse(string state, byte[] record, long term)
    {
        if (state == ClusterNames.CheckpointState && OwnerRecord.Read(record).Term == term)
            throw new IOException("The store is away.");
    }

    private static int Next(Random random)
    {
        lock (random)
            return random.Next(100);
    }

    private static void HostsComeAndGo(StreamCase of, int seed, int silos, int disturbances)
    {
        using var stream = new DisturbedStream(of, seed, silos);
        var random = new Random(seed);
        var owner = stream.Cluster.Silos[0];
        for (var number = 1; number <= disturbances; number++)
        {
            Advance(stream, random, number, disturbances);
            var hosts = stream.Cluster.Silos.Where(silo => silo != owner).ToList();
            switch (random.Next(3))
            {
                case 0 when hosts.Count > 1:
                    stream.Cluster.Kill(hosts[random.Next(hosts.Count)]);
                    break;
                case 1 when hosts.Count > 1:
                    stream.Cluster.Stop(hosts[random.Next(hosts.Count)]);
                    break;
                default:
                    stream.Cluster.Add();
                    break;
            }
        }

        stream.Finish();
    }

    private static void OwnersDie(StreamCase of, int seed, int silos, int disturbances)
    {
        using var stream = new DisturbedStream(of, seed, silos);
        var random = new Random(seed);
        for (var number = 1; number <= disturbances; number++)
        {
            Advance(stream, random, number, disturbances);
            stream.Cluster.Kill(stream.Cluster.Silos[0]);
            stream.Cluster.Add();
            stream.TakeOver(0);
        }

        stream.Finish();
    }

    private static void Advance(DisturbedStream stream, Random random, int number, int of)
    {
        var until = Math.Min(stream.Count - 1, stream.Count * number / (of + 1) + random.Next(10));
        while (stream.Next < until)
            stream.Step();
    }
}
