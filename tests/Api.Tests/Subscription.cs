using System.Net;
using System.Net.ServerSentEvents;
using System.Text.Json;
using FeatureStore.Api.Changes;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;

namespace FeatureStore.Api.Tests;

/// <summary>An event of a stream of changes.</summary>
internal sealed record ChangeEvent(string Event, string Text)
{
    public JsonElement Data { get; } = JsonDocument.Parse(Text).RootElement;

    public void Is(string expected) => Assert.AreEqual(expected, Text);

    /// <summary>A column's values, or what else it has, as JSON.</summary>
    public string Column(string name, string what = "values") => Element(name).GetProperty(what).GetRawText();

    public bool Has(string name, long value) => Element(name).GetProperty("values").EnumerateArray().Any(element => element.GetInt64() == value);

    /// <summary>Pairs of two columns.</summary>
    public IEnumerable<KeyValuePair<long, double>> Rows(string key, string value) => Element(key).GetProperty("values").EnumerateArray()
        .Zip(Element(value).GetProperty("values").EnumerateArray(), (left, right) => KeyValuePair.Create(left.GetInt64(), right.GetDouble()));

    private JsonElement Element(string name)
    {
        var names = Data.GetProperty("metadata").GetProperty("feature_names").EnumerateArray().Select(element => element.GetString()).ToList();
        Assert.Contains(name, names, Text);
        return Data.GetProperty("results")[names.IndexOf(name)];
    }
}

/// <summary>A subscriber to changes over HTTP, which moves the host's clock while it waits for one. It reads events as .NET's own parser does.</summary>
internal sealed class Subscription : IAsyncDisposable
{
    private readonly ApiHost _host;
    private readonly HttpResponseMessage _response;
    private readonly SseParser<string> _parser;
    private readonly IAsyncEnumerator<SseItem<string>> _items;
    private Task<bool>? _next;

    private Subscription(ApiHost host, HttpResponseMessage response, Stream stream)
    {
        (_host, _response) = (host, response);
        _parser = SseParser.Create(stream);
        _items = _parser.EnumerateAsync().GetAsyncEnumerator();
    }

    public static async Task<Subscription> OpenAsync(ApiHost host, string query, string? lastEventId = null)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, "/v1/changes?" + query);
        if (lastEventId is not null)
            request.Headers.TryAddWithoutValidation("Last-Event-ID", lastEventId);
        var response = await host.Client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
        Assert.AreEqual(HttpStatusCode.OK, response.StatusCode, response.IsSuccessStatusCode ? "" : await response.Content.ReadAsStringAsync());
        return new Subscription(host, response, await response.Content.ReadAsStreamAsync());
    }

    public async Task<ChangeEvent> NextAsync(string expected)
    {
        // All else comes without: a round that is still under way would tell of some of what the test does next before the rest.
        var isTimeMoving = expected == "change";
        _next ??= _items.MoveNextAsync().AsTask();
        for (var deadline = DateTime.UtcNow.AddSeconds(60); !_next.IsCompleted; await Task.WhenAny(_next, Task.Delay(5)))
        {
            if (isTimeMoving)
                _host.Time.Advance(TimeSpan.FromMilliseconds(50));
            Assert.IsTrue(DateTime.UtcNow < deadline, $"no event \"{expected}\" came");
        }

        Assert.IsTrue(await _next, $"the stream ended before an event \"{expected}\"");
        _next = null;
        Assert.AreEqual(expected, _items.Current.EventType, _items.Current.Data);
        return new ChangeEvent(_items.Current.EventType, _items.Current.Data);
    }

    /// <summary>Lets what has changed so far be gathered and sent, if it is to be sent at all.</summary>
    public async Task SettleAsync()
    {
        _next ??= _items.MoveNextAsync().AsTask();
        var before = await LastIdAsync();
        // An id goes out with everything that was read, sent or not.
        for (var deadline = DateTime.UtcNow.AddSeconds(60); _parser.LastEventId == before; await Task.Delay(5))
        {
            _host.Time.Advance(TimeSpan.FromMilliseconds(50));
            Assert.IsTrue(DateTime.UtcNow < deadline, "nothing was read");
        }

        Assert.IsFalse(_next.IsCompleted, "nothing was to be sent");
    }

    /// <summary>The newest id, once there is one.</summary>
    public async Task<string?> LastIdAsync()
    {
        _next ??= _items.MoveNextAsync().AsTask();
        for (var deadline = DateTime.UtcNow.AddSeconds(60); _parser.LastEventId.Length == 0; await Task.Delay(5))
            Assert.IsTrue(DateTime.UtcNow < deadline, "no id came");
        return _parser.LastEventId;
    }

    public async Task<bool> HasEndedAsync() => !await _items.MoveNextAsync().AsTask().WaitAsync(TimeSpan.FromSeconds(60));

    public async ValueTask DisposeAsync()
    {
        _response.Dispose();
        if (_next is not null)
            await ((Task)_next).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        await _items.DisposeAsync();
    }
}

