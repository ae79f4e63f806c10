using System.Buffers.Binary;
using System.Diagnostics;
using System.Text;
using FeatureStore.Runtime;
using StackExchange.Redis;

namespace FeatureStore.Storage.Redis;

/// <summary>
/// The newest blocks in Redis. A block lies under <c>project:entity:</c> and its raw key; its value is a fence, incarnation and sequence (int64
/// big-endian each), then the block; a fence alone is a deleted entity. A source's stream time is the sequence of a value under
/// <c>project::stream_time:source</c>, fenced by the latest incarnation this store has published blocks of.
/// Redis itself compares fences before it writes, so an old owner that wakes up cannot overwrite a newer block.
/// Reading and publishing have a connection each, so that a large publication does not hold up a read. Any number of callers at once.
/// </summary>
public sealed class RedisHotStore : IHotStore
{
    private const int FenceBytes = 2 * sizeof(long);

    /// <summary>
    /// Writes the values whose fence is not less than the one stored; returns how many. Fences are compared as four 32-bit numbers: a Lua number
    /// has 53 bits, and Lua compares strings by the server's locale. A value that is no fenced block is overwritten.
    /// </summary>
    private const string FencedSet =
        """
        local function less(a, b)
          local a1, a2, a3, a4 = struct.unpack('>i4I4i4I4', a)
          local b1, b2, b3, b4 = struct.unpack('>i4I4i4I4', b)
          if a1 ~= b1 then return a1 < b1 end
          if a2 ~= b2 then return a2 < b2 end
          if a3 ~= b3 then return a3 < b3 end
          return a4 < b4
        end
        local written = 0
        for i = 1, #KEYS do
          local new = ARGV[i + 1]
          local old = redis.pcall('GETRANGE', KEYS[i], 0, 15)
          if type(old) ~= 'string' or #old < 16 or not less(new, old) then
            if #new == 16 and ARGV[1] ~= '0' then
              redis.call('SET', KEYS[i], new, 'EX', ARGV[1])
            else
              redis.call('SET', KEYS[i], new)
            end
            written = written + 1
          end
        end
        return written
        """;

    private readonly RedisHotStoreOptions _options;
    private readonly string _project;
    private readonly byte[][] _prefixes;
    private readonly RedisLink _publishing;
    private readonly RedisLink _reading;
    private long _incarnation;

    /// <summary>Returns at once; connections are made in the background, and until then calls throw.</summary>
    /// <param name="project">Name of the project, without a colon.</param>
    /// <param name="entities">Names of the entities by index, without a colon.</param>
    /// <param name="options">Address and bounds.</param>
    /// <param name="timeProvider">Clock of pauses and time-outs; default the system's.</param>
    /// <exception cref="ArgumentException">A name has a colon or is empty, or an option is out of its range.</exception>
    public RedisHotStore(string project, IReadOnlyList<string> entities, RedisHotStoreOptions options, TimeProvider? timeProvider = null)
    {
        ArgumentNullException.ThrowIfNull(entities);
        ArgumentNullException.ThrowIfNull(options);
        options.Validate();
        _options = options;
        _project = Name(project);
        _prefixes = [.. entities.Select(entity => Encoding.UTF8.GetBytes($"{project}:{Name(entity)}:"))];
        _publishing = new RedisLink(options, timeProvider ?? TimeProvider.System);
        _reading = new RedisLink(options, timeProvider ?? TimeProvider.System);
    }

    /// <inheritdoc/>
    /// <exception cref="HotStoreException">Redis is away, too slow or full. Some of the blocks may have been published; all may be again.</exception>
    public async ValueTask PublishAsync(HotBlocks blocks, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(blocks);
        if (blocks.Sequences.Count != blocks.Keys.Count || blocks.Blocks.Count != blocks.Keys.Count)
        {
            throw new ArgumentException(
                $"{blocks.Keys.Count} keys come with {blocks.Sequences.Count} sequences and {blocks.Blocks.Count} blocks. Give one of each a key.", nameof(blocks));
        }
        RaiseIncarnation(blocks.Incarnation);
        var inFlight = new Queue<Task<long>>(_options.CallsInFlightMax);
        try
        {
            for (var start = 0; start < blocks.Keys.Count;)
            {
                if (inFlight.Count == _options.CallsInFlightMax)
                    await inFlight.Dequeue().ConfigureAwait(false);
                var end = EndOfCall(blocks, start);
                inFlight.Enqueue(PublishCallAsync(blocks, start, end, cancellationToken));
                start = end;
            }
        }
        finally
        {
            await Task.WhenAll(inFlight).ConfigureAwait(false);
        }
    }

