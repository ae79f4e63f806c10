using System.Collections.Concurrent;
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

    private readonly SourceLane[] _sources;
    private readonly IEntityRuntime _runtime;
    private readonly ICheckpoints _checkpoints;
    private readonly PredictionWriter _writer;
    private readonly Publisher _publisher;
    private readonly IngestOptions _options;
    private readonly TimeProvider _time;
    private readonly WakeSignal _wake;
    private readonly string _clusterId;
    private readonly Action<Exception> _fail;
    private readonly BlockingCollection<PipelineBatch> _applied;
    private readonly ConcurrentBag<PipelineBatch>[] _pools;
    private readonly Thread _reader;
    private readonly Thread _encoder;
    private readonly CancellationTokenSource _stop = new();
    private readonly CancellationTokenSource _abort = new();
    private long _sequence;

    public Pump(
        SourceLane[] sources, IEntityRuntime runtime, ICheckpoints checkpoints, PredictionWriter writer, Publisher publisher,
        IngestOptions options, TimeProvider time, WakeSignal wake, string clusterId, Action<Exception> fail)
    {
        _sources = sources;
        _runtime = runtime;
        _checkpoints = checkpoints;
        _writer = writer;
        _publisher = publisher;
        _options = options;
        _time = time;
        _wake = wake;
        _clusterId = clusterId;
        _fail = fail;
        _applied = new BlockingCollection<PipelineBatch>(options.BatchesMax);
        _pools = [.. sources.Select(_ => new ConcurrentBag<PipelineBatch>())];
        _reader = new Thread(Read) { IsBackground = true, Name = "ingest" };
        _encoder = new Thread(Encode) { IsBackground = true, Name = "scorer" };
    }

    /// <summary>Whether everything published before the start has been applied again.</summary>
    public bool IsLive { get; private set; }

    public void Start()
    {
        _reader.Start();
        _encoder.Start();
    }

    /// <summary>Stops reading; what was applied is scored and handed to the publisher. The last checkpoint is begun.</summary>
    public void Stop()
    {
        _stop.Cancel();
        _wake.Set();
        if (_reader.IsAlive)
            _reader.Join();
        if (_encoder.IsAlive)
            _encoder.Join();
    }

    public void Dispose()
    {
        _abort.Cancel();
        Stop();
        // A client does not close while records of it are held.
        while (_applied.TryTake(out var batch))
            Recycle(Array.FindIndex(_sources, source => source.Source == batch.Source), batch);
        foreach (var partition in _sources.SelectMany(source => source.Partitions))
            partition.Abandon();
        _applied.Dispose();
        _stop.Dispose();
        _abort.Dispose();
    }

    private void Read()
    {
        try
        {
            while (!_stop.IsCancellationRequested)
            {
                _wake.Reset();
                var progress = false;
                var live = IsLive || Array.TrueForAll(_sources, source => source.IsCaughtUpWithPublished);
                IsLive = live;
                for (var index = 0; index < _sources.Length; index++)
                    progress |= Step(index, silent: !live);
                if (progress)
                    continue;
                foreach (var source in _sources)
                {
                    source.Records.Poll();
                    source.ProbeIdle();
                }

                _wake.Wait(IdleWaitMs);
            }

            _checkpoints.CompleteAsync().Wait(_abort.Token);
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
            _applied.CompleteAdding();
        }
    }

    /// <summary>Reads, applies and hands over one batch of a source.</summary>
    /// <returns>Whether there was anything to do.</returns>
    private bool Step(int index, bool silent)
    {
        var source = _sources[index];
        if (!_pools[index].TryTake(out var batch))
            batch = new PipelineBatch(source.Source, source.Services, source.Partitions.Count, _options);
        batch.ReadAt = _time.GetTimestamp();
        source.Fill(batch, silent);
        if (batch.RecordCount == 0)
        {
            _pools[index].Add(batch);
            return false;
        }

        try
        {
            _runtime.ApplyAsync(batch.Apply, CancellationToken.None).AsTask().GetAwaiter().GetResult();
        }
        catch
        {
            Recycle(index, batch);
            throw;
        }

        IngestInstruments.Events.Add(batch.Events.Count, new KeyValuePair<string, object?>("source", source.Source.Definition.Name));
        if (silent)
        {
            Recycle(index, batch);
        }
        else
        {
            batch.Sequence = ++_sequence;
            _applied.Add(batch, _abort.Token);
        }

        if (_checkpoints.IsDue)
            BeginCheckpoint();
        return true;
    }

    private void BeginCheckpoint()
    {
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
            foreach (var batch in _applied.GetConsumingEnumerable(_abort.Token))
            {
                var index = Array.FindIndex(_sources, source => source.Source == batch.Source);
                var records = _sources[index].Records;
                var outgoing = _publisher.Rent();
                outgoing.Sequence = batch.Sequence;
                outgoing.ReadAt = batch.ReadAt;
                for (var partition = 0; partition < batch.NextOffsets.Length; partition++)
                    outgoing.Positions.Add((records.Topic, partition, batch.NextOffsets[partition]));
                try
                {
                    _writer.Write(batch, records, outgoing);
                }
                finally
                {
                    Recycle(index, batch);
                }

                _publisher.Send(outgoing);
            }
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

    private void Recycle(int index, PipelineBatch batch)
    {
        _sources[index].Records.Release(batch.Handles);
        batch.Clear();
        _pools[index].Add(batch);
    }
}
