using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics.X86;

namespace FeatureStore.Core.Blocks;

/// <summary>State is far larger than the processor's caches, so an event's cost is mostly waiting for memory: asked for early, lines are there in time.</summary>
public static class Memory
{
    public const int LineBytes = 64;

    /// <summary>Asks for the line of a byte; one outside the span is left alone.</summary>
    public static unsafe void Prefetch(ReadOnlySpan<byte> memory, int offset)
    {
        if (Sse.IsSupported && (uint)offset < (uint)memory.Length)
            Sse.Prefetch0(Unsafe.AsPointer(ref Unsafe.Add(ref MemoryMarshal.GetReference(memory), offset)));
    }

    /// <summary>A part of a block in place, for those who read and those who write.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static ref T At<T>(ReadOnlySpan<byte> memory, int offset = 0)
        where T : struct =>
        ref Unsafe.As<byte, T>(ref MemoryMarshal.GetReference(memory.Slice(offset, Unsafe.SizeOf<T>())));
}
