using FeatureStore.Grains.Entities;
using FeatureStore.Runtime;
using FeatureStore.Runtime.Tests;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Orleans.Storage;

namespace FeatureStore.Grains.Tests;

/// <summary>Which entities leave a silo's memory, and that nothing else changes by it. The memory that is measured is the test's.</summary>
[TestClass]
public sealed class EntitySheddingTests
{
    private const long LimitBytes = 1_000_000_000;

    [TestMethod]
    public async Task WhereMemoryIsShortIdleEntitiesGoAndAnswersStayRight()
    {
        var memory = new FakeMemory();
        var logs = new List<string>();
        using var cluster = Start(memory, logs);
        var (runtime, checkpoints) = cluster.Own(0);
        var cells = cluster.Service<EntityCells>(0);
        var shedding = cluster.Service<EntityShedding>(0);
        var plain = Apply(runtime, seed: 1);
        await CheckpointAsync(checkpoints);
        Assert.AreEqual(plain.Blocks.Count, cells.Count);
        Assert.AreEqual(plain.Blocks.Values.Sum(block => (long)block.Length), cells.Counts.Sum(count => count.SizeBytes));

        // A little more than is allowed: a part goes.
        memory.Share = 0.84;
        await ShedAsync(cells, shedding);
        Assert.AreEqual(plain.Blocks.Count, cells.Count);
        Assert.IsFalse(cells.IsShedding);
        memory.Share = 0.75 + 20.0 * EntityShedding.EntityBytes / LimitBytes;
        memory.Before = 0.9;
        await ShedAsync(cells, shedding);
        Assert.AreEqual(plain.Blocks.Count, cells.Count, "what was but garbage is no reason");

        (memory.Before, memory.Share) = (null, 0.9);
        memory.AboveBytes = 20 * EntityShedding.EntityBytes;
        await ShedAsync(cells, shedding);
        Assert.IsTrue(cells.IsShedding);
        var left = cells.Count;
        Assert.IsTrue(left < plain.Blocks.Count && left >= plain.Blocks.Count - 20, $"{left} of {plain.Blocks.Count}");
        Assert.AreEqual(left, cells.Counts.Sum(count => count.Active));

        // All: and all that was known is known still, and goes on.
        memory.AboveBytes = null;
        await ShedAsync(cells, shedding);
        Assert.AreEqual(0, cells.Count);
        Assert.AreEqual(0, cells.Counts.Sum(count => count.SizeBytes));
        memory.Share = 0.5;
        await ShedAsync(cells, shedding);
        Assert.IsFalse(cells.IsShedding);
        Runtimes.AssertSame(plain.Blocks, runtime.Read(plain.Blocks.Keys));
        Runtimes.AssertSame(Apply(runtime, seed: 2, plain).Blocks, runtime.Read(plain.Blocks.Keys));
        Assert.AreEqual(1, logs.Count(line => line.StartsWith("Memory is 90 % full, from 85 % on entities that are idle make room", StringComparison.Ordinal)), string.Join('\n', logs));
        Assert.AreEqual(1, logs.Count(line => line.StartsWith($"{plain.Blocks.Count} entities have made room: memory is 50 % full", StringComparison.Ordinal)), string.Join('\n', logs));
    }

    [TestMethod]
    public async Task WhatIsNotDurableStays()
    {
        var memory = new FakeMemory { Share = 0.99 };
        var logs = new List<string>();
        using var cluster = Start(memory, logs);
        var (runtime, checkpoints) = cluster.Own(0);
        var cells = cluster.Service<EntityCells>(0);
        var shedding = cluster.Service<EntityShedding>(0);
        var plain = Apply(runtime, seed: 3);
        var fed = cells.Count;
        await ShedAsync(cells, shedding);
        await ShedAsync(cells, shedding);
        Assert.AreEqual(plain.Blocks.Count, cells.Count, $"of {fed}");
        Assert.AreEqual(1, logs.Count(line => line.Contains("can make room now", StringComparison.Ordinal)), string.Join('\n', logs));
        await CheckpointAsync(checkpoints);
        await ShedAsync(cells, shedding);
        Assert.AreEqual(0, cells.Count);
        Runtimes.AssertSame(plain.Blocks, runtime.Read(plain.Blocks.Keys));
    }

