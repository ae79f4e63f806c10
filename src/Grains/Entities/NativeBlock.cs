using System.Runtime.InteropServices;

namespace FeatureStore.Grains.Entities;

/// <summary>A block in native memory. Freed with its owner at the latest.</summary>
internal sealed unsafe class NativeBlock : IDisposable
{
    private readonly BlockLedger _ledger;
    private byte* _bytes;

    /// <summary>Zeroed.</summary>
    public NativeBlock(int length, BlockLedger ledger)
    {
        _ledger = ledger;
        _bytes = (byte*)NativeMemory.AllocZeroed((nuint)length);
        Length = length;
        ledger.Add(length);
    }

    ~NativeBlock() => Free();

    public int Length { get; }

    public Span<byte> Span => new(_bytes, Length);

    public static NativeBlock CopyOf(ReadOnlySpan<byte> bytes, BlockLedger ledger)
    {
        var block = new NativeBlock(bytes.Length, ledger);
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
        if (_bytes is null)
            return;
        NativeMemory.Free(_bytes);
        _bytes = null;
        _ledger.Add(-Length);
    }
}

/// <summary>The entities of one type that are active on a silo, and the bytes of their blocks. Any thread.</summary>
internal sealed class BlockLedger
{
    private long _entities;
    private long _bytes;

    public long Entities => Interlocked.Read(ref _entities);

    /// <summary>Copies as of a cut among them.</summary>
    public long Bytes => Interlocked.Read(ref _bytes);

    public void Add(long bytes) => Interlocked.Add(ref _bytes, bytes);

    public void AddEntities(int count) => Interlocked.Add(ref _entities, count);
}
