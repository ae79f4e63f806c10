using FeatureStore.Storage.Redis;

namespace FeatureStore.Storage.Tests;

[TestClass]
public sealed class CircuitBreakerTests
{
    private readonly ManualTime _time = new();
    private readonly CircuitBreaker _breaker;

    public CircuitBreakerTests() => _breaker = new CircuitBreaker(_time, pauseMsMax: 500);

    [TestMethod]
    public void A_success_between_failures_keeps_it_closed()
    {
        for (var i = 0; i < 10; i++)
        {
            for (var failure = 1; failure < CircuitBreaker.FailuresMax; failure++)
                _breaker.Fail();
            Assert.IsTrue(_breaker.TryEnter());
            _breaker.Succeed();
        }
    }

    [TestMethod]
    public void Failures_in_a_row_leave_one_attempt_a_pause_and_pauses_double_up_to_the_bound()
    {
        FailInARow();
        foreach (var pauseMs in new[] { 100, 200, 400, 500, 500 })
        {
            Assert.IsFalse(_breaker.TryEnter());
            _time.NowMs += pauseMs - 1;
            Assert.IsFalse(_breaker.TryEnter());
            _time.NowMs += 1;
            Assert.IsTrue(_breaker.TryEnter());
            Assert.IsFalse(_breaker.TryEnter(), "a second attempt in the same pause");
            _breaker.Fail();
        }
    }

    [TestMethod]
    public void A_success_closes_it_and_the_next_pause_is_short_again()
    {
        FailInARow();
        _time.NowMs += 100;
        Assert.IsTrue(_breaker.TryEnter());
        _breaker.Succeed();
        Assert.IsTrue(_breaker.TryEnter());
        FailInARow();
        _time.NowMs += 100;
        Assert.IsTrue(_breaker.TryEnter());
    }

    private void FailInARow()
    {
        for (var failure = 0; failure < CircuitBreaker.FailuresMax; failure++)
            _breaker.Fail();
    }

    private sealed class ManualTime : TimeProvider
    {
        public long NowMs { get; set; } = 1_000;

        public override long TimestampFrequency => 1_000;

        public override long GetTimestamp() => NowMs;
    }
}