    /// <summary>Events that come while entities are taken away: none is lost or counted twice, wherever it met them.</summary>
    [TestMethod]
    public async Task EventsThatComeMeanwhileAreNotLost()
    {
        const int Seed = 4;
        Console.WriteLine($"seed {Seed}");
        var memory = new FakeMemory { Share = 0.99 };
        using var cluster = Start(memory, []);
        var (runtime, checkpoints) = cluster.Own(0);
        var cells = cluster.Service<EntityCells>(0);
        var shedding = cluster.Service<EntityShedding>(0);
        var plain = new PlainRuntime(TestProject.Plan);
        var rounds = 0;
        var shed = new List<int>();
        foreach (var (expected, actual) in TestProject.Batches(Seed, 60, 100).Zip(TestProject.Batches(Seed, 60, 100)))
        {
            var before = cells.Count;
            var round = ShedAsync(cells, shedding);
            plain.Apply(expected);
            runtime.Apply(actual);
            await round;
            shed.Add(before - cells.Count);
            CollectionAssert.AreEqual(expected.Values(), actual.Values());
            if (++rounds % 5 == 0)
                await CheckpointAsync(checkpoints);
        }

        Assert.IsTrue(shed.Exists(count => count > 0), "nothing was ever shed");
        Runtimes.AssertSame(plain.Blocks, runtime.Read(plain.Blocks.Keys));
    }

    [TestMethod]
    public async Task TheLeastUsedGoFirst()
    {
        var memory = new FakeMemory();
        using var cluster = Start(memory, []);
        var (runtime, checkpoints) = cluster.Own(0);
        var cells = cluster.Service<EntityCells>(0);
        var shedding = cluster.Service<EntityShedding>(0);
        Pay(runtime, 0, 30);
        cells.NowSeconds = 100;
        // In place, which Orleans does not see.
        Pay(runtime, 0, 10);
        await CheckpointAsync(checkpoints);
        // A read is a use, too.
        runtime.Read([(TestProject.Customer, Key(15))]);
        (memory.Share, memory.AboveBytes) = (0.9, 18 * EntityShedding.EntityBytes);
        await ShedAsync(cells, shedding);
        var left = cells.All.Where(cell => cell.Entity == TestProject.Customer).Select(cell => Convert.ToInt64(cell.Address.Split('/')[1], 16)).Order().ToList();
        Assert.IsTrue(Enumerable.Range(0, 10).All(customer => left.Contains(customer)) && left.Contains(15), string.Join(' ', left));
        Assert.IsLessThanOrEqualTo(16, left.Count);
    }

    /// <summary>An entity that only gets events in place is in use, however long Orleans has not seen a call to it; one that gets none is not.</summary>
    [TestMethod]
    public async Task WhatNobodyUsesGoesAfterAWhile()
    {
        using var cluster = Start(new FakeMemory(), [], TimeSpan.FromSeconds(1));
        var (runtime, checkpoints) = cluster.Own(0);
        var cells = cluster.Service<EntityCells>(0);
        Pay(runtime, 0, 20);
        await CheckpointAsync(checkpoints);
        Harness.Wait.Until(
            () =>
            {
                Pay(runtime, 0, 5);
                CheckpointAsync(checkpoints).GetAwaiter().GetResult();
                return cells.Count == 5;
            },
            TimeSpan.FromSeconds(120), () => $"{cells.Count} are active.");
        Harness.Wait.Until(() => cells.Count == 0, TimeSpan.FromSeconds(120), () => $"{cells.Count} are active.");
    }

