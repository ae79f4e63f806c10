using System.Text.Json;
using FeatureStore.Core.Definitions;

namespace FeatureStore.Api.Http;

/// <summary>Where the members of a JSON object are in its body, so that they can be read in the order that suits the reader, not the sender.</summary>
internal static class JsonObject
{
    /// <summary>Finds members by name, and checks that the whole body is JSON and nothing follows.</summary>
    /// <param name="body">The body.</param>
    /// <param name="names">Names to find.</param>
    /// <param name="values">Gets where each one's value is; empty where it is missing or null.</param>
    /// <param name="strict">Whether a member of any other name is an error; else it is skipped.</param>
    public static void Find(ReadOnlySpan<byte> body, ReadOnlySpan<string> names, Span<Range> values, bool strict)
    {
        values.Clear();
        Span<bool> seen = stackalloc bool[names.Length];
        var reader = new Utf8JsonReader(body, JsonValue.ReaderOptions);
        try
        {
            reader.Read();
            if (reader.TokenType is not JsonTokenType.StartObject)
                throw ApiException.BadRequest("bad-request", $"The body is {JsonValue.Describe(ref reader)}. Send a JSON object.");
            while (reader.Read() && reader.TokenType is JsonTokenType.PropertyName)
            {
                var index = 0;
                while (index < names.Length && !reader.ValueTextEquals(names[index]))
                    index++;
                if (index == names.Length)
                {
                    if (strict)
                        throw Unknown(JsonValue.Text(ref reader), names.ToArray());
                    reader.Skip();
                    continue;
                }

                if (seen[index])
                    throw ApiException.BadRequest("bad-request", $"The body has the member \"{names[index]}\" twice. Send it once.");
                seen[index] = true;
                values[index] = Value(ref reader);
            }

            // Reads on to the end: the reader objects to anything but white space.
            reader.Read();
        }
        catch (JsonException exception)
        {
            throw ApiException.Malformed(exception);
        }
    }

    public static ApiException Unknown(string name, IReadOnlyCollection<string> names) =>
        ApiException.BadRequest("unknown-member", $"There is no member {DefinitionText.Quote(name)}. {DefinitionText.Hint(name, names)}");

    /// <summary>Skips the value of the property that the reader is at.</summary>
    private static Range Value(ref Utf8JsonReader reader)
    {
        reader.Read();
        var start = (int)reader.TokenStartIndex;
        var isNull = reader.TokenType is JsonTokenType.Null;
        reader.Skip();
        return isNull ? default : start..(int)reader.BytesConsumed;
    }
}
