using StackExchange.Redis;

namespace FeatureStore.Storage.Redis;

/// <summary>
/// One connection, made and kept in the background. A call either has its answer within its time-out or throws <see cref="HotStoreException"/>;
/// it never waits for a connection.
/// </summary>
internal sealed class RedisLink : IAsyncDisposable
{
    private const int ConnectTimeoutMs = 2_000;

    private readonly CancellationTokenSource _disposing = new();
    private readonly ConfigurationOptions _configuration;
    private readonly CircuitBreaker _breaker;
    private readonly TimeProvider _timeProvider;
    private readonly int _retryMsMax;
    private volatile ConnectionMultiplexer? _connection;
    private volatile string _absence = "it has not been reached yet";

    public RedisLink(RedisHotStoreOptions options, TimeProvider timeProvider)
    {
        try
        {
            _configuration = ConfigurationOptions.Parse(options.Configuration);
        }
        catch (Exception exception) when (exception is ArgumentException or FormatException)
        {
            // The text may hold a password.
            throw new ArgumentException(
                "option \"Configuration\" is no address of Redis that StackExchange.Redis can read. Use \"host:port\", then options as in \"host:port,ssl=true\".",
                nameof(options), exception);
        }
        _configuration.AbortOnConnectFail = true;
        _configuration.ConnectTimeout = ConnectTimeoutMs;
        _configuration.ReconnectRetryPolicy = new ExponentialRetry(100, options.RetryMsMax);
        // A connection that is cut without a word is found by its unanswered keep-alive.
        _configuration.KeepAlive = 5;
        _timeProvider = timeProvider;
        _retryMsMax = options.RetryMsMax;
        _breaker = new CircuitBreaker(timeProvider, options.RetryMsMax);
        Endpoint = string.Join(',', _configuration.EndPoints.Select(Text));
        _ = Task.Run(ConnectAsync);
    }

    /// <summary>Addresses, for messages.</summary>
    public string Endpoint { get; }

    /// <summary>Sends a call and waits for its answer.</summary>
    /// <exception cref="HotStoreException">Redis is away, does not answer in time, or refuses.</exception>
    public async Task<T> CallAsync<T>(Func<IDatabase, Task<T>> call, int timeoutMs, CancellationToken cancellationToken)
    {
        var connection = _connection;
        if (connection is not { IsConnected: true })
            throw Away(connection is null ? _absence : "the connection is lost, and made again in the background");
        if (!_breaker.TryEnter())
            throw Away("it did not answer lately, and is tried again now and then");
        Task<T>? answer = null;
        try
        {
            answer = call(connection.GetDatabase());
            var result = await answer.WaitAsync(TimeSpan.FromMilliseconds(timeoutMs), _timeProvider, cancellationToken).ConfigureAwait(false);
            _breaker.Succeed();
            return result;
        }
        catch (Exception exception) when (exception is TimeoutException or RedisConnectionException)
        {
            Forget(answer);
            _breaker.Fail();
            throw Away(exception is RedisConnectionException ? "the connection broke" : $"no answer within {timeoutMs} ms", exception);
        }
        catch (OperationCanceledException)
        {
            Forget(answer);
            throw;
        }
        catch (ObjectDisposedException exception)
        {
            throw Away(_absence, exception);
        }
        catch (Exception exception) when (exception is RedisException or RedisCommandException)
        {
            _breaker.Succeed();
            StorageInstruments.HotFailures.Add(1);
            throw new HotStoreException($"hot store \"{Endpoint}\" refuses a call: {exception.Message.TrimEnd('.')}. Check its memory, its rights and that it is no cluster.", exception);
        }
    }

    /// <summary>Closes the connection without waiting for answers, or for an attempt to connect, which then closes its own.</summary>
    public async ValueTask DisposeAsync()
    {
        await _disposing.CancelAsync().ConfigureAwait(false);
        _absence = "the store is closed";
        await CloseAsync().ConfigureAwait(false);
    }

    private async Task ConnectAsync()
    {
        for (var pauseMs = 100; !_disposing.IsCancellationRequested; pauseMs = Math.Min(pauseMs * 2, _retryMsMax))
        {
            try
            {
                _connection = await ConnectionMultiplexer.ConnectAsync(_configuration).ConfigureAwait(false);
                break;
            }
            catch (Exception exception) when (exception is not OutOfMemoryException)
            {
                // Name resolution, TLS and the client itself throw what they like; whatever it is may be mended while this process runs.
                _absence = exception.Message.TrimEnd('.');
            }
            await Task.Delay(TimeSpan.FromMilliseconds(pauseMs), _timeProvider, _disposing.Token)
                .ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
        if (_disposing.IsCancellationRequested)
            await CloseAsync().ConfigureAwait(false);
    }

    private async Task CloseAsync()
    {
        if (Interlocked.Exchange(ref _connection, null) is not { } connection)
            return;
        await connection.CloseAsync(allowCommandsToComplete: false).ConfigureAwait(false);
        connection.Dispose();
    }

    private HotStoreException Away(string detail, Exception? exception = null)
    {
        StorageInstruments.HotFailures.Add(1);
        return new HotStoreException($"hot store \"{Endpoint}\" cannot be reached: {detail}. Read from the runtime meanwhile; check the server and the network.", exception);
    }

    /// <summary>Looks at the fate of an answer that nobody waits for any more, which else counts as unobserved.</summary>
    private static void Forget(Task? answer) =>
        answer?.ContinueWith(
            static task => _ = task.Exception, CancellationToken.None, TaskContinuationOptions.OnlyOnFaulted, TaskScheduler.Default);

    private static string Text(System.Net.EndPoint endpoint) =>
        endpoint is System.Net.DnsEndPoint dns ? $"{dns.Host}:{dns.Port}" : endpoint.ToString()!;
}
