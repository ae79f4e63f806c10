using FeatureStore.Runtime;

namespace FeatureStore.Grains.Tests.Slices;

/// <summary>What the broker keeps of a topic and its predictions: the log, P, and the newest instance of each transactional id. Notes what must not happen.</summary>
internal sealed class SimulatedTopic(Payment[][] log, Dictionary<(int Partition, long Offset), double[]> vectors)
{
    private readonly Lock _gate = new();
    private readonly Dictionary<int, int> _instances = [];
    private readonly HashSet<(int, long)> _predicted = [];
    private readonly long[] _published = new long[log.Length];
    private readonly long[] _applied = new long[log.Length];
    private readonly long[] _timesMs = [.. log.SelectMany(partition => partition).Select(payment => payment.TimeMs).Order()];
    private long _arrivedMs = long.MinValue;

    public Payment[][] Log => log;

    /// <summary>Event time of the newest event that has arrived: pipelines read no further.</summary>
    public long ArrivedMs => Volatile.Read(ref _arrivedMs);

    public int Events { get; } = log.Sum(partition => partition.Length);

    public int Predicted
    {
        get
        {
            lock (_gate)
                return _predicted.Count;
        }
    }

    /// <summary>Whether silos will be lost, or answers: then some is sent again, and vectors show of other slices' events what has arrived.</summary>
    public bool IsDisturbed { get; set; }

    /// <summary>The first thing that went wrong.</summary>
    public string? Violation { get; private set; }

    /// <summary>Shuts out whoever published for a slice before, and reads P.</summary>
    public (int Instance, long[] Published) Open(int slice)
    {
        lock (_gate)
        {
            _instances[slice] = _instances.GetValueOrDefault(slice) + 1;
            return (_instances[slice], [.. _published]);
        }
    }

    /// <summary>So many events more than are predicted have arrived by now; those that have arrived before stay.</summary>
    public void Arrive(int beyondPredicted)
    {
        lock (_gate)
            Volatile.Write(ref _arrivedMs, Math.Max(_arrivedMs, _timesMs[Math.Min(_predicted.Count + beyondPredicted, Events) - 1]));
    }

    public long Published(int partition)
    {
        lock (_gate)
            return _published[partition];
    }

    public void Note(string violation)
    {
        lock (_gate)
            Violation ??= violation;
    }

    /// <summary>A slice is about to apply events: none may be the alignment ahead of what another has still to apply.</summary>
    public void Applying(Slice slice, long alignMs, IReadOnlyList<Payment> payments)
    {
        lock (_gate)
        {
            for (var other = 0; other < log.Length && !IsDisturbed; other++)
            {
                if (slice.Has(other) || _applied[other] == log[other].Length || payments[^1].TimeMs < log[other][_applied[other]].TimeMs + alignMs)
                    continue;
                Violation ??= $"{payments[^1]} is applied before {log[other][_applied[other]]}";
            }
        }
    }

    public void Applied(IReadOnlyList<Payment> payments)
    {
        lock (_gate)
        {
            foreach (var payment in payments)
                _applied[payment.Partition] = payment.Offset + 1;
        }
    }

    /// <summary>Commits predictions and the offset behind them.</summary>
    public void Publish(int slice, int instance, IReadOnlyList<(Payment Payment, double[] Vector)> predictions)
    {
        lock (_gate)
        {
            if (_instances[slice] != instance)
                throw new IOException("another instance has begun");
            foreach (var (payment, vector) in predictions)
            {
                var place = (payment.Partition, payment.Offset);
                if (!_predicted.Add(place))
                    Violation ??= $"{place} is predicted twice";
                if (payment.Offset != _published[payment.Partition])
                    Violation ??= $"{place} is predicted after {_published[payment.Partition]}";
                if (!vector[SlicedProject.OfCustomer].SequenceEqual(vectors[place][SlicedProject.OfCustomer]) || !IsDisturbed && !vector[SlicedProject.OfAll].SequenceEqual(vectors[place][SlicedProject.OfAll]))
                    Violation ??= $"{place} has vector {string.Join(' ', vector)}, not {string.Join(' ', vectors[place])}";
                _published[payment.Partition] = payment.Offset + 1;
            }
        }
    }
}
