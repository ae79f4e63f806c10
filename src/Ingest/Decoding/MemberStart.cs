using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace FeatureStore.Ingest.Decoding;

/// <summary>How a member mostly begins: its name in quotes and the colon, without white space.</summary>
internal readonly unsafe struct MemberStart
{
    private readonly byte[] _bytes;
    private readonly Vector256<byte> _block;
    private readonly uint _blockMask;

    public MemberStart(string name)
    {
        _bytes = Encoding.UTF8.GetBytes($"\"{JsonEncodedText.Encode(name, JavaScriptEncoder.UnsafeRelaxedJsonEscaping)}\":");
        Length = _bytes.Length;
        if (Length > Vector256<byte>.Count)
            return;
        var block = new byte[Vector256<byte>.Count];
        _bytes.CopyTo(block, 0);
        _block = Vector256.Create(block);
        _blockMask = uint.MaxValue >> Vector256<byte>.Count - Length;
    }

    public int Length { get; }

    /// <summary>Whether the member begins at a position.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public bool IsAt(byte* at, byte* end)
    {
        // One comparison where the block can be read and holds the whole start.
        if (end - at >= Vector256<byte>.Count && _blockMask != 0)
            return (~Vector256.Equals(Vector256.Load(at), _block).ExtractMostSignificantBits() & _blockMask) == 0;
        return end - at >= Length && new ReadOnlySpan<byte>(at, Length).SequenceEqual(_bytes);
    }
}