/// <summary>A subscriber whose connection takes nothing while it is told not to.</summary>
internal sealed class BlockedClient : Stream
{
    private readonly ApiHost _host;
    private readonly CancellationTokenSource _leave = new();
    private readonly Lock _lock = new();
    private readonly MemoryStream _received = new();
    private readonly Task _answer;
    private TaskCompletionSource _open = new();
    private volatile bool _isWaiting;

    public BlockedClient(ApiHost host, string query)
    {
        _host = host;
        _open.SetResult();
        var context = new DefaultHttpContext { RequestServices = host.Services, RequestAborted = _leave.Token };
        context.Request.QueryString = new QueryString(query);
        context.Response.Body = this;
        _answer = Task.Run(() => host.Services.GetRequiredService<ChangesEndpoint>().HandleAsync(context));
    }

    public override bool CanRead => false;

    public override bool CanSeek => false;

    public override bool CanWrite => true;

    public override long Length => throw new NotSupportedException();

    public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

    /// <summary>Takes nothing from here on; returns when the server waits.</summary>
    public async Task BlockAsync(Func<Task> change)
    {
        await UntilAsync(() => LastId().Length > 0, "all that the stream begins with is there");
        _open = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await change();
        await UntilAsync(() => _isWaiting, "the server waits for the client");
    }

    /// <summary>Takes all again, until an event is among it.</summary>
    public async Task<List<ChangeEvent>> ReadUntilAsync(Predicate<ChangeEvent> isLast)
    {
        _open.TrySetResult();
        await UntilAsync(() => Events().Exists(isLast), "the last event comes");
        return Events();
    }

    public override async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        _isWaiting = !_open.Task.IsCompleted;
        await _open.Task.WaitAsync(cancellationToken);
        _isWaiting = false;
        lock (_lock)
            _received.Write(buffer.Span);
    }

    public override Task WriteAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) => WriteAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override void Flush()
    {
    }

    public override Task FlushAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    public override async ValueTask DisposeAsync()
    {
        await _leave.CancelAsync();
        await _answer.WaitAsync(TimeSpan.FromSeconds(60));
        _leave.Dispose();
        await base.DisposeAsync();
    }

    private async Task UntilAsync(Func<bool> condition, string what)
    {
        for (var deadline = DateTime.UtcNow.AddSeconds(60); !condition(); await Task.Delay(5))
        {
            _host.Time.Advance(TimeSpan.FromMilliseconds(50));
            Assert.IsTrue(DateTime.UtcNow < deadline, $"not within 60 s: {what}");
            Assert.IsFalse(_answer.IsCompleted, $"the answer ended before: {what}");
        }
    }

    /// <summary>The whole events that have come.</summary>
    private List<ChangeEvent> Events() => [.. Received().Enumerate().Select(item => new ChangeEvent(item.EventType, item.Data))];

    /// <summary>The newest id that has come, if one has.</summary>
    private string LastId()
    {
        var received = Received();
        _ = received.Enumerate().Count();
        return received.LastEventId;
    }

    private SseParser<string> Received()
    {
        lock (_lock)
            return SseParser.Create(new MemoryStream(_received.ToArray()));
    }
}
