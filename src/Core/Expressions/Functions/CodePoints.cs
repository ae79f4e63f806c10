using System.Text;

namespace FeatureStore.Core.Expressions;

/// <summary>Counts UTF-8 in code points: a byte that is no continuation byte starts one.</summary>
internal static class CodePoints
{
    public static int Count(ReadOnlySpan<byte> utf8)
    {
        if (Ascii.IsValid(utf8))
            return utf8.Length;
        var count = 0;
        foreach (var b in utf8)
            count += IsStart(b) ? 1 : 0;
        return count;
    }

    /// <summary>Bytes before a code point; all bytes for the index behind the last one; −1 beyond it or for a negative index.</summary>
    public static int Offset(ReadOnlySpan<byte> utf8, long index)
    {
        if (index < 0 || index > utf8.Length)
            return -1;
        var count = 0;
        for (var i = 0; i < utf8.Length; i++)
        {
            if (IsStart(utf8[i]) && count++ == index)
                return i;
        }
        return index == count ? utf8.Length : -1;
    }

    /// <summary>Bytes of the code point that starts the text.</summary>
    public static int FirstLength(ReadOnlySpan<byte> utf8)
    {
        var length = 1;
        while (length < utf8.Length && !IsStart(utf8[length]))
            length++;
        return length;
    }

    private static bool IsStart(byte b) => (b & 0xC0) != 0x80;
}
