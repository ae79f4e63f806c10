using System.Diagnostics.CodeAnalysis;
using FeatureStore.Core.Vectors;
using FeatureStore.Harness;
using FeatureStore.Runtime;
using FeatureStore.Runtime.Tests;
using Microsoft.Extensions.DependencyInjection;
using Orleans.Storage;

namespace FeatureStore.Grains.Tests;

/// <summary>What any silo knows of what the others run.</summary>
[TestClass]
public sealed class SiloReportTests
{
    [TestMethod]
    public async Task AnySiloAnswersForAll()
    {
        var storage = new SharedStorage();
        using var cluster = Cluster.Start(3, (number, silo) => Configure(silo, storage, number, new Status()), null, _ => TestProject.Plan);
        var (runtime, _) = cluster.Own(0);
        var plain = new PlainRuntime(TestProject.Plan);
        foreach (var (expected, actual) in TestProject.Batches(1, 10, 200).Zip(TestProject.Batches(1, 10, 200)))
        {
            plain.Apply(expected);
            runtime.Apply(actual);
        }

        for (var asked = 0; asked < 3; asked++)
        {
            var reports = cluster.Service<ISiloReports>(cluster.Silo(asked));
            var rows = await reports.ReadAsync(CancellationToken.None);
            // On a busy machine one may take more than the second that it has.
            Wait.Until(() => (rows = reports.ReadAsync(CancellationToken.None).GetAwaiter().GetResult()).All(row => row.Problem is null), TimeSpan.FromSeconds(60), () => string.Join(' ', rows));

            Assert.HasCount(3, rows);
            CollectionAssert.AreEquivalent(cluster.Silos.Select(silo => silo.SiloAddress.ToString()).ToList(), rows.Select(row => row.Address).ToList());
            Assert.AreEqual(cluster.Silo(asked).SiloAddress.ToString(), rows.Single(row => row.IsSelf).Address);
            for (var number = 0; number < 3; number++)
            {
                var report = rows.Single(row => row.Address == cluster.Silo(number).SiloAddress.ToString()).Report!;
                Assert.AreEqual($"silo {number}", report.Name);
                Assert.AreEqual(number == 0 ? "ingest" : "serve", string.Join(',', report.Roles));
                Assert.AreEqual("risk→risk 7, short→short -", string.Join(", ", report.Services.SelectMany(service => service.Models.Select(model => $"{service.Name}→{model.Name} {model.Version ?? "-"}"))));
                Assert.AreEqual(number.ToString(System.Globalization.CultureInfo.InvariantCulture), report.Services[0].Models[0].Sha256);
                Assert.AreEqual("payments:3", string.Join(' ', report.Ingests.Select(part => $"{part.Source}:{string.Join(',', part.Partitions)}")));
                Assert.AreEqual(PipelinePhase.Running, report.Phase);
                Assert.AreEqual(new ClusterPlan(TestProject.Plan).Fingerprint.ToString("x16", System.Globalization.CultureInfo.InvariantCulture), report.Calls);
                Assert.IsGreaterThan(1 << 20, report.Memory.UsedBytes);
            }

            Assert.AreEqual(plain.Blocks.Count, rows.Sum(row => row.Report!.Entities.Sum(count => count.Active)));
        }
    }

