using System.Globalization;
using System.Text.Json;

namespace FeatureStore.Api.Http;

internal static class DoubleJson
{
    /// <summary>
    /// Writes a finite number so that it reads back to the same double. What .NET writes as the shortest text that does, does not for 2⁻²⁵ and 2⁻⁹⁵⁸; powers of two get the 17 digits
    /// that are always enough.
    /// </summary>
    public static void WriteDoubleValue(this Utf8JsonWriter writer, double value)
    {
        const long Mantissa = 0xf_ffff_ffff_ffff;
        if ((BitConverter.DoubleToInt64Bits(value) & Mantissa) != 0)
        {
            writer.WriteNumberValue(value);
            return;
        }

        Span<byte> text = stackalloc byte[32];
        value.TryFormat(text, out var length, "G17", CultureInfo.InvariantCulture);
        writer.WriteRawValue(text[..length], skipInputValidation: true);
    }
}
