using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.X86;
using FeatureStore.Core.Blocks;

namespace FeatureStore.Grains;

/// <summary>Asks the processor for managed objects, as <see cref="Memory"/> does for blocks.</summary>
internal static unsafe class ObjectPrefetch
{
    /// <summary>Asks for the first lines of an object, from the word that a lock on it takes. Where the collector moves the object meanwhile, nothing is gained and nothing lost.</summary>
    public static void Lines(object target, int lines)
    {
        if (!Sse.IsSupported)
            return;
        var address = *(byte**)Unsafe.AsPointer(ref target) - sizeof(nint);
        for (var line = 0; line < lines; line++)
            Sse.Prefetch0(address + line * Memory.LineBytes);
    }
}
