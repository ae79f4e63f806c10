using System.Runtime.CompilerServices;

namespace FeatureStore.Core.Blocks.Cells;

/// <summary>Number of events, and the times of the first and the last; of sessions besides how many, and how long together.</summary>
internal sealed class SpanCell(bool ofSessions) : Cell
{
    public override string Description => ofSessions ? "sessions" : "span";

    public override int Size => Unsafe.SizeOf<Span>();

    public static ref Span Value(ReadOnlySpan<byte> state) => ref Memory.At<Span>(state);

    /// <summary>Adds an event of the same session, or of none.</summary>
    public override bool TryAdd(Span<byte> state, long timeMs, ReadOnlySpan<byte> value, ReadOnlySpan<byte> key)
    {
        ref var span = ref Value(state);
        if (span.Count == 0)
            (span.FirstMs, span.LastMs, span.Sessions) = (timeMs, timeMs, 1);
        span.FirstMs = Math.Min(span.FirstMs, timeMs);
        span.LastMs = Math.Max(span.LastMs, timeMs);
        span.DurationMs = span.LastMs - span.FirstMs;
        span.Count++;
        return true;
    }

    /// <summary>Adds other sessions.</summary>
    public override void Merge(Span<byte> into, ReadOnlySpan<byte> from) => Value(into).Merge(Value(from));

    public struct Span
    {
        public long Count;
        public long FirstMs;
        public long LastMs;
        public long DurationMs;
        public long Sessions;

        public void Merge(in Span other)
        {
            if (other.Count == 0)
                return;
            this = Count == 0 ? other : new Span
            {
                FirstMs = Math.Min(FirstMs, other.FirstMs),
                LastMs = Math.Max(LastMs, other.LastMs),
                DurationMs = DurationMs + other.DurationMs,
                Sessions = Sessions + other.Sessions,
                Count = Count + other.Count,
            };
        }
    }
}
