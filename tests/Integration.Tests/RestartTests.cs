using FeatureStore.Harness;

namespace FeatureStore.Integration;

/// <summary>Whatever ends the server, and whenever: afterwards each transaction has exactly one committed prediction, and a right one.</summary>
[TestClass]
public sealed class RestartTests : SystemTest
{
    private const int SubsetCount = 300_000;

    /// <summary>Sent beyond the moment of a disturbance: it meets a stream under way. The rest comes later, so that whoever comes next has something to answer, however fast the server is.</summary>
    private const int AheadCount = 20_000;
    private static readonly TimeSpan _deadline = TimeSpan.FromMinutes(3);

    [TestMethod]
    public void FiveKillsLoseNothingAndRepeatNothing()
    {
        var random = Seeded();
        using var run = new Run(this, NewJob(), FraudData.TransactionCount);
        var moments = Enumerable.Range(0, 5).Select(_ => random.Next(FraudData.TransactionCount * 9 / 10)).Order().ToList();
        for (var i = 0; i < moments.Count; i++)
        {
            var silo = Start(run.Job);
            if (i == 2)
                Assert.IsFalse(silo.HasExitedAfter(TimeSpan.FromMilliseconds(random.Next(3000))), silo.Error); // while it starts or recovers
            else
                run.ReadAmidst(moments[i], silo);
            silo.Kill();
            TestContext.WriteLine($"kill {i + 1}: {run.Distinct} predictions read");
        }

        run.Finish();
    }

    [TestMethod]
    public void ARestartAfterSigtermGoesOn()
    {
        var random = Seeded();
        using var run = new Run(this, NewJob(), SubsetCount);
        for (var i = 1; i <= 2; i++)
        {
            var silo = Start(run.Job).WaitReady(ReadyDeadline);
            run.ReadAmidst(random.Next(SubsetCount * i / 3), silo);
            Assert.AreEqual(0, silo.Terminate(StopDeadline), silo.Error);
            TestContext.WriteLine($"SIGTERM {i}: {run.Distinct} predictions read");
        }

        run.Finish();
    }

    [TestMethod]
    public void LostDataIsRebuiltInSilence()
    {
        var random = Seeded();
        using var run = new Run(this, NewJob(), SubsetCount);
        var silo = Start(run.Job);
        run.ReadAmidst(random.Next(SubsetCount / 4, SubsetCount / 2), silo);
        silo.Kill();
        run.Job.LoseData();
        run.Finish();
    }

    [TestMethod]
    public void ASecondProcessOfTheProjectTakesOver()
    {
        const int half = 1000;
        using var run = new Run(this, NewJob(), 2 * half);
        var first = Start(run.Job).WaitReady(ReadyDeadline);
        run.Send(half);
        run.ReadUntil(half, first);

        run.Job.LoseData(); // the second one has data of its own: nothing but the broker can tell the two
        var second = Start(run.Job).WaitReady(ReadyDeadline);
        run.Finish(second);

        // The first one read the same records, was not let to answer them, and says why.
        Assert.IsTrue(first.HasExitedAfter(StopDeadline), "the first process runs on");
        Assert.AreEqual(1, first.WaitForExit(StopDeadline), first.Error);
        StringAssert.Contains(first.Error, "instance");
    }

    /// <summary>A job to which transactions are sent, and whose predictions are judged, while servers come and go.</summary>
    private sealed class Run : IDisposable
    {
        private const int SentPerSecondMax = 400_000;
        private readonly RestartTests _test;
        private readonly int _count;
        private readonly PredictionOracle _oracle;
        private readonly PacedFeed _feed;
        private CommittedReader? _reader;

        public Run(RestartTests test, FraudJob job, int count)
        {
            (_test, Job, _count) = (test, job, count);
            _oracle = FraudExpectations.Oracle(job, count: count);
            Kafka.CreateTopic(job.Topic, 4);
            Kafka.CreateTopic(job.Sink(), 4);
            _feed = new PacedFeed(Kafka.Bootstrap, job.Topic, FraudExpectations.Transactions[..count], SentPerSecondMax);
        }

        public FraudJob Job { get; }

        public int Distinct => _oracle.Distinct;

        /// <summary>Has so many transactions sent in all.</summary>
        public void Send(int count) => _feed.AllowTo(Math.Max(count, _feed.Allowed));

        /// <summary>Reads until so many predictions are there, in a stream that goes on behind them.</summary>
        public void ReadAmidst(int distinct, SiloProcess writer)
        {
            Send(distinct + AheadCount);
            ReadUntil(distinct, writer);
        }

        public void ReadUntil(int distinct, SiloProcess writer)
        {
            _reader ??= new CommittedReader(Kafka.Bootstrap, Job.Sink(), (key, value) => _oracle.Accept(key, value));
            _reader.ReadUntil(() => Distinct >= distinct, _deadline, () => $"{Distinct} distinct of {distinct}. {_oracle.Verdict()}", () =>
            {
                writer.ThrowIfExited();
                _feed.ThrowIfFailed();
            });
        }

        /// <summary>Starts a server once more and lets it finish.</summary>
        public void Finish() => Finish(_test.Start(Job).WaitReady(ReadyDeadline));

        /// <summary>Lets a server do the rest, stops it, and asks for the verdict.</summary>
        public void Finish(SiloProcess silo)
        {
            Assert.IsLessThan(_count, _feed.Allowed, "nothing is left to do");
            Send(_count);
            ReadUntil(_count, silo);
            Assert.AreEqual(0, silo.Terminate(StopDeadline), silo.Error);
            _reader!.ReadToEnd();
            Assert.AreEqual("", _oracle.Verdict());
            Assert.AreEqual(_count, _oracle.ReferenceCompared);
        }

        public void Dispose()
        {
            _reader?.Dispose();
            _feed.Dispose();
        }
    }
}
