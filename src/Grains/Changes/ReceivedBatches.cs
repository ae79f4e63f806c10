namespace FeatureStore.Grains.Changes;

/// <summary>Which batches of changes have come from each silo, held against how many it says to have published. Any thread.</summary>
internal sealed class ReceivedBatches
{
    private readonly Lock _gate = new();
    private readonly Dictionary<SiloAddress, Publisher> _publishers = [];

    /// <summary>Takes note of a batch that has come.</summary>
    /// <returns>False where one before it has not.</returns>
    public bool Receive(SiloAddress silo, long epoch, long number)
    {
        lock (_gate)
        {
            if (!_publishers.TryGetValue(silo, out var publisher) || publisher.Epoch != epoch)
                _publishers[silo] = publisher = new Publisher { Epoch = epoch, Received = number };
            var isNext = number <= publisher.Received + 1;
            publisher.Received = Math.Max(publisher.Received, number);
            return isNext;
        }
    }

    /// <summary>Takes note of how many batches a silo has published.</summary>
    /// <returns>Whether changes may have been missed: the silo did not know that somebody listened, or what it has published does not come.</returns>
    public bool Compare(SiloAddress silo, long epoch, long published, TimeProvider time, TimeSpan lostAfter)
    {
        lock (_gate)
        {
            if (!_publishers.TryGetValue(silo, out var publisher) || publisher.Epoch != epoch || !publisher.HasAnswered)
            {
                var received = publisher?.Epoch == epoch ? publisher.Received : 0;
                _publishers[silo] = new Publisher { Epoch = epoch, Received = Math.Max(received, published), HasAnswered = true };
                return true;
            }

            if (publisher.Published <= publisher.Received)
            {
                (publisher.Published, publisher.PublishedAt) = (published, time.GetTimestamp());
                return false;
            }

            if (time.GetElapsedTime(publisher.PublishedAt) <= lostAfter)
                return false;
            publisher.Received = publisher.Published;
            return true;
        }
    }

    /// <summary>Forgets silos that are gone.</summary>
    /// <returns>Whether there were any.</returns>
    public bool Forget(IEnumerable<SiloAddress> active)
    {
        lock (_gate)
        {
            SiloAddress[] gone = [.. _publishers.Keys.Except(active)];
            foreach (var silo in gone)
                _publishers.Remove(silo);
            return gone.Length > 0;
        }
    }

    private sealed class Publisher
    {
        public long Epoch { get; init; }

        /// <summary>Whether the silo knows that somebody listens.</summary>
        public bool HasAnswered { get; init; }

        /// <summary>Number of the newest batch that has come.</summary>
        public long Received { get; set; }

        /// <summary>How many were published,</summary>
        public long Published { get; set; }

        /// <summary>and when that was known.</summary>
        public long PublishedAt { get; set; }
    }
}
