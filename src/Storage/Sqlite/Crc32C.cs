using System.Numerics;
using System.Runtime.InteropServices;
using System.Text;

namespace FeatureStore.Storage.Sqlite;

/// <summary>CRC-32C (Castagnoli) of a row. SQLite does not notice a bit that flips inside a value; a damaged block would give wrong features.</summary>
internal struct Crc32C
{
    private uint _register;

    public Crc32C() => _register = uint.MaxValue;

    public readonly uint Value => ~_register;

    public void Add(long value) => _register = BitOperations.Crc32C(_register, (ulong)value);

    /// <summary>Adds bytes with their length, so that neighbouring values cannot trade bytes.</summary>
    public void Add(ReadOnlySpan<byte> bytes)
    {
        Add(bytes.Length);
        var words = MemoryMarshal.Cast<byte, ulong>(bytes);
        foreach (var word in words)
            _register = BitOperations.Crc32C(_register, word);
        foreach (var rest in bytes[(words.Length * sizeof(ulong))..])
            _register = BitOperations.Crc32C(_register, rest);
    }

    public void Add(string text) => Add(Encoding.UTF8.GetBytes(text));
}