    [TestMethod]
    public async Task OneThatDoesNotAnswerIsARowThatSaysSo()
    {
        var (storage, status) = (new SharedStorage(), new Status());
        using var cluster = Cluster.Start(2, (number, silo) => Configure(silo, storage, number, number == 1 ? status : new Status()), null, _ => TestProject.Plan);
        var reports = cluster.Service<ISiloReports>(cluster.Silo(0));
        var silent = cluster.Silo(1).SiloAddress.ToString();
        SiloRow? row = null;
        Wait.Until(() => (row = Row()).Problem is null, TimeSpan.FromSeconds(60), () => $"{row}");
        try
        {
            status.Answers.Reset();
            // Answers of the last second are given again.
            Wait.Until(() => (row = Row()).Problem is not null, TimeSpan.FromSeconds(60), () => $"{row}");
            Assert.AreEqual("It has not answered within 1 s.", row!.Problem);
            Assert.AreEqual("silo 1", row.Report?.Name, "what it said last");
            Wait.Until(() => Row(row => row.IsSelf).Problem is null, TimeSpan.FromSeconds(60), () => "The silo itself does not answer either.");
            status.Answers.Set();
            Wait.Until(() => (row = Row()).Problem is null, TimeSpan.FromSeconds(60), () => $"{row}");
        }
        finally
        {
            status.Answers.Set();
        }

        SiloRow Row(Func<SiloRow, bool>? which = null) => reports.ReadAsync(CancellationToken.None).GetAwaiter().GetResult().Single(which ?? (row => row.Address == silent));
    }

    private static void Configure(ISiloBuilder silo, SharedStorage storage, int number, Status status) => silo.Services
        .AddKeyedSingleton<IGrainStorage>(ClusterNames.Storage, storage)
        .AddSingleton(new SiloIdentity($"silo {number}", [number == 0 ? "ingest" : "serve"]))
        .AddSingleton<IModelCatalog>(new Catalog(new FakeModel("risk", "7", number.ToString(System.Globalization.CultureInfo.InvariantCulture), null)))
        .AddSingleton<IPipelineStatus>(status);

    /// <summary>A pipeline's status that may be long in coming.</summary>
    private sealed class Status : IPipelineStatus
    {
        public ManualResetEventSlim Answers { get; } = new(true);

        public PipelineStatus Current
        {
            get
            {
                Answers.Wait(TimeSpan.FromSeconds(120));
                return new PipelineStatus
                {
                    Phase = PipelinePhase.Running,
                    TimeMs = 1,
                    Sources =
                    [
                        new SourceStatus { Name = "payments", Topic = "payments", Partitions = [new PartitionStatus { Partition = 3, Position = 0, EndOffset = 0 }] },
                        new SourceStatus { Name = "logins", Topic = "logins" },
                    ],
                };
            }
        }
    }
}

/// <summary>Models that are loaded.</summary>
internal sealed class Catalog(params FakeModel[] models) : IModelCatalog
{
    public IReadOnlyList<string> Models => [.. models.Select(model => model.Model)];

    public bool TryGet(string name, [NotNullWhen(true)] out IServedModel? model) => (model = models.FirstOrDefault(known => known.Model == name)) is not null;

    public void Dispose()
    {
    }
}

/// <summary>Scores a vector by its version: the number, and then the vector's own.</summary>
/// <param name="name">Of the model.</param>
/// <param name="version">A number.</param>
/// <param name="sha256">Of its files.</param>
/// <param name="service">What it was loaded with; null: it scores nothing.</param>
internal sealed class FakeModel(string name, string version, string sha256, ServicePlan? service) : IServedModel
{
    public string Model => name;

    public string Version => version;

    public IReadOnlyList<string> Outputs { get; } = ["version", "sum"];

    public ModelMetadata Metadata => new(name, version, "test", [], []) { Sha256 = sha256 };

    public void Score(VectorBatch vectors, ScoreBatch scores)
    {
        // As the real one: a vector of another plan's service is none of its own.
        Assert.AreSame(service, vectors.Service);
        scores.Reset(vectors.Count, 2);
        for (var row = 0; row < vectors.Count; row++)
        {
            scores.Row(row)[0] = double.Parse(version, System.Globalization.CultureInfo.InvariantCulture);
            scores.Row(row)[1] = vectors.Row(row).ToArray().Sum();
        }
    }

    public IReadOnlyList<TensorData> Infer(IReadOnlyList<TensorData> inputs, IReadOnlyList<string> outputs) => throw new NotSupportedException();

    public void Dispose()
    {
    }
}
