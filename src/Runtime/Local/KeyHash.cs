using System.Buffers.Binary;
using System.Security.Cryptography;

namespace FeatureStore.Runtime.Local;

/// <summary>Hash of an entity's key, seeded anew in every process: nobody outside can choose keys that collide. Never stored.</summary>
internal static class KeyHash
{
    private static readonly ulong _seed = BinaryPrimitives.ReadUInt64LittleEndian(RandomNumberGenerator.GetBytes(8));

    public static ulong Of(ReadOnlySpan<byte> key)
    {
        var hash = _seed ^ (ulong)key.Length;
        while (key.Length >= 8)
        {
            hash = Mix(hash ^ BinaryPrimitives.ReadUInt64LittleEndian(key));
            key = key[8..];
        }

        var tail = 0UL;
        foreach (var value in key)
            tail = tail << 8 | value;
        return Mix(hash ^ tail);
    }

    /// <summary>The 128-bit product with an odd constant, folded.</summary>
    private static ulong Mix(ulong value)
    {
        var high = Math.BigMul(value ^ 0x9E3779B97F4A7C15, 0xD6E8FEB86659FD93 ^ _seed | 1, out var low);
        return high ^ low;
    }
}
