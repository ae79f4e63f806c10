namespace FeatureStore.Runtime;

/// <summary>Keeps the newest dead letters in a ring in memory. Any thread may call.</summary>
public sealed class DeadLetterLog : IDeadLetterLog
{
    /// <summary>Most bytes of a key and of a value that are worth keeping.</summary>
    public const int BytesMax = 4096;

    private readonly Lock _lock = new();
    private readonly DeadLetter[] _ring;
    private long _total;

    /// <param name="capacity">Dead letters kept, 1 to 10,000.</param>
    public DeadLetterLog(int capacity = 256)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(capacity);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(capacity, 10_000);
        _ring = new DeadLetter[capacity];
    }

    public long Total => Interlocked.Read(ref _total);

    public void Add(DeadLetter letter)
    {
        ArgumentNullException.ThrowIfNull(letter);
        var kept = letter with { Key = letter.Key is { } key ? Cut(key) : null, Value = Cut(letter.Value) };
        lock (_lock)
            _ring[_total++ % _ring.Length] = kept;
    }

    public IReadOnlyList<DeadLetter> Newest(int count)
    {
        lock (_lock)
        {
            var newest = new DeadLetter[Math.Clamp(count, 0, (int)Math.Min(_total, _ring.Length))];
            for (var i = 0; i < newest.Length; i++)
                newest[i] = _ring[(_total - 1 - i) % _ring.Length];
            return newest;
        }
    }

    /// <summary>A copy: the caller's buffer may be reused, or be far longer than what is kept.</summary>
    private static ReadOnlyMemory<byte> Cut(ReadOnlyMemory<byte> bytes) => bytes.Span[..Math.Min(bytes.Length, BytesMax)].ToArray();
}
