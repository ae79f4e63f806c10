using System.Runtime.InteropServices;

namespace FeatureStore.Grains.Entities;

/// <summary>A block in native memory. Freed with its owner at the latest.</summary>
internal sealed unsafe class NativeBlock : IDisposable
{
    private byte* _bytes;

    /// <summary>Zeroed.</summary>
    public NativeBlock(int length)
    {
        _bytes = (byte*)NativeMemory.AllocZeroed((nuint)length);
        Length = length;
    }

    ~NativeBlock() => Free();

    public int Length { get; }

    public Span<byte> Span => new(_bytes, Length);

    public static NativeBlock CopyOf(ReadOnlySpan<byte> bytes)
    {
        var block = new NativeBlock(bytes.Length);
        bytes.CopyTo(block.Span);
        return block;
    }

    public void Dispose()
    {
        Free();
        GC.SuppressFinalize(this);
    }

    private void Free()
    {
        NativeMemory.Free(_bytes);
        _bytes = null;
    }
}
