using FeatureStore.Harness;

namespace FeatureStore.Integration;

/// <summary>Whatever ends the server, and whenever: afterwards each transaction has exactly one committed prediction, and a right one.</summary>
[TestClass]
public sealed class RestartTests : SystemTest
{
    private const int SubsetCount = 300_000;
    private static readonly TimeSpan _deadline = TimeSpan.FromMinutes(3);

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
            var silo = Start(job).WaitReady(ReadyDeadline);
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
    public void ASecondProcessOfTheProjectTakesOver()
    {
        const int half = 1000;
        var job = NewJob();
        Kafka.CreateTopic(job.Topic, 4);
        using var producer = new TransactionProducer(Kafka.Bootstrap, job.Topic);
        var run = new Run(this, job, 2 * half);
        var first = Start(job).WaitReady(ReadyDeadline);
        Send(FraudExpectations.Transactions.AsSpan(0, half));
        run.ReadUntil(half, first);

        job.LoseData(); // the second one has data of its own: nothing but the broker can tell the two
        var second = Start(job).WaitReady(ReadyDeadline);
        Send(FraudExpectations.Transactions.AsSpan(half, half));
        run.Finish(second);

        // The first one read the same records, was not let to answer them, and says why.
        Assert.IsTrue(first.HasExitedAfter(StopDeadline), "the first process runs on");
        Assert.AreEqual(1, first.WaitForExit(StopDeadline), first.Error);
        StringAssert.Contains(first.Error, "instance");

        void Send(ReadOnlySpan<Transaction> transactions)
        {
            foreach (var transaction in transactions)
                producer.Send(transaction);
            producer.Flush();
        }
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
            _reader.ReadUntil(() => Distinct >= distinct, _deadline, () => $"{Distinct} distinct of {distinct}. {_oracle.Verdict()}", writer.ThrowIfExited);
        }

        /// <summary>Starts a server once more and lets it finish.</summary>
        public void Finish() => Finish(_test.Start(_job).WaitReady(ReadyDeadline));

        /// <summary>Lets a server do the rest, stops it, and asks for the verdict.</summary>
        public void Finish(SiloProcess silo)
        {
            ReadUntil(_count, silo);
            Assert.AreEqual(0, silo.Terminate(StopDeadline), silo.Error);
            _reader!.ReadToEnd();
            _reader.Dispose();
            Assert.AreEqual("", _oracle.Verdict());
            Assert.AreEqual(_count, _oracle.ReferenceCompared);
        }
    }
}
