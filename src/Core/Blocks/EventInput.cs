using System.Runtime.InteropServices;
using System.Text.Unicode;

namespace FeatureStore.Core.Blocks;

/// <summary>
/// An input of an event, as bytes: a number (8 bytes, a double; NaN is null), or a text (64 bytes: length, up to 63 bytes of UTF-8, zeros; length 255 is null).
/// One NaN, and length 254, are unknown: null, of an event from before the input was kept.
/// </summary>
internal static class EventInput
{
    public const int NumberBytes = 8;
    public const int TextBytes = 64;
    public const int TextLengthMax = TextBytes - 1;

    private const byte NullLength = 255;
    private const byte UnknownLength = 254;
    private const ulong UnknownBits = 0xfff8_0000_0000_0001;

    public static bool IsNull(ReadOnlySpan<byte> input) =>
        input.Length == NumberBytes ? double.IsNaN(MemoryMarshal.Read<double>(input)) : input[0] > TextLengthMax;

    public static bool IsUnknown(ReadOnlySpan<byte> input) =>
        input.Length == NumberBytes ? MemoryMarshal.Read<ulong>(input) == UnknownBits : input[0] == UnknownLength;

    public static ReadOnlySpan<byte> Text(ReadOnlySpan<byte> input) => input.Slice(1, input[0]);

    public static void WriteNumber(Span<byte> input, double value) => MemoryMarshal.Write(input, value);

    public static void WriteNull(Span<byte> input)
    {
        if (input.Length == NumberBytes)
        {
            WriteNumber(input, double.NaN);
            return;
        }

        input.Clear();
        input[0] = NullLength;
    }

    /// <summary>Writes that inputs side by side are unknown.</summary>
    /// <param name="inputs">Of one column.</param>
    /// <param name="width">Of each.</param>
    public static void WriteUnknown(Span<byte> inputs, int width)
    {
        if (width == NumberBytes)
        {
            MemoryMarshal.Cast<byte, ulong>(inputs).Fill(UnknownBits);
            return;
        }

        inputs.Clear();
        for (var at = 0; at < inputs.Length; at += width)
            inputs[at] = UnknownLength;
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
    public static bool IsSound(ReadOnlySpan<byte> input) =>
        input.Length == NumberBytes || input[0] >= UnknownLength || (input[0] <= TextLengthMax && Utf8.IsValid(Text(input)));
}

/// <summary>Where an input lies among those of an event.</summary>
/// <param name="Offset">In bytes.</param>
/// <param name="Width">8, 64, or 0: no input.</param>
internal readonly record struct InputSlot(int Offset, int Width)
{
    public bool IsNone => Width == 0;

    public ReadOnlySpan<byte> Of(ReadOnlySpan<byte> inputs) => inputs.Slice(Offset, Width);
}
