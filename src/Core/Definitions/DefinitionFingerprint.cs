using System.Buffers.Binary;
using System.Collections;
using System.Globalization;
using System.Reflection;
using System.Security.Cryptography;
using System.Text;

namespace FeatureStore.Core.Definitions;

/// <summary>
/// A hash of what definitions say: equal in every process for equal definitions, and another one as soon as any member differs. It goes by the members of the records, so that none is forgotten;
/// the order in lists counts, the order of members does not. A member that is null, false or an empty list is as one that there is not: a later version of the server, with more members, finds the same.
/// </summary>
public static class DefinitionFingerprint
{
    /// <summary>The first 64 bits of the SHA-256.</summary>
    /// <param name="definition">A record of definitions, or a list of them.</param>
    public static ulong Of(object definition)
    {
        ArgumentNullException.ThrowIfNull(definition);
        var text = new StringBuilder();
        Append(text, definition);
        return BinaryPrimitives.ReadUInt64LittleEndian(SHA256.HashData(Encoding.UTF8.GetBytes(text.ToString())));
    }

    private static void Append(StringBuilder text, object? value)
    {
        switch (value)
        {
            case null:
                text.Append('-');
                break;
            case string word:
                // With its length in front: no text can pass for several.
                text.Append(CultureInfo.InvariantCulture, $"{word.Length}:{word}");
                break;
            case double number:
                text.Append(number.ToString("R", CultureInfo.InvariantCulture));
                break;
            case IFormattable plain:
                text.Append(plain.ToString(null, CultureInfo.InvariantCulture));
                break;
            case bool flag:
                text.Append(flag);
                break;
            case IEnumerable items:
                text.Append('[');
                foreach (var item in items)
                    AppendItem(text, item);
                text.Append(']');
                break;
            default:
                var type = value.GetType();
                text.Append(type.Name).Append('{');
                foreach (var member in type.GetProperties(BindingFlags.Public | BindingFlags.Instance).Where(IsStated).OrderBy(member => member.Name, StringComparer.Ordinal))
                {
                    if (member.GetValue(value) is { } stated and not false and not ICollection { Count: 0 })
                        AppendItem(text.Append(member.Name).Append('='), stated);
                }

                text.Append('}');
                break;
        }
    }

    private static void AppendItem(StringBuilder text, object? item)
    {
        Append(text, item);
        text.Append(';');
    }

    /// <summary>What is not set follows from what is.</summary>
    private static bool IsStated(PropertyInfo member) => member.GetIndexParameters().Length == 0 && (member.CanWrite || member.DeclaringType!.IsValueType);
}