    /// <inheritdoc/>
    /// <remarks><paramref name="blocks"/> is cleared first, and left empty where this throws. A deleted entity has an empty block.</remarks>
    /// <exception cref="HotStoreException">Redis is away, too slow, or refuses.</exception>
    public async ValueTask GetAsync(int entity, BlockSet keys, BlockSet blocks, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(keys);
        ArgumentNullException.ThrowIfNull(blocks);
        blocks.Clear();
        if (keys.Count == 0)
            return;
        var started = Stopwatch.GetTimestamp();
        var calls = new RedisKey[(keys.Count - 1) / _options.KeysPerGetMax + 1][];
        for (var call = 0; call < calls.Length; call++)
        {
            var start = call * _options.KeysPerGetMax;
            calls[call] = new RedisKey[Math.Min(_options.KeysPerGetMax, keys.Count - start)];
            for (var i = 0; i < calls[call].Length; i++)
                calls[call][i] = Key(entity, keys[start + i]);
        }
        var answers = await _reading.CallAsync(
            database => Task.WhenAll(calls.Select(call => database.StringGetAsync(call))), _options.GetTimeoutMs, cancellationToken).ConfigureAwait(false);
        foreach (var values in answers)
        {
            foreach (var value in values)
            {
                byte[]? bytes = value;
                blocks.Add(bytes?.Length > FenceBytes ? bytes.AsSpan(FenceBytes) : []);
            }
        }
        StorageInstruments.HotGetDuration.Record(Stopwatch.GetElapsedTime(started).TotalSeconds);
    }

    /// <inheritdoc/>
    /// <remarks>Publish the blocks first: the time then belongs to their incarnation, and no reader's "now" is ahead of its blocks.</remarks>
    /// <exception cref="HotStoreException">Redis is away, too slow or full.</exception>
    public async ValueTask PublishStreamTimeAsync(string source, long streamTimeMs, CancellationToken cancellationToken)
    {
        RedisKey[] keys = [StreamTimeKey(source)];
        RedisValue[] values = ["0", Fenced(Volatile.Read(ref _incarnation), streamTimeMs, [])];
        await _publishing.CallAsync(
            database => database.ScriptEvaluateAsync(FencedSet, keys, values), _options.PublishTimeoutMs, cancellationToken).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    /// <exception cref="HotStoreException">Redis is away, too slow, or refuses.</exception>
    public async ValueTask<long> GetStreamTimeAsync(string source, CancellationToken cancellationToken)
    {
        var key = StreamTimeKey(source);
        byte[]? value = await _reading.CallAsync(
            database => database.StringGetAsync(key), _options.GetTimeoutMs, cancellationToken).ConfigureAwait(false);
        return value?.Length == FenceBytes ? BinaryPrimitives.ReadInt64BigEndian(value.AsSpan(sizeof(long))) : long.MinValue;
    }

    public async ValueTask DisposeAsync()
    {
        await _publishing.DisposeAsync().ConfigureAwait(false);
        await _reading.DisposeAsync().ConfigureAwait(false);
    }

    private async Task<long> PublishCallAsync(HotBlocks blocks, int start, int end, CancellationToken cancellationToken)
    {
        var keys = new RedisKey[end - start];
        var values = new RedisValue[end - start + 1];
        values[0] = _options.TombstoneSeconds;
        for (var i = start; i < end; i++)
        {
            keys[i - start] = Key(blocks.Entity, blocks.Keys[i]);
            values[i - start + 1] = Fenced(blocks.Incarnation, blocks.Sequences[i], blocks.Blocks[i]);
        }
        var written = (long)await _publishing.CallAsync(
            database => database.ScriptEvaluateAsync(FencedSet, keys, values), _options.PublishTimeoutMs, cancellationToken).ConfigureAwait(false);
        StorageInstruments.HotPublished.Add(written);
        StorageInstruments.HotFenced.Add(keys.Length - written);
        return written;
    }

    /// <summary>Where the call that begins at an entry ends: within the bounds, and after one entry at least.</summary>
    private int EndOfCall(HotBlocks blocks, int start)
    {
        var end = start;
        for (long bytes = 0; end < blocks.Keys.Count && end - start < _options.BlocksPerCallMax; end++)
        {
            bytes += blocks.Keys[end].Length + FenceBytes + blocks.Blocks[end].Length;
            if (bytes > _options.BytesPerCallMax && end > start)
                break;
        }
        return end;
    }

    private void RaiseIncarnation(long incarnation)
    {
        for (var seen = Volatile.Read(ref _incarnation); incarnation > seen;)
        {
            var before = Interlocked.CompareExchange(ref _incarnation, incarnation, seen);
            if (before == seen)
                return;
            seen = before;
        }
    }

    private byte[] Key(int entity, ReadOnlySpan<byte> key)
    {
        var prefix = _prefixes[entity];
        var full = new byte[prefix.Length + key.Length];
        prefix.CopyTo(full, 0);
        key.CopyTo(full.AsSpan(prefix.Length));
        return full;
    }

    private RedisKey StreamTimeKey(string source) => $"{_project}::stream_time:{source}";

    private static byte[] Fenced(long incarnation, long sequence, ReadOnlySpan<byte> block)
    {
        var value = new byte[FenceBytes + block.Length];
        BinaryPrimitives.WriteInt64BigEndian(value, incarnation);
        BinaryPrimitives.WriteInt64BigEndian(value.AsSpan(sizeof(long)), sequence);
        block.CopyTo(value.AsSpan(FenceBytes));
        return value;
    }

    private static string Name(string name) =>
        !string.IsNullOrEmpty(name) && !name.Contains(':', StringComparison.Ordinal)
            ? name
            : throw new ArgumentException($"name \"{name}\" cannot be part of a Redis key. Use a name without a colon that is not empty.", nameof(name));
}
