using FeatureStore.Core.Plans;

namespace FeatureStore.Core.Blocks.Containers;

internal sealed partial class LastEvents
{
    public override Transfer TransferFrom(IReadOnlyList<Container> olders) => new EventTransfer(this, (LastEvents)olders[0]);

    private sealed class EventTransfer(LastEvents container, LastEvents older) : Transfer
    {
        private readonly int[] _columns = ColumnsOf(container.Shape, older.Shape);

        public override CarriedState StateOf(FeatureState feature)
        {
            foreach (ref readonly var cell in feature.Cells.Cells)
            {
                if (!HasInputs(cell, container._events, _columns))
                    return CarriedState.None;
            }

            return container._windows[feature.Window] <= older._countMax ? CarriedState.Whole : CarriedState.Part;
        }

        public override void Reserve(ReadOnlySpan<byte> from, int fromFixed, Span<byte> to, int toFixed) =>
            container._events.Want(to, toFixed, Math.Min(older._events.Count(from, fromFixed), container._events.Limit));

        public override string? Copy(ReadOnlySpan<byte> from, int fromFixed, Span<byte> to, int toFixed)
        {
            var overflow = Math.Max(0, older._events.Count(from, fromFixed) - container._events.Limit);
            container._events.Import(to, toFixed, older._events, from, fromFixed, overflow, _columns);
            container.Overflow(to, toFixed) = older.Overflow(from, fromFixed) + overflow;
            var lackingMs = container._disorderMs > older._disorderMs ? container.FrontierMs(to, toFixed, older._disorderMs) : long.MinValue;
            MarkUnknown(container, to, toFixed, older, from, fromFixed, lackingMs);
            return null;
        }
    }
}