    /// <summary>
    /// Real memory: four times as much state as there is room for. The process stays within it, keeps what was used last, and knows all of it at the end. Needs a process in which no other test has left anything.
    /// </summary>
    [TestMethod]
    [TestCategory("Soak")]
    public async Task MoreStateThanMemoryIsKeptWithinIt()
    {
        const int Customers = 6_000;
        const int Events = 800;
        const int EventsPerBatch = 40;
        const long RoomBytes = 20 << 20;
        if (GC.GetTotalMemory(forceFullCollection: true) > RoomBytes)
            Assert.Inconclusive("Other tests have run in this process: ./test --soak --project Grains --filter Name=MoreStateThanMemoryIsKeptWithinIt.");
        var folder = Directory.CreateTempSubdirectory("shedding-").FullName;
        var limitBytes = long.MaxValue;
        var logs = new List<string>();
        try
        {
            using var cluster = Cluster.Start(
                1,
                silo =>
                {
                    silo.Services.AddKeyedSingleton<IGrainStorage>(ClusterNames.Storage, new FileStorage(folder));
                    silo.Services.AddSingleton<ILogger<EntityShedding>>(new ListLogger(logs));
                },
                new OrleansRuntimeOptions { Memory = () => ProcessMemory.Read() with { LimitBytes = Volatile.Read(ref limitBytes) }, SheddingInterval = TimeSpan.FromHours(1) });
            var (runtime, checkpoints) = cluster.Own(0);
            var cells = cluster.Service<EntityCells>(0);
            var shedding = cluster.Service<EntityShedding>(0);
            // What the owner keeps of an interval is there from now on.
            for (var number = 0; number < Events; number += EventsPerBatch)
                Pay(runtime, Customers, Customers + 500, EventsPerBatch);
            await CheckpointAsync(checkpoints);
            GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive, blocking: true, compacting: true);
            var begin = ProcessMemory.Read().UsedBytes;
            limitBytes = (long)((begin + RoomBytes) / 0.85);
            var state = cells.Counts.Sum(count => count.SizeBytes);
            var most = 0.0;
            for (var first = 0; first < Customers; first += 500)
            {
                cells.NowSeconds++;
                for (var number = 0; number < Events; number += EventsPerBatch)
                    Pay(runtime, first, first + 500, EventsPerBatch);
                await CheckpointAsync(checkpoints);
                await shedding.ShedAsync(CancellationToken.None);
                await shedding.ShedAsync(CancellationToken.None);
                var memory = ProcessMemory.Read();
                most = Math.Max(most, (double)memory.UsedBytes / limitBytes);
                Console.WriteLine($"{first + 500} customers: {memory.UsedBytes >> 20} of {limitBytes >> 20} MiB, {memory.ManagedBytes >> 20} managed; {cells.Count} active with {cells.Counts.Sum(count => count.SizeBytes) >> 20} MiB");
            }

            Console.WriteLine(string.Join('\n', logs));
            Assert.IsGreaterThan(4 * RoomBytes, state / 500 * Customers, "there is more state than room");
            Assert.IsGreaterThan(0, logs.Count);
            // What the owner keeps of those it called lately is not shed: 3 KB each.
            Assert.IsLessThan(1, most);
            Assert.IsTrue(cells.All.Any(cell => cell.Address.EndsWith(Key(Customers - 1).ToLowerInvariant(), StringComparison.Ordinal)), "the newest stay");
            for (var customer = 0; customer < Customers; customer += 97)
            {
                var block = runtime.Read([(TestProject.Customer, Key(customer))]).Single().Value;
                Assert.AreEqual(Events, Core.Plans.EntityPlan.Sequence(block), $"customer {customer}");
            }
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [TestMethod]
    [DataRow(0.0, 0.5, "MemoryShareMax")]
    [DataRow(1.1, 0.5, "MemoryShareMax")]
    [DataRow(0.8, 0.8, "MemoryShareTarget")]
    [DataRow(0.8, -0.1, "MemoryShareTarget")]
    public void OptionsOutOfRangeAreRefused(double max, double target, string name) => Assert.AreEqual(
        name, Assert.Throws<ArgumentOutOfRangeException>(() => new OrleansRuntimeOptions { MemoryShareMax = max, MemoryShareTarget = target }.Check()).ParamName);

    /// <summary>A second later, so that all that was used is idle.</summary>
    private static Task ShedAsync(EntityCells cells, EntityShedding shedding)
    {
        cells.NowSeconds++;
        return shedding.ShedAsync(CancellationToken.None);
    }

    private static Cluster Start(FakeMemory memory, List<string> logs, TimeSpan? idleMax = null) => Cluster.Start(
        1,
        silo =>
        {
            silo.Services.AddKeyedSingleton<IGrainStorage>(ClusterNames.Storage, new SharedStorage());
            silo.Services.AddSingleton<ILogger<EntityShedding>>(new ListLogger(logs));
        },
        new OrleansRuntimeOptions
        {
            Memory = memory.Read,
            IdleMax = idleMax ?? TimeSpan.FromHours(1),
            SheddingInterval = TimeSpan.FromSeconds(idleMax is null ? 3600 : 0.2),
            WriteBehind = TimeSpan.FromHours(1),
        });

    private static PlainRuntime Apply(OrleansRuntime runtime, int seed, PlainRuntime? plain = null)
    {
        plain ??= new PlainRuntime(TestProject.Plan);
        foreach (var (expected, actual) in TestProject.Batches(seed, 10, 200).Zip(TestProject.Batches(seed, 10, 200)))
        {
            plain.Apply(expected);
            runtime.Apply(actual);
        }

        return plain;
    }

    private static void Pay(OrleansRuntime runtime, int first, int end, int events = 1)
    {
        var batch = new TestBatch(TestProject.Plan, TestProject.Payments);
        for (var row = 0; row < (end - first) * events; row++)
            batch.Add(TestProject.StartMs, first + row / events, null, 1);
        batch.ResetVectors();
        runtime.Apply(batch);
    }

    private static string Key(long customer) => customer.ToString("X16", System.Globalization.CultureInfo.InvariantCulture);

    private static async Task CheckpointAsync(GrainCheckpoints checkpoints)
    {
        checkpoints.Begin("cluster", [], Task.CompletedTask);
        await checkpoints.CompleteAsync();
    }

    /// <summary>Memory as full as the test says.</summary>
    private sealed class FakeMemory
    {
        public double Share { get; set; } = 0.5;

        /// <summary>Of the first reading alone: what comes after it is after garbage was collected.</summary>
        public double? Before { get; set; }

        /// <summary>How much is above the target of 75 %, whatever the share; null: what the share says.</summary>
        public long? AboveBytes { get; set; }

        public MemoryReading Read()
        {
            var share = Before ?? Share;
            Before = null;
            // Of a small limit the share above the target is few bytes.
            return AboveBytes is { } above && share > 0.75
                ? new MemoryReading((long)(share * above / (share - 0.75)), (long)(above / (share - 0.75)), 0, 1)
                : new MemoryReading((long)(share * LimitBytes), LimitBytes, 0, 1);
        }
    }

    private sealed class ListLogger(List<string> lines) : ILogger<EntityShedding>
    {
        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            lock (lines)
                lines.Add(formatter(state, exception));
        }
    }

    /// <summary>Grain storage whose records take no memory.</summary>
    private sealed class FileStorage(string folder) : IGrainStorage
    {
        public async Task ReadStateAsync<T>(string stateName, GrainId grainId, IGrainState<T> grainState)
        {
            if (!File.Exists(PathOf(stateName, grainId)))
                return;
            grainState.State = (T)(object)new Persistence.StoredState { Bytes = await File.ReadAllBytesAsync(PathOf(stateName, grainId)) };
            (grainState.ETag, grainState.RecordExists) = ("any", true);
        }

        public async Task WriteStateAsync<T>(string stateName, GrainId grainId, IGrainState<T> grainState)
        {
            await File.WriteAllBytesAsync(PathOf(stateName, grainId), ((Persistence.StoredState)(object)grainState.State!).Bytes);
            (grainState.ETag, grainState.RecordExists) = ("any", true);
        }

        public Task ClearStateAsync<T>(string stateName, GrainId grainId, IGrainState<T> grainState) => throw new NotSupportedException();

        private string PathOf(string stateName, GrainId grainId) => Path.Combine(folder, $"{stateName} {grainId.ToString().Replace('/', '_')}");
    }
}
