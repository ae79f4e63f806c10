using System.Runtime.InteropServices;
using System.Text.Unicode;

namespace FeatureStore.Core.Blocks;

/// <summary>
/// An input of an event, as bytes: a number (8 bytes, a double; NaN is null), an integer (16 bytes, an Int128, so that all of int64 and null find room; the least is
/// null), or a text (64 bytes: length, up to 63 bytes of UTF-8, zeros; length 255 is null).
/// </summary>
internal static class EventInput
{
    public const int NumberBytes = 8;
    public const int IntegerBytes = 16;
    public const int TextBytes = 64;
    public const int TextLengthMax = TextBytes - 1;

    private const byte NullLength = 255;

    public static bool IsNull(ReadOnlySpan<byte> input) => input.Length switch
    {
        NumberBytes => double.IsNaN(MemoryMarshal.Read<double>(input)),
        IntegerBytes => IsNull(Integer(input)),
        _ => input[0] == NullLength,
    };

    public static bool IsNull(Int128 integer) => integer == Int128.MinValue;

    public static Int128 Integer(ReadOnlySpan<byte> input) => MemoryMarshal.Read<Int128>(input);

    public static ReadOnlySpan<byte> Text(ReadOnlySpan<byte> input) => input.Slice(1, input[0]);

    public static void WriteNumber(Span<byte> input, double value) => MemoryMarshal.Write(input, value);

    public static void WriteInteger(Span<byte> input, Int128 value) => MemoryMarshal.Write(input, value);

    public static void WriteNull(Span<byte> input)
    {
        switch (input.Length)
        {
            case NumberBytes:
                WriteNumber(input, double.NaN);
                break;
            case IntegerBytes:
                WriteInteger(input, Int128.MinValue);
                break;
            default:
                input.Clear();
                input[0] = NullLength;
                break;
        }
    }

    /// <param name="input">64 bytes.</param>
    /// <param name="text">At most <see cref="TextLengthMax"/> bytes.</param>
    public static void WriteText(Span<byte> input, ReadOnlySpan<byte> text)
    {
        input.Clear();
        input[0] = (byte)text.Length;
        text.CopyTo(input[1..]);
    }

    /// <summary>Whether bytes from outside can be read as an input.</summary>
    public static bool IsSound(ReadOnlySpan<byte> input) => input.Length switch
    {
        NumberBytes => true,
        IntegerBytes => IsNull(input) || Integer(input) is var integer && integer == (long)integer,
        _ => input[0] == NullLength || (input[0] <= TextLengthMax && Utf8.IsValid(Text(input))),
    };
}

/// <summary>Where an input lies among those of an event.</summary>
/// <param name="Offset">In bytes.</param>
/// <param name="Width">8, 16, 64, or 0: no input.</param>
internal readonly record struct InputSlot(int Offset, int Width)
{
    public bool IsNone => Width == 0;

    public ReadOnlySpan<byte> Of(ReadOnlySpan<byte> inputs) => inputs.Slice(Offset, Width);
}
