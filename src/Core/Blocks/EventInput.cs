using System.Runtime.InteropServices;
using System.Text.Unicode;

namespace FeatureStore.Core.Blocks;

/// <summary>
/// An input of an event, as bytes: a number (8 bytes, a double; NaN is null), an integer (16 bytes, an Int128, so that all of int64 and null find room; the least is
/// null), or a text (64 bytes: length, up to 63 bytes of UTF-8, zeros; length 255 is null). One NaN, the integer above the least, and length 254 are unknown: null, of
/// an event from before the input was kept.
/// </summary>
internal static class EventInput
{
    public const int NumberBytes = 8;
    public const int IntegerBytes = 16;
    public const int TextBytes = 64;
    public const int TextLengthMax = TextBytes - 1;

    private const byte NullLength = 255;
    private const byte UnknownLength = 254;
    private const ulong UnknownBits = 0xfff8_0000_0000_0001;

    private static readonly Int128 _unknownInteger = Int128.MinValue + 1;

    public static bool IsNull(ReadOnlySpan<byte> input) => input.Length switch
    {
        NumberBytes => double.IsNaN(MemoryMarshal.Read<double>(input)),
        IntegerBytes => IsNull(Integer(input)),
        _ => input[0] > TextLengthMax,
    };

    public static bool IsNull(Int128 integer) => integer <= _unknownInteger;

    public static bool IsUnknown(ReadOnlySpan<byte> input) => input.Length switch
    {
        NumberBytes => MemoryMarshal.Read<ulong>(input) == UnknownBits,
        IntegerBytes => Integer(input) == _unknownInteger,
        _ => input[0] == UnknownLength,
    };

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

    /// <summary>Writes that inputs side by side are unknown.</summary>
    /// <param name="inputs">Of one column.</param>
    /// <param name="width">Of each.</param>
    public static void WriteUnknown(Span<byte> inputs, int width)
    {
        switch (width)
        {
            case NumberBytes:
                MemoryMarshal.Cast<byte, ulong>(inputs).Fill(UnknownBits);
                break;
            case IntegerBytes:
                MemoryMarshal.Cast<byte, Int128>(inputs).Fill(_unknownInteger);
                break;
            default:
                inputs.Clear();
                for (var at = 0; at < inputs.Length; at += width)
                    inputs[at] = UnknownLength;
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
        _ => input[0] >= UnknownLength || (input[0] <= TextLengthMax && Utf8.IsValid(Text(input))),
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
