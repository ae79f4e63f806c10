using FeatureStore.Runtime.Local;
using static FeatureStore.Runtime.Tests.EnrichmentCase;

namespace FeatureStore.Runtime.Tests;

/// <summary>Payments that take along how busy their terminal is, what their device was up to, and what a shop, which only they read, is like.</summary>
[TestClass]
public sealed class EnrichmentTests
{
    [TestMethod]
    public void PlanKnowsWhatEnriches()
    {
        var payments = Plan.Sources[Payments];
        Assert.AreEqual((8, 5), (payments.Schema.Count, payments.ReadFields));
        CollectionAssert.AreEqual(new[] { 1 }, payments.EntitiesOfEnriched.ToArray());
        CollectionAssert.AreEqual(new[] { Plan.Sources[Logins] }, payments.Peers.ToArray());
        CollectionAssert.AreEqual(new[] { payments }, Plan.Sources[Logins].Peers.ToArray());
    }

    /// <summary>What a batch is cut into makes no difference: state ends the same.</summary>
    [TestMethod]
    public void BatchesMakeNoDifference()
    {
        using var whole = NewRuntime(2);
        using var cut = NewRuntime(3);
        var random = new Random(7);
        var (all, oracle, timeMs) = (new TestBatch(Plan, Payments), new Oracle(), TestProject.StartMs);
        for (var index = 0; index < 500; index++)
        {
            Payment payment = oracle.Pay(timeMs += random.Next(500), random.Next(8), random.Next(3), "d", index).Payment;
            Add(all, (payment, []));
            var one = new TestBatch(Plan, Payments);
            Add(one, (payment, []));
            one.ResetVectors();
            cut.Apply(one);
        }

        all.ResetVectors();
        whole.Apply(all);
        var entities = Enumerable.Range(0, 3).Select(key => (0, Int64Key(key))).Concat(Enumerable.Range(0, 8).Select(key => (1, Int64Key(key)))).ToList();
        Runtimes.AssertSame(whole.Read(entities), cut.Read(entities));
    }

    /// <summary>A row that is applied again forgets what enriched it before.</summary>
    [TestMethod]
    public void ABatchCanBeAppliedTwice()
    {
        using var first = NewRuntime(1);
        using var second = NewRuntime(1);
        var oracle = new Oracle();
        var login = new TestBatch(Plan, Logins);
        Add(login, oracle.Login(TestProject.StartMs, "d", true));
        login.ResetVectors();
        first.Apply(login);
        var batch = new TestBatch(Plan, Payments);
        Add(batch, oracle.Pay(TestProject.StartMs, 1, 1, "d", 5));
        foreach (var (runtime, newest) in new[] { (first, true), (second, false) })
        {
            batch.ResetVectors();
            runtime.Apply(batch);
            Assert.AreEqual(newest, batch.Events.Row(0).Has(7));
            Assert.IsTrue(batch.Events.Row(0).Has(6), "A count of nothing is 0.");
        }
    }

    [TestMethod]
    public void EnrichingAllocatesNothing()
    {
        using var runtime = NewRuntime(1);
        var (batch, random, oracle) = (new TestBatch(Plan, Payments), new Random(3), new Oracle());
        for (var row = 0; row < 300; row++)
            Add(batch, oracle.Pay(TestProject.StartMs, random.Next(8), random.Next(5), "d", 1));
        var before = 0L;
        for (var round = 0; round < 200; round++)
        {
            if (round == 150)
                before = GC.GetAllocatedBytesForCurrentThread();
            batch.ResetVectors();
            for (var row = 0; row < batch.Events.Count; row++)
                batch.Events[row].TimeMs += 1000;
            runtime.Apply(batch);
        }

        Assert.AreEqual(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }

    private static LocalRuntime NewRuntime(int shards) => new(Plan, new LocalRuntimeOptions { Shards = shards });
}
