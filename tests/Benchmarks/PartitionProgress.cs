using System.Diagnostics;
using Confluent.Kafka;

namespace FeatureStore.Benchmarks;

/// <summary>Watches how far each partition of a topic is consumed, by the offsets that its group commits.</summary>
internal sealed class PartitionProgress : IDisposable
{
    private static readonly TimeSpan _period = TimeSpan.FromMilliseconds(20);
    private static readonly TimeSpan _timeout = TimeSpan.FromSeconds(60);
    private readonly CancellationTokenSource _stop = new();
    private readonly Lock _gate = new();
    private readonly Task _watching;

    /// <summary>By partition, when it was seen to have advanced.</summary>
    private readonly List<long>[] _advances;
    private readonly long[] _offsets;

    public PartitionProgress(string bootstrap, string group, string topic, int partitions)
    {
        _advances = [.. Enumerable.Range(0, partitions).Select(_ => new List<long>())];
        _offsets = new long[partitions];
        _watching = Task.Factory.StartNew(() => Watch(bootstrap, group, topic), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
    }

    /// <summary>A moment, for the members that take one.</summary>
    public static long Now => Stopwatch.GetTimestamp();

    /// <summary>Records of all partitions.</summary>
    public long Consumed
    {
        get
        {
            ThrowIfFailed();
            lock (_gate)
                return _offsets.Sum();
        }
    }

    public bool HaveAllAdvancedSince(long moment)
    {
        ThrowIfFailed();
        lock (_gate)
            return Array.TrueForAll(_advances, advances => advances.Count > 0 && advances[^1] > moment);
    }

    /// <summary>The longest time in seconds, since a moment until a partition's newest advance, in which one did not.</summary>
    public double LongestGapSince(long moment)
    {
        lock (_gate)
        {
            return _advances.Max(advances =>
            {
                var (longest, last) = (0L, moment);
                foreach (var advance in advances.SkipWhile(advance => advance <= moment))
                {
                    longest = Math.Max(longest, advance - last);
                    last = advance;
                }

                return Stopwatch.GetElapsedTime(0, longest).TotalSeconds;
            });
        }
    }

    public void Dispose()
    {
        _stop.Cancel();
        _watching.ContinueWith(_ => { }, TaskScheduler.Default).GetAwaiter().GetResult();
        _stop.Dispose();
    }

    private void Watch(string bootstrap, string group, string topic)
    {
        // It asks only, and joins nothing.
        using var consumer = new ConsumerBuilder<Ignore, Ignore>(new ConsumerConfig { BootstrapServers = bootstrap, GroupId = group, EnableAutoCommit = false }).Build();
        TopicPartition[] partitions = [.. Enumerable.Range(0, _offsets.Length).Select(partition => new TopicPartition(topic, partition))];
        while (!_stop.IsCancellationRequested)
        {
            var committed = consumer.Committed(partitions, _timeout);
            var seen = Now;
            lock (_gate)
            {
                foreach (var offset in committed.Where(offset => offset.Offset.Value > _offsets[offset.Partition.Value]))
                {
                    _offsets[offset.Partition.Value] = offset.Offset.Value;
                    _advances[offset.Partition.Value].Add(seen);
                }
            }

            Thread.Sleep(_period);
        }
    }

    private void ThrowIfFailed()
    {
        if (_watching.IsFaulted)
            _watching.GetAwaiter().GetResult();
    }
}
