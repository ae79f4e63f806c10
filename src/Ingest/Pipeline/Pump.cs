using System.Collections.Concurrent;
using System.Diagnostics;
using FeatureStore.Core.Plans;
using FeatureStore.Ingest.Kafka;
using FeatureStore.Runtime;

namespace FeatureStore.Ingest.Pipeline;

/// <summary>
/// The reading side: reads, aligns and applies batches, and begins checkpoints between them. One thread of its own; a second one scores and encodes
/// what it has applied.
/// <para>
/// Order of things (architecture, "Exactly once"): from S to P batches are applied in silence, P being where each partition was published up to;
/// then every batch is published. A checkpoint holds the state between two batches and waits until P has reached it.
/// </para>
/// </summary>
internal sealed class Pump : IDisposable
{
    private const int IdleWaitMs = 20;
    private static readonly TimeSpan _pollInterval = TimeSpan.FromMilliseconds(100);

    private readonly SourceLane[] _sources;

    /// <summary>Of each source of the plan that reads a topic, its place among the lanes.</summary>
    private readonly Dictionary<SourcePlan, int> _lanes;
    private readonly IEntityRuntime _runtime;
    private readonly ICheckpoints _checkpoints;
    private readonly PredictionWriter _writer;
    private readonly Publisher _publisher;
    private readonly IngestOptions _options;
    private readonly TimeProvider _time;
    private readonly WakeSignal _wake;
    private readonly string _clusterId;
    private readonly Action<Exception> _fail;
    private readonly SliceAlignment? _slices;
    private readonly Handover<PipelineBatch> _applied;
    private readonly Parking _parking = new();
    private readonly ConcurrentBag<PipelineBatch>[] _pools;
    private readonly Thread _reader;
    private readonly Thread _encoder;
    private readonly CancellationTokenSource _stop = new();
    private readonly CancellationTokenSource _abort = new();
    private readonly bool[] _moved;
    private long _sequence;
    private long _polledAt;
    private bool _isChanged;

    /// <summary>Whether the last reading found much to do.</summary>
    private bool _isBusy;

    public Pump(
        SourceLane[] sources, IEntityRuntime runtime, ICheckpoints checkpoints, PredictionWriter writer, Publisher publisher,
        IngestOptions options, TimeProvider time, WakeSignal wake, string clusterId, Action<Exception> fail, SliceAlignment? slices = null)
    {
        _sources = sources;
        foreach (var source in sources)
            source.AlignWith(sources, slices);
        _lanes = sources.Select((source, index) => (source.Source, index)).ToDictionary();
        _moved = new bool[sources.Length];
        _runtime = runtime;
        _checkpoints = checkpoints;
        _writer = writer;
        _publisher = publisher;
        _options = options;
        _time = time;
        _wake = wake;
        _clusterId = clusterId;
        _fail = fail;
        _slices = slices;
        _applied = new Handover<PipelineBatch>(options.BatchesMax);
        _pools = [.. sources.Select(_ => new ConcurrentBag<PipelineBatch>())];
        _reader = new Thread(Read) { IsBackground = true, Name = "ingest" };
        _encoder = new Thread(Encode) { IsBackground = true, Name = "scorer" };
    }

    /// <summary>Whether everything published before the start has been applied again.</summary>
    public bool IsLive { get; private set; }

    /// <summary>Batches that wait to be scored; at most <see cref="IngestOptions.BatchesMax"/>.</summary>
    public int Waiting => _applied.Count;

    public void Start()
    {
        _reader.Start();
        _encoder.Start();
    }

    /// <summary>Stops reading; what was applied is scored and handed to the publisher. The last checkpoint is begun.</summary>
    /// <returns>Whether all of it was done in time.</returns>
    public bool Stop(TimeSpan timeout)
    {
        var start = Stopwatch.GetTimestamp();
        _stop.Cancel();
        _wake.Set();
        return End(_reader, timeout) && End(_encoder, timeout - Stopwatch.GetElapsedTime(start));
    }

    /// <summary>Ends every wait: the threads stop where they are. Any thread may call.</summary>
    public void Abort()
    {
        _abort.Cancel();
        _stop.Cancel();
        _wake.Set();
    }

    public void Dispose()
    {
        Abort();
        End(_reader, Timeout.InfiniteTimeSpan);
        End(_encoder, Timeout.InfiniteTimeSpan);
        // A client does not close while records of it are held.
        while (_applied.TryTake(out var batch))
            Recycle(batch);
        foreach (var partition in _sources.SelectMany(source => source.Partitions))
            partition.Abandon();
        _parking.Dispose();
        _stop.Dispose();
        _abort.Dispose();
    }

    /// <summary>Reads, applies and hands over at most one batch of each source, and begins a checkpoint where it is time. What the reading thread does again and again.</summary>
    /// <returns>Whether there was anything to do.</returns>
    internal bool ReadOnce()
    {
        var progress = false;
        _isBusy = false;
        IsLive = IsLive || Array.TrueForAll(_sources, source => source.IsCaughtUpWithPublished);
        for (var index = 0; index < _sources.Length; index++)
            progress |= _moved[index] = Step(index, silent: !IsLive);
        // Also where nothing arrives any more: S must not fall behind what the topic keeps.
        if ((_isChanged || _checkpoints.IsAwaited) && _checkpoints.IsDue)
            BeginCheckpoint();
        if (progress && _time.GetElapsedTime(_polledAt) < _pollInterval)
        {
            EndRound();
            return true;
        }

        _polledAt = _time.GetTimestamp();
        for (var index = 0; index < _sources.Length; index++)
        {
            _sources[index].Records.Poll();
            if (!_moved[index])
                _sources[index].ProbeIdle();
        }

        EndRound();
        return progress;
    }

