using FeatureStore.Runtime;

namespace FeatureStore.Ingest.Tests.Simulation;

/// <summary>No event is let through that is the alignment or more ahead of a partition that has more to bring.</summary>
internal sealed class AlignmentCheck(List<Entry>[] log, long alignMs)
{
    private readonly int[] _next = new int[log.Length];

    public void Restart(long[] offsets)
    {
        for (var partition = 0; partition < log.Length; partition++)
            _next[partition] = log[partition].TakeWhile(entry => entry.Record.Offset < offsets[partition]).Count();
    }

    public void Applied(ApplyBatch batch)
    {
        for (var row = 0; row < batch.Events.Count; row++)
        {
            ref readonly var header = ref batch.Events[row];
            var own = header.Partition;
            while (log[own][_next[own]].Record.Offset <= header.Offset)
            {
                if (++_next[own] == log[own].Count)
                    break;
            }

            for (var other = 0; other < log.Length; other++)
            {
                var more = log[other].Skip(_next[other]).FirstOrDefault(entry => entry.TakesEffect);
                if (other == own || more is null)
                    continue;
                var positionMs = Math.Max(more.Payment!.TimeMs, _next[other] == 0 ? long.MinValue : log[other][_next[other] - 1].NewestMs);
                Assert.IsLessThan(positionMs + alignMs, header.TimeMs, $"{own}/{header.Offset} runs ahead of partition {other}.");
            }
        }
    }
}
