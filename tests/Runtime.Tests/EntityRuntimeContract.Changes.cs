using System.Buffers.Binary;
using FeatureStore.Core.Definitions;
using FeatureStore.Core.Events;
using FeatureStore.Core.Plans;

namespace FeatureStore.Runtime.Tests;

/// <summary>What takes back, erases, joins, enriches and migrates.</summary>
public abstract partial class EntityRuntimeContract
{
    /// <summary>Deletes, and updates as two rows of one record.</summary>
    [TestMethod]
    public void EventsAreTakenBackAndChanged()
    {
        for (var seed = 1; seed <= Seeds; seed++)
        {
            using var host = Start();
            var plain = new PlainRuntime(TestProject.Plan);
            foreach (var (expected, actual) in Changes(seed, 30).Zip(Changes(seed, 30)))
            {
                plain.Apply(expected);
                host.Runtime.Apply(actual);
                CollectionAssert.AreEqual(expected.Values(), actual.Values(), $"seed {seed}");
            }

            Runtimes.AssertSame(plain.Blocks, host.Runtime.Read(plain.Blocks.Keys));
        }
    }

    [TestMethod]
    public void RowsThatTakeBackDoNotMoveTheStreamsTime()
    {
        using var host = Start();
        var batch = new TestBatch(TestProject.Plan, TestProject.Payments);
        batch.Add(1000, 1, null, 1);
        batch.Add(2000, 1, null, 1);
        batch.Events[1].IsRetraction = true;
        batch.ResetVectors();
        host.Runtime.Apply(batch);
        Assert.AreEqual(1000, host.Runtime.StreamTimeMs(TestProject.Payments));
    }

    [TestMethod]
    public void AnErasedEntityIsGoneAndBeginsAnew()
    {
        using var host = Start();
        Pay(host, 1, offset: 0);
        Pay(host, 1, offset: 1);
        Pay(host, 2, offset: 2);
        host.Save();
        var before = EntityPlan.Sequence(Block(host, 1));
        Erase(host, 1);
        Assert.IsEmpty(Block(host, 1));
        Assert.AreEqual(1.0, Count(host, 2));
        Pay(host, 1, offset: 3);
        Assert.AreEqual(1.0, Count(host, 1));
        Assert.IsGreaterThan(before, EntityPlan.Sequence(Block(host, 1)));
        host.Save();
        host.Restart(TestProject.Plan);
        Assert.AreEqual(1.0, Count(host, 1));
        Assert.AreEqual(1.0, Count(host, 2));
    }

    [TestMethod]
    public void EventsBeforeAnErasureStayOutAndOthersDoNot()
    {
        using var host = Start();
        Pay(host, 1, offset: 4);
        Erase(host, 1);
        Erase(host, 2);
        Erase(host, 2);
        Pay(host, 1, offset: 4);
        Pay(host, 2, offset: 3);
        Assert.IsEmpty(Block(host, 1));
        Assert.IsEmpty(Block(host, 2), "Never seen, and erased all the same.");
        Pay(host, 3, offset: 2);
        Assert.AreEqual(1.0, Count(host, 3), "Another key.");
        Pay(host, 1, offset: 0, partition: 1);
        Assert.AreEqual(1.0, Count(host, 1), "A partition that nothing was read from.");
    }

    [TestMethod]
    public void WhatWasPublishedBeforeTheStartStaysErasedToo()
    {
        using var host = Start();
        host.Runtime.BeginSource(TestProject.Payments, [0], [10]);
        Pay(host, 1, offset: 2);
        Erase(host, 1);
        Pay(host, 1, offset: 9);
        Assert.IsEmpty(Block(host, 1));
        Pay(host, 1, offset: 10);
        Assert.AreEqual(1.0, Count(host, 1));
    }

    /// <summary>No checkpoint followed: the events come again after the start.</summary>
    [TestMethod]
    [DataRow(false)]
    [DataRow(true)]
    public void AnErasureOutlivesTheProcess(bool isSavedBefore)
    {
        using var host = Start();
        Pay(host, 1, offset: 0);
        Pay(host, 2, offset: 1);
        if (isSavedBefore)
            host.Save();
        Pay(host, 1, offset: 2);
        Erase(host, 1);
        host.Restart(TestProject.Plan);
        Pay(host, 1, offset: 0);
        Pay(host, 1, offset: 2);
        Assert.IsEmpty(Block(host, 1));
        Pay(host, 1, offset: 3);
        Assert.AreEqual(1.0, Count(host, 1));
    }