    /// <summary>Scores, encodes and hands over one batch, if there is one. What the encoding thread does again and again.</summary>
    internal bool EncodeOnce()
    {
        if (!_applied.TryTake(out var batch))
            return false;
        Encode(batch);
        return true;
    }

    private static bool End(Thread thread, TimeSpan timeout) =>
        !thread.IsAlive || thread.Join(timeout < TimeSpan.Zero && timeout != Timeout.InfiniteTimeSpan ? TimeSpan.Zero : timeout);

    private void Read()
    {
        try
        {
            while (!_stop.IsCancellationRequested)
            {
                _wake.Reset();
                var start = _time.GetTimestamp();
                if (!ReadOnce())
                    _wake.Wait(IdleWaitMs);
                else if (!_isBusy && _options.ReadInterval - _time.GetElapsedTime(start) is var left && left > TimeSpan.Zero)
                    _stop.Token.WaitHandle.WaitOne(left);
            }

            _abort.Token.ThrowIfCancellationRequested();
            _checkpoints.CompleteAsync().WaitAsync(_abort.Token).GetAwaiter().GetResult();
            if (_isChanged)
                BeginCheckpoint();
        }
        catch (OperationCanceledException)
        {
            // Asked to end at once: the state is that of the last checkpoint.
        }
        catch (Exception exception)
        {
            _fail(exception);
        }
        finally
        {
            _applied.Complete();
        }
    }

    /// <summary>Tells other slices where this one is now, and whom it waits for.</summary>
    private void EndRound()
    {
        if (_slices is null)
            return;
        foreach (var source in _sources)
            source.Report(_time.GetElapsedTime(0).Ticks, silent: !IsLive);
        _slices.EndRound();
    }

    /// <summary>Reads, applies and hands over one batch of a source.</summary>
    /// <returns>Whether there was anything to do.</returns>
    private bool Step(int index, bool silent)
    {
        var source = _sources[index];
        if (!_pools[index].TryTake(out var batch))
            batch = source.NewBatch(_options);
        batch.ReadAt = _time.GetTimestamp();
        try
        {
            source.Fill(batch, silent);
            foreach (var partition in source.Partitions)
            {
                if (!partition.IsRecreated)
                    continue;
                _runtime.RecreatePartition(source.Source.Index, partition.Partition);
                partition.IsRecreated = false;
            }

            if (batch.RecordCount == 0)
            {
                _pools[index].Add(batch);
                return false;
            }

            Apply(batch.Apply, source.Source);
            foreach (var joined in batch.Joined)
            {
                joined.ResetVectors();
                Apply(joined.Apply, joined.Source);
            }

            // Others may go on by it while this one does what is left of the round.
            if (_slices is not null)
                source.Report(_time.GetElapsedTime(0).Ticks, silent);
            _isBusy |= batch.RecordCount >= _options.BatchRecordsMax / 8 || _slices?.IsHeld(source.Source.Index) == true;
            if (!silent)
            {
                batch.Sequence = ++_sequence;
                _applied.Add(batch, _abort.Token);
                return true;
            }
        }
        catch
        {
            Recycle(batch);
            throw;
        }

        Recycle(batch);
        return true;
    }

    private void Apply(ApplyBatch batch, SourcePlan source)
    {
        _parking.Wait(_runtime.ApplyAsync(batch, CancellationToken.None));
        _isChanged = true;
        IngestInstruments.Events.Add(batch.Events.Count, new KeyValuePair<string, object?>("source", source.Definition.Name));
    }

    private void BeginCheckpoint()
    {
        _isChanged = false;
        var partitions = _sources.SelectMany(source => source.Partitions.Select(partition => new PartitionCheckpoint
        {
            Topic = source.Records.Topic,
            Partition = partition.Partition,
            NextOffset = partition.NextOffset,
            NewestMs = partition.NewestMs,
            WitnessOffset = partition.Witness.Offset,
            WitnessTimestampMs = partition.Witness.TimestampMs,
            WitnessHash = partition.Witness.Hash,
            SeenIds = partition.SeenIds?.Serialize() ?? [],
        }));
        _checkpoints.Begin(_clusterId, [.. partitions], _publisher.WhenPublished(_sequence));
    }

    private void Encode()
    {
        try
        {
            while (_applied.TryTake(out var batch, Timeout.Infinite, _abort.Token))
                Encode(batch);
        }
        catch (OperationCanceledException)
        {
            // Asked to end at once: what was not published is answered at the next start.
        }
        catch (Exception exception)
        {
            _fail(exception);
        }
    }

    private void Encode(PipelineBatch batch)
    {
        var outgoing = _publisher.Rent();
        try
        {
            var source = _sources[_lanes[batch.Source]];
            var records = source.Records;
            outgoing.Sequence = batch.Sequence;
            outgoing.ReadAt = batch.ReadAt;
            for (var index = 0; index < batch.NextOffsets.Length; index++)
                outgoing.Positions.Add((records.Topic, source.Partitions[index].Partition, batch.NextOffsets[index]));
            source.Compute(batch);
            _writer.Write(batch, records, outgoing);
        }
        finally
        {
            Recycle(batch);
        }

        _publisher.Send(outgoing, _abort.Token);
    }

    private void Recycle(PipelineBatch batch)
    {
        var index = _lanes[batch.Source];
        _sources[index].Records.Release(batch.Handles);
        batch.Clear();
        _pools[index].Add(batch);
    }
}
