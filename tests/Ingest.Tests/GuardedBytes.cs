using System.Runtime.InteropServices;

namespace FeatureStore.Ingest.Tests;

/// <summary>Native memory whose bytes end where an unreadable page begins, and begin after one: a read outside ends the process. Linux and macOS; plain native memory elsewhere.</summary>
internal sealed unsafe partial class GuardedBytes : IDisposable
{
    private const int PageBytes = 1 << 16;
    private const int ReadWrite = 3;

    private readonly byte* _start;
    private readonly nuint _length;
    private readonly bool _mapped;

    public GuardedBytes(int capacity)
    {
        var pages = (nuint)(capacity + PageBytes - 1) / PageBytes;
        _length = (pages + 2) * PageBytes;
        _mapped = OperatingSystem.IsLinux() || OperatingSystem.IsMacOS();
        if (!_mapped)
        {
            _start = (byte*)NativeMemory.Alloc(_length);
        }
        else
        {
            // 2: private; anonymous is 0x20 on Linux and 0x1000 on macOS.
            _start = (byte*)Map(null, _length, 0, 2 | (OperatingSystem.IsLinux() ? 0x20 : 0x1000), -1, 0);
            if (_start == (byte*)-1 || Protect(_start + PageBytes, pages * PageBytes, ReadWrite) != 0)
                throw new InvalidOperationException($"No guarded memory: error {Marshal.GetLastPInvokeError()}.");
        }
    }

    /// <summary>Copies bytes to the end of the memory.</summary>
    public byte* AtEnd(ReadOnlySpan<byte> bytes) => Place(bytes, _start + _length - PageBytes - bytes.Length);

    /// <summary>Copies bytes to the start of the memory.</summary>
    public byte* AtStart(ReadOnlySpan<byte> bytes) => Place(bytes, _start + PageBytes);

    public void Dispose()
    {
        if (_mapped)
            _ = Unmap(_start, _length);
        else
            NativeMemory.Free(_start);
    }

    private static byte* Place(ReadOnlySpan<byte> bytes, byte* at)
    {
        bytes.CopyTo(new Span<byte>(at, bytes.Length));
        return at;
    }

    [LibraryImport("libc", EntryPoint = "mmap", SetLastError = true)]
    private static partial void* Map(void* address, nuint length, int protection, int flags, int file, nint offset);

    [LibraryImport("libc", EntryPoint = "mprotect", SetLastError = true)]
    private static partial int Protect(void* address, nuint length, int protection);

    [LibraryImport("libc", EntryPoint = "munmap", SetLastError = true)]
    private static partial int Unmap(void* address, nuint length);
}