    [TestMethod]
    public void ARecreatedPartitionCountsFromItsBeginning()
    {
        using var host = Start();
        Pay(host, 1, offset: 4);
        Pay(host, 1, offset: 4, partition: 1);
        Pay(host, 2, offset: 5);
        Erase(host, 1);
        host.Runtime.RecreatePartition(TestProject.Payments, 0);
        Pay(host, 2, offset: 0);
        Assert.AreEqual(2.0, Count(host, 2));
        host.Save();
        host.Restart(TestProject.Plan);
        Pay(host, 1, offset: 4, partition: 1);
        Assert.IsEmpty(Block(host, 1));
        Pay(host, 1, offset: 1);
        Pay(host, 2, offset: 2);
        Assert.AreEqual(1.0, Count(host, 1));
        Assert.AreEqual(3.0, Count(host, 2));
    }

    [TestMethod]
    public void WhatCannotBeAnEntityIsNotErased()
    {
        using var host = Start();
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => Erase(host, 2, [1]));
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => Erase(host, TestProject.Device, []));
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => Erase(host, TestProject.Device, new byte[EntityPlan.KeyBytesMax + 1]));
        Erase(host, TestProject.Device, new byte[EntityPlan.KeyBytesMax]);
    }

    /// <summary>A joined event is kept out by the record that made it, not by when it was made.</summary>
    [TestMethod]
    public void JoinedEventsOfBeforeAnErasureStayOut()
    {
        using var host = Start(JoinCase.Plan(JoinUnmatched.Both, 100));
        Apply(JoinCase.Impressions, 1, 0, offset: 0);
        Apply(JoinCase.Impressions, 2, 0, offset: 1);
        Erase(host, 0, Key(1));
        Apply(JoinCase.Clicks, 3, JoinCase.KeptMs + 1, offset: 0);
        Apply(JoinCase.Impressions, 3, JoinCase.KeptMs + 1, offset: 2);
        Assert.IsEmpty(Block(host, 1), "Its impression had no partner, which was known after it was erased.");
        Assert.IsNotEmpty(Block(host, 2));
        Assert.IsNotEmpty(Block(host, 3));
        Apply(JoinCase.Clicks, 1, JoinCase.KeptMs + 1, offset: 1);
        Apply(JoinCase.Impressions, 1, JoinCase.KeptMs + 1, offset: 3);
        Assert.IsNotEmpty(Block(host, 1));

        void Apply(int side, long user, long ms, long offset) => JoinCase.Apply(
            host.Runtime, JoinCase.Plan(JoinUnmatched.Both, 100),
            JoinCase.Event.Batch(JoinCase.Plan(JoinUnmatched.Both, 100), side, [new JoinCase.Event(side, TestProject.StartMs + ms, 0, offset, user, "ad", 1)]));
    }

    /// <summary>What was read between two erasures made no pair with what came before the first. Without a checkpoint it comes again, and makes none either.</summary>
    [TestMethod]
    public void ErasedTwiceEventsStayApartWhenTheyComeAgain()
    {
        var plan = JoinCase.PlanOfOwners(JoinUnmatched.Both);
        using var host = Start(plan);
        Read(erases: true);
        var (once, user) = (host.Runtime.Read(Users()), 0);
        host.Restart(plan);
        Read(erases: false);
        foreach (var (key, block) in host.Runtime.Read(Users()))
        {
            var values = new double[3];
            plan.Entities[0].Read(block, long.MaxValue >> 14, [0, 1, 2], values);
            CollectionAssert.AreEqual(user++ == 0 ? new double[] { 2, 6, 1 } : [1, 0, 1], values, key.Key);
            Assert.AreEqual(Convert.ToHexString(once[key]), Convert.ToHexString(block), key.Key);
        }

        void Read(bool erases)
        {
            Assert.IsEmpty(Apply(JoinCase.Impressions, 1, 0, offset: 0, price: 2));
            Erase();
            Assert.IsEmpty(Apply(JoinCase.Clicks, 1, 1, offset: 0, price: 3), "Its impression is erased.");
            Assert.IsEmpty(Apply(JoinCase.Impressions, 2, 1, offset: 1, price: 4));
            Erase();
            Assert.IsEmpty(Apply(JoinCase.Clicks, 2, 2, offset: 1, price: 5), "Its impression is erased.");
            Assert.IsEmpty(Apply(JoinCase.Impressions, 1, 3, offset: 2, price: 6));
            Assert.HasCount(1, Apply(JoinCase.Clicks, 1, 4, offset: 2, price: 7));
            // Time lets the others go, of which those count that were not erased.
            var alone = Apply(JoinCase.Clicks, 1, 3 * JoinCase.KeptMs, offset: 3, price: 8).Concat(Apply(JoinCase.Impressions, 3, 3 * JoinCase.KeptMs, offset: 3, price: 8))
                .Concat(Apply(JoinCase.Impressions, 3, 6 * JoinCase.KeptMs, offset: 4, price: 9)).Concat(Apply(JoinCase.Clicks, 3, 6 * JoinCase.KeptMs, offset: 4, price: 9)).ToList();
            Assert.HasCount(2, alone.Where(text => !text.Contains("USER=3", StringComparison.Ordinal)).ToList(), string.Join('\n', alone));

            void Erase()
            {
                if (erases)
                    EntityRuntimeContract.Erase(host, 2, [0, 1, (byte)'x']);
            }
        }

        List<string> Apply(int side, long user, long ms, long offset, double price) =>
            JoinCase.Apply(host.Runtime, plan, JoinCase.Event.Batch(plan, side, [new JoinCase.Event(side, TestProject.StartMs + ms, 0, offset, user, "x", price)]));

        static IEnumerable<(int, string)> Users() => [(0, Convert.ToHexString(Key(1))), (0, Convert.ToHexString(Key(2)))];
    }

    /// <summary>What events took along of an entity goes with it from all that is read again.</summary>
    [TestMethod]
    public void EventsThatComeAgainTakeNothingAlongOfAnErasedEntity()
    {
        var plan = EnrichmentCase.Plan;
        using var host = Start(plan);
        var (login, payment) = (new TestBatch(plan, EnrichmentCase.Logins), new TestBatch(plan, EnrichmentCase.Payments));
        EnrichmentCase.Add(login, (TestProject.StartMs, "d", false));
        EnrichmentCase.Add(payment, (new EnrichmentCase.Payment(TestProject.StartMs + 1, 1, 1, "d", 10, null, null, null), []));
        Assert.AreEqual(1.0, Fails());
        Erase(host, 2, [0, 1, (byte)'d']);
        host.Restart(plan);
        Assert.AreEqual(0.0, Fails());

        double Fails()
        {
            foreach (var batch in new[] { login, payment })
            {
                batch.ResetVectors();
                host.Runtime.Apply(batch);
            }

            return Value(plan, "customer", "customers", "fails", host.Runtime.Read([(1, Convert.ToHexString(Key(1)))]).Values.Single());
        }
    }

    /// <summary>Pairs and state are those of an oracle that looks at each pair, also when the process starts anew in the middle.</summary>
    [TestMethod]
    public void PairsAreTheOracles()
    {
        var (pairs, alone) = (0, 0);
        foreach (var unmatched in Enum.GetValues<JoinUnmatched>())
        {
            for (var seed = 1; seed <= Seeds; seed++)
            {
                var plan = JoinCase.Plan(unmatched, 1000);
                var oracle = new JoinCase.Oracle(unmatched, 1000);
                using var host = Start(plan);
                var number = 0;
                foreach (var batch in JoinCase.Batches(plan, seed, 60))
                {
                    var expected = oracle.Apply(batch);
                    var actual = JoinCase.Apply(host.Runtime, plan, batch);
                    Assert.AreEqual(string.Join('\n', expected), string.Join('\n', actual), $"{unmatched}, seed {seed}, batch {number}");
                    pairs += actual.Count(text => !text.EndsWith("#u", StringComparison.Ordinal));
                    alone += actual.Count(text => text.EndsWith("#u", StringComparison.Ordinal));
                    if (number++ % 20 == 10)
                        host.Save();
                    if (number == 31)
                        host.Restart(plan);
                }

                JoinCase.CheckViews(plan, host.Runtime, oracle);
            }
        }

        Assert.IsGreaterThan(200 * Seeds, pairs);
        Assert.IsGreaterThan(60 * Seeds, alone);
    }

    /// <summary>Vectors and state are those of an oracle that looks at all earlier events again, also when the process starts anew in the middle.</summary>
    [TestMethod]
    public void EnrichedFieldsAreAsOfTheEvent()
    {
        for (var seed = 1; seed <= Seeds; seed++)
        {
            var random = new Random(seed);
            var oracle = new EnrichmentCase.Oracle();
            using var host = Start(EnrichmentCase.Plan);
            var timeMs = TestProject.StartMs;
            for (var number = 0; number < 60; number++)
            {
                var batch = new TestBatch(EnrichmentCase.Plan, number % 2 == 0 ? EnrichmentCase.Payments : EnrichmentCase.Logins);
                List<double[]> expected = [];
                for (var left = random.Next(100); left > 0; left--)
                {
                    timeMs += random.Next(2) * random.Next(1000);
                    var device = random.Next(10) == 0 ? null : $"d{random.Next(6)}";
                    if (batch.Apply.Source == EnrichmentCase.Logins)
                        EnrichmentCase.Add(batch, oracle.Login(timeMs, device, random.Next(2) == 0));
                    else
                        expected.Add(EnrichmentCase.Add(batch, oracle.Pay(timeMs, random.Next(8), random.Next(12) == 0 ? null : random.Next(5), device, random.Next(1, 1000))));
                }

                batch.ResetVectors();
                host.Runtime.Apply(batch);
                if (batch.Apply.Source == EnrichmentCase.Payments)
                {
                    EnrichmentCase.Computed.Fill(batch.Vectors[0], batch.Events);
                    for (var row = 0; row < expected.Count; row++)
                        CollectionAssert.AreEqual(expected[row], batch.Vectors[0].Row(row).ToArray(), $"seed {seed}, batch {number}, row {row}");
                }

                if (number != 30)
                    continue;
                host.Save();
                host.Restart(EnrichmentCase.Plan);
            }
        }
    }

    /// <summary>Under other definitions features that are the same go on, by name wherever they stand; new ones begin empty.</summary>
    [TestMethod]
    public void StateIsMigratedByName()
    {
        using var host = Start();
        var plain = new PlainRuntime(TestProject.Plan);
        foreach (var batch in TestProject.Batches(7, 12, 200))
        {
            plain.Apply(batch);
            batch.ResetVectors();
            host.Runtime.Apply(batch);
        }

        host.Save();
        var old = TestProject.Definition;
        var added = new FeatureDefinition { Name = "most", Aggregate = Aggregate.Max, Of = "AMOUNT" };
        var plan = TestProject.Compile(old with
        {
            Entities = [old.Entities[1], old.Entities[0]],
            FeatureViews = [old.FeatureViews[0] with { Features = [added, .. old.FeatureViews[0].Features] }, old.FeatureViews[1]],
        });
        for (var start = 0; start < 2; start++)
        {
            host.Restart(plan);
            Compare();
        }

        // What came to be under the new definitions is saved among the migrated.
        Pay(host, 1, offset: long.MaxValue - 1, plan: plan);
        host.Save();
        host.Restart(plan);
        Assert.AreEqual(1.0, Value(plan, "customer", "spend", "most", host.Runtime.Read([(1, Convert.ToHexString(Key(1)))]).Values.Single()));
        host.Restart(plan);
        Compare(except: Convert.ToHexString(Key(1)));

        void Compare(string? except = null)
        {
            foreach (var ((index, key), block) in plain.Blocks.Where(pair => pair.Key.Key != except))
            {
                var entity = TestProject.Plan.Entities[index];
                var migrated = host.Runtime.Read([(1 - index, key)]).Values.Single();
                Assert.AreEqual(EntityPlan.Sequence(block), EntityPlan.Sequence(migrated));
                foreach (var feature in entity.Features)
                {
                    Assert.AreEqual(
                        Value(TestProject.Plan, entity.Name, feature.View.Name, feature.Name, block),
                        Value(plan, entity.Name, feature.View.Name, feature.Name, migrated), $"{feature.Name} of {key}");
                }

                if (entity.Name == "customer")
                    Assert.AreEqual(double.NaN, Value(plan, entity.Name, "spend", "most", migrated));
            }
        }
    }

    [TestMethod]
    public void StateOfOtherKeysIsRefused()
    {
        using var host = Start();
        Pay(host, 1, offset: 0);
        host.Save();
        var old = TestProject.Definition;
        var sources = old.Sources.Select(source => source with { Fields = [.. source.Fields.Select(field => field.Name == "CUSTOMER" ? field with { Type = FieldType.String } : field)] });
        var exception = Assert.ThrowsExactly<InvalidDataException>(() => host.Restart(TestProject.Compile(old with { Sources = [.. sources] })));
        StringAssert.Contains(exception.Message, "written under other definitions, and cannot be migrated");
        StringAssert.Contains(exception.Message, "entity \"customer\" has keys of other types, or another format");
    }

    /// <summary>What a join waits for outlives changed definitions, and the start after.</summary>
    [TestMethod]
    public void JoinsGoOnUnderOtherDefinitions()
    {
        var definition = JoinCase.Definition(JoinUnmatched.None, 100);
        var (before, after) = (TestProject.Compile(definition), TestProject.Compile(definition with { FeatureViews = [definition.FeatureViews[0] with { Features = [.. definition.FeatureViews[0].Features.Skip(1)] }] }));
        using var host = Start(before);
        Assert.IsEmpty(Apply(before, JoinCase.Impressions, 1));
        host.Save();
        host.Restart(after);
        host.Save();
        host.Restart(after);
        Assert.HasCount(1, Apply(after, JoinCase.Clicks, 1));

        List<string> Apply(ProjectPlan plan, int side, long user) =>
            JoinCase.Apply(host.Runtime, plan, JoinCase.Event.Batch(plan, side, [new JoinCase.Event(side, TestProject.StartMs, 0, 0, user, "ad", 1)]));
    }

    /// <summary>Batches of payments, some of them of earlier ones, to be taken back or changed.</summary>
    private static IEnumerable<TestBatch> Changes(int seed, int batches)
    {
        var random = new Random(seed);
        var (timeMs, known) = (TestProject.StartMs, new List<(long TimeMs, long Customer, double Amount)>());
        for (var number = 0; number < batches; number++)
        {
            var batch = new TestBatch(TestProject.Plan, TestProject.Payments);
            for (var left = random.Next(60); left > 0; left--)
            {
                timeMs += random.Next(300);
                var payment = (TimeMs: timeMs - random.Next(3000), Customer: (long)random.Next(20), Amount: random.Next(100_000) / 100.0);
                if (random.Next(3) == 0 && known.Count > 0)
                {
                    var index = Math.Max(0, known.Count - 1 - random.Next(40));
                    var old = known[index];
                    known.RemoveAt(index);
                    Add(batch, old).IsRetraction = true;
                    if (random.Next(2) == 0)
                        continue;
                    payment = old with { Amount = payment.Amount };
                    var offset = batch.Events[batch.Events.Count - 1].Offset;
                    batch.Events[batch.Events.Count - 1].IsUpdate = true;
                    ref var header = ref Add(batch, payment);
                    (header.IsUpdate, header.Offset) = (true, offset);
                }
                else
                {
                    Add(batch, payment);
                }

                known.Add(payment);
            }

            batch.ResetVectors();
            yield return batch;
        }

        static ref EventHeader Add(TestBatch batch, (long TimeMs, long Customer, double Amount) payment)
        {
            batch.Add(payment.TimeMs, payment.Customer, "d", payment.Amount);
            return ref batch.Events[batch.Events.Count - 1];
        }
    }

    private static void Pay(RuntimeHost host, long customer, long offset, int partition = 0, ProjectPlan? plan = null)
    {
        var batch = new TestBatch(plan ?? TestProject.Plan, TestProject.Payments);
        batch.Add(TestProject.StartMs, customer, null, 1);
        batch.Events[0].Offset = offset;
        batch.Events[0].Partition = partition;
        batch.ResetVectors();
        host.Runtime.Apply(batch);
    }

    private static void Erase(RuntimeHost host, long customer) => Erase(host, TestProject.Customer, Key(customer));

    private static void Erase(RuntimeHost host, int entity, byte[] key) => host.Runtime.EraseAsync(entity, key, CancellationToken.None).AsTask().GetAwaiter().GetResult();

    private static byte[] Block(RuntimeHost host, long customer) => host.Runtime.Read([(TestProject.Customer, Convert.ToHexString(Key(customer)))]).Single().Value;

    private static double Count(RuntimeHost host, long customer) => Value(TestProject.Plan, "customer", "spend", "n", Block(host, customer));

    private static double Value(ProjectPlan plan, string entity, string view, string feature, byte[] block)
    {
        Span<double> value = stackalloc double[1];
        var of = plan.Entities.First(other => other.Name == entity);
        Assert.IsNull(of.Check(block));
        of.Read(block, TestProject.StartMs + 60_000 - 1, [of.IndexOf(view, feature)], value);
        return value[0];
    }

    private static byte[] Key(long number)
    {
        var key = new byte[8];
        BinaryPrimitives.WriteInt64BigEndian(key, number);
        return key;
    }
}
