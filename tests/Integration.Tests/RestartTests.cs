using FeatureStore.Harness;

namespace FeatureStore.Integration;

/// <summary>Whatever ends the server, and whenever: afterwards each transaction has exactly one committed prediction, and a right one.</summary>
[TestClass]
public sealed class RestartTests : SystemTest
{
    private const int SubsetCount = 300_000;
    private static readonly TimeSpan s_deadline = TimeSpan.FromMinutes(3);

    [TestMethod]
    public void FiveKillsLoseNothingAndRepeatNothing()
    {
        var random = Seeded();
        var job = NewJob(TransactionsTopic());
        var run = new Run(this, job, FraudData.TransactionCount);
        var moments = Enumerable.Range(0, 5).Select(_ => random.Next(FraudData.TransactionCount * 9 / 10)).Order().ToList();
        for (var i = 0; i < moments.Count; i++)
        {
            var silo = Start(job);
            if (i == 2)
                Assert.IsFalse(silo.HasExitedAfter(TimeSpan.FromMilliseconds(random.Next(3000))), silo.Error); // while it starts or recovers
            else
                run.ReadUntil(moments[i], silo);
            silo.Kill();
            TestContext.WriteLine($"kill {i + 1}: {run.Distinct} predictions read");
        }

        run.Finish();
    }

    [TestMethod]
    public void ARestartAfterSigtermGoesOn()
    {
        var random = Seeded();
        var job = NewJob(TransactionsTopic(SubsetCount));
        var run = new Run(this, job, SubsetCount);
        for (var i = 1; i <= 2; i++)
        {
            var silo = Start(job);
            run.ReadUntil(random.Next(SubsetCount * i / 3), silo);
            Assert.AreEqual(0, silo.Terminate(StopDeadline), silo.Error);
            TestContext.WriteLine($"SIGTERM {i}: {run.Distinct} predictions read");
        }

        run.Finish();
    }

    [TestMethod]
    public void LostDataIsRebuiltInSilence()
    {
        var random = Seeded();
        var job = NewJob(TransactionsTopic(SubsetCount));
        var run = new Run(this, job, SubsetCount);
        var silo = Start(job);
        run.ReadUntil(random.Next(SubsetCount / 4, SubsetCount / 2), silo);
        silo.Kill();
        job.LoseData();
        run.Finish();
    }

    [TestMethod]
    public void ASecondProcessOfTheProjectRepeatsNothing()
    {
        var job = NewJob(TransactionsTopic(SubsetCount));
        var run = new Run(this, job, SubsetCount);
        var first = Start(job);
        run.ReadUntil(SubsetCount / 4, first);
        job.LoseData(); // the second one has data of its own: nothing but the broker can tell the two
        run.Finish();

        // The second one took over, so the first one has nothing left to do, and says so.
        Assert.IsTrue(first.HasExitedAfter(StopDeadline), "the first process runs on");
        Assert.AreNotEqual(0, first.WaitForExit(StopDeadline));
        Assert.AreNotEqual("", first.Error);
    }

    /// <summary>A job whose predictions are judged while servers come and go.</summary>
    private sealed class Run
    {
        private readonly RestartTests _test;
        private readonly FraudJob _job;
        private readonly int _count;
        private readonly PredictionOracle _oracle;
        private CommittedReader? _reader;

        public Run(RestartTests test, FraudJob job, int count)
        {
            (_test, _job, _count) = (test, job, count);
            _oracle = FraudExpectations.Oracle(job, count: count);
            Kafka.CreateTopic(job.Sink(), 4);
        }

        public int Distinct => _oracle.Distinct;

        public void ReadUntil(int distinct, SiloProcess writer)
        {
            _reader ??= new CommittedReader(Kafka.Bootstrap, _job.Sink(), (key, value) => _oracle.Accept(key, value));
            _reader.ReadUntil(() => Distinct >= distinct, s_deadline, () => $"{Distinct} distinct of {distinct}. {_oracle.Verdict()}", writer.ThrowIfExited);
        }

        /// <summary>Starts a server once more, lets it do the rest, stops it, and asks for the verdict.</summary>
        public void Finish()
        {
            var silo = _test.Start(_job);
            silo.WaitReady(ReadyDeadline);
            ReadUntil(_count, silo);
            Assert.AreEqual(0, silo.Terminate(StopDeadline), silo.Error);
            _reader!.ReadToEnd();
            _reader.Dispose();
            Assert.AreEqual("", _oracle.Verdict());
            Assert.AreEqual(_count, _oracle.ReferenceCompared);
        }
    }
}
