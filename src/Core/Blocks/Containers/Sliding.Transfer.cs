using FeatureStore.Core.Plans;

namespace FeatureStore.Core.Blocks.Containers;

internal sealed partial class Sliding
{
    public override Transfer TransferFrom(IReadOnlyList<Container> olders) => new EventTransfer(this, (Sliding)olders[0]);

    private sealed class EventTransfer(Sliding container, Sliding older) : Transfer
    {
        private readonly int[] _columns = ColumnsOf(container.Shape, older.Shape);
        private readonly long _reachMs = older._windows.Max(window => window.LengthMs + window.DelayMs);

        public override CarriedState StateOf(FeatureState feature)
        {
            foreach (ref readonly var cell in feature.Cells.Cells)
            {
                if (!HasInputs(cell, container._events, _columns))
                    return CarriedState.None;
            }

            var window = container._windows[feature.Window];
            return window.LengthMs + window.DelayMs <= _reachMs ? CarriedState.Whole : CarriedState.Part;
        }

        public override void Reserve(ReadOnlySpan<byte> from, int fromFixed, Span<byte> to, int toFixed) =>
            container._events.Want(to, toFixed, Math.Min(older._events.Count(from, fromFixed), container._events.Limit));

        public override string? Copy(ReadOnlySpan<byte> from, int fromFixed, Span<byte> to, int toFixed)
        {
            ref readonly var old = ref older.HeadOf(from, fromFixed);
            ref var head = ref container.HeadOf(to, toFixed);
            var times = older._events.Times(from, fromFixed);
            if (old.AsOfMs is > Events.Rfc3339.MaxMs or < Events.Rfc3339.MinMs)
            {
                // There was no event yet.
                return old.AsOfMs == long.MinValue && times.IsEmpty ? null : "has a window of an impossible time";
            }

            var overflow = Math.Max(0, times.Length - container._events.Limit);
            var first = overflow;
            while (first < times.Length && times[first] <= old.AsOfMs - container._retentionMs)
                first++;
            (head.AsOfMs, head.Overflowed) = (old.AsOfMs, old.Overflowed + overflow);
            container._events.Import(to, toFixed, older._events, from, fromFixed, first, _columns);
            container.Recount(to, toFixed);
            var lackingMs = container._retentionMs > older._retentionMs ? old.AsOfMs - older._retentionMs : long.MinValue;
            MarkUnknown(container, to, toFixed, older, from, fromFixed, lackingMs);
            return null;
        }
    }

    /// <summary>Finds every window's events, and sums them up.</summary>
    private void Recount(Span<byte> block, int fixedOffset)
    {
        var times = _events.Times(block, fixedOffset);
        for (var column = 0; column < _summed; column++)
        {
            for (var row = 0; row < times.Length; row++)
                InexactCount(block, fixedOffset, column) += IsInexact(_events.Column(block, fixedOffset, column, row, 1)) ? 1 : 0;
        }

        for (var window = 0; window < _windows.Length; window++)
        {
            ref var cursor = ref CursorOf(block, fixedOffset, window);
            var newestMs = HeadOf(block, fixedOffset).AsOfMs - _windows[window].DelayMs;
            cursor.Low = EventStore.Seek(times, 0, newestMs - _windows[window].LengthMs);
            cursor.High = Math.Max(cursor.Low, EventStore.Seek(times, times.Length, newestMs));
            for (var row = cursor.Low; row < cursor.High; row++)
                Count(block, fixedOffset, window, row, 1);
        }
    }
}
