using System.Buffers;
using System.Globalization;
using System.Text;
using System.Text.Unicode;
using Text = System.ReadOnlySpan<byte>;

namespace FeatureStore.Core.Expressions;

/// <summary>The format of text.format(list), read once: literal text, each followed by a clause such as %s or %.2f.</summary>
/// <param name="Clauses">In order; the last one's verb is <see cref="End"/>.</param>
/// <param name="Wrong">What is no clause; null where the format is sound.</param>
internal sealed record TextFormat(TextFormat.Clause[] Clauses, string? Wrong)
{
    /// <summary>Verb of the text behind the last clause.</summary>
    public const char End = '\0';

    public const string Usage =
        "Use %s for any value, %d for a number, %f and %e for a number with 6 digits (%.2f: 2), %x and %X for a whole number or a text, %b (also of a bool) and %o for a whole number, %% for %.";

    private const int PrecisionMax = 1000;
    private const int PrecisionDefault = 6;

    /// <param name="Literal">UTF-8 before the value.</param>
    /// <param name="Verb">One of s d f e x X b o, or <see cref="End"/>.</param>
    /// <param name="Precision">Digits behind the point, of f and e.</param>
    public readonly record struct Clause(byte[] Literal, char Verb, int Precision);

    public static TextFormat Parse(Text format)
    {
        var clauses = new List<Clause>();
        var literal = new ArrayBufferWriter<byte>(format.Length + 1);
        while (true)
        {
            var percent = format.IndexOf((byte)'%');
            literal.Write(percent < 0 ? format : format[..percent]);
            if (percent < 0)
                break;
            format = format[(percent + 1)..];
            if (format is [(byte)'%', ..])
            {
                literal.Write("%"u8);
                format = format[1..];
                continue;
            }
            var start = format;
            var precision = PrecisionDefault;
            var hasPrecision = format is [(byte)'.', ..];
            if (hasPrecision)
                precision = Precision(ref format);
            if (format.IsEmpty || precision > PrecisionMax || !"sdfexXbo".Contains((char)format[0]) || hasPrecision && format[0] is not ((byte)'f' or (byte)'e'))
            {
                var end = start.Length - format.Length + (format.IsEmpty ? 0 : CodePoints.FirstLength(format));
                return new TextFormat([], "%" + Encoding.UTF8.GetString(start[..end]));
            }
            clauses.Add(new Clause(literal.WrittenSpan.ToArray(), (char)format[0], precision));
            literal.ResetWrittenCount();
            format = format[1..];
        }
        clauses.Add(new Clause(literal.WrittenSpan.ToArray(), End, 0));
        return new TextFormat([.. clauses], null);
    }

    public static bool Takes(char verb, ExpressionType kind) => (verb, kind) switch
    {
        ('s', _) => true,
        (_, ExpressionType.Int or ExpressionType.Uint) => true,
        ('d' or 'f' or 'e', ExpressionType.Double) => true,
        ('x' or 'X', ExpressionType.String or ExpressionType.Bytes) => true,
        ('b', ExpressionType.Bool) => true,
        _ => false,
    };

    /// <summary>Writes the values into the format.</summary>
    /// <returns>False where there are too few values, one does not fit its clause, the text becomes too long, or the steps run out.</returns>
    public bool TryWrite(Value[] values, Scope scope, out Text result)
    {
        result = default;
        var writer = new ArrayBufferWriter<byte>();
        if (Wrong is not null || values.Length < Clauses.Length - 1)
            return false;
        for (var i = 0; i < Clauses.Length; i++)
        {
            if (!TryAppend(writer, Clauses[i].Literal, scope) || Clauses[i].Verb != End && !TryAppend(writer, Clauses[i], values[i], scope))
                return false;
        }
        result = writer.WrittenSpan;
        return true;
    }

    /// <summary>Digits behind the point; more than the bound where they are none or too many.</summary>
    private static int Precision(ref Text format)
    {
        var length = format[1..].IndexOfAnyExceptInRange((byte)'0', (byte)'9');
        var digits = format.Slice(1, Math.Max(0, length));
        format = format[(1 + digits.Length)..];
        return digits.Length is > 0 and <= 4 ? int.Parse(digits, NumberStyles.None, CultureInfo.InvariantCulture) : PrecisionMax + 1;
    }

    private static bool TryAppend(ArrayBufferWriter<byte> writer, Text text, Scope scope)
    {
        if (!scope.Charge(1 + (text.Length >> 6)) || writer.WrittenCount + text.Length > ExpressionLimits.TextBytesMax)
            return false;
        writer.Write(text);
        return true;
    }

    private static bool TryAppend(ArrayBufferWriter<byte> writer, Clause clause, in Value value, Scope scope)
    {
        if (clause.Verb == 's')
            return TryAppendAny(writer, value, scope);
        var isText = value.Kind is ExpressionType.String or ExpressionType.Bytes;
        // Before the work, which a value that does not fit would cost too.
        if (!Takes(clause.Verb, value.Kind) || !scope.Charge(isText ? value.Text.Length >> 5 : clause.Precision))
            return false;
        return TryAppend(writer, clause.Verb switch
        {
            'x' or 'X' when isText => Encoding.UTF8.GetBytes(clause.Verb == 'x' ? Convert.ToHexStringLower(value.Text) : Convert.ToHexString(value.Text)),
            'f' => Encoding.UTF8.GetBytes(value.ToDouble().ToString("F" + clause.Precision.ToString(CultureInfo.InvariantCulture), CultureInfo.InvariantCulture)),
            'e' => Encoding.UTF8.GetBytes(Exponential(value.ToDouble(), clause.Precision)),
            'd' => NumberText(value),
            _ => Encoding.UTF8.GetBytes(Whole(clause.Verb, value)),
        }, scope);
    }

    /// <summary>A number as <c>string(…)</c> writes it.</summary>
    private static byte[] NumberText(in Value value)
    {
        Text text;
        _ = value.Kind switch
        {
            ExpressionType.Int => Conversions.ToText(value.Int64, out text),
            ExpressionType.Uint => Conversions.ToText(value.Uint64, out text),
            _ => Conversions.ToText(value.Double, out text),
        };
        return text.ToArray();
    }

    /// <summary>One digit, the precision's digits, and an exponent of two digits or more.</summary>
    private static string Exponential(double value, int precision)
    {
        var text = value.ToString("e" + precision.ToString(CultureInfo.InvariantCulture), CultureInfo.InvariantCulture);
        return text.Length > 4 && text[^5] == 'e' && text[^3] == '0' ? text.Remove(text.Length - 3, 1) : text;
    }

    private static string Whole(char verb, in Value value)
    {
        var isNegative = value.Kind == ExpressionType.Int && value.Int64 < 0;
        var magnitude = isNegative ? 0 - value.Uint64 : value.Uint64;
        var digits = verb switch
        {
            'b' => magnitude.ToString("b", CultureInfo.InvariantCulture),
            'o' => Octal(magnitude),
            _ => magnitude.ToString(verb.ToString(), CultureInfo.InvariantCulture),
        };
        return isNegative ? "-" + digits : digits;
    }

    private static string Octal(ulong value)
    {
        const int digitsMax = 22;
        Span<char> digits = stackalloc char[digitsMax];
        var first = digitsMax;
        do
        {
            digits[--first] = (char)('0' + (value & 7));
            value >>= 3;
        }
        while (value > 0);
        return new string(digits[first..]);
    }

    private static bool TryAppendAny(ArrayBufferWriter<byte> writer, in Value value, Scope scope)
    {
        switch (value.Kind)
        {
            case ExpressionType.List:
                return TryAppendList(writer, value.List, scope);
            case ExpressionType.Map:
                return TryAppendMap(writer, value.Map, scope);
            case ExpressionType.String:
                return TryAppend(writer, value.Text, scope);
            case ExpressionType.Bytes:
                return TryAppend(writer, value.Text, scope) && Utf8.IsValid(value.Text);
            case ExpressionType.Bool:
                return TryAppend(writer, value.Bool ? "true"u8 : "false"u8, scope);
            case ExpressionType.Timestamp:
                return TryAppend(writer, TimeText.Format(value.Instant), scope);
            case ExpressionType.Duration:
                return TryAppend(writer, TimeText.Format(value.Int64), scope);
            case ExpressionType.Type:
                return TryAppend(writer, Encoding.UTF8.GetBytes(TypeNames.NameOf(value.TypeValue)), scope);
            default:
                return TryAppend(writer, NumberText(value), scope);
        }
    }

    private static bool TryAppendList(ArrayBufferWriter<byte> writer, Value[] items, Scope scope)
    {
        for (var i = 0; i < items.Length; i++)
        {
            if (!TryAppend(writer, i == 0 ? "["u8 : ", "u8, scope) || !TryAppendAny(writer, items[i], scope))
                return false;
        }
        return TryAppend(writer, items.Length == 0 ? "[]"u8 : "]"u8, scope);
    }

    /// <summary>Entries in the order of their keys' texts.</summary>
    private static bool TryAppendMap(ArrayBufferWriter<byte> writer, ValueTable map, Scope scope)
    {
        var keys = new byte[map.Keys.Length][];
        var order = new int[keys.Length];
        for (var i = 0; i < keys.Length; i++)
        {
            var key = new ArrayBufferWriter<byte>();
            if (!TryAppendAny(key, map.Keys[i], scope))
                return false;
            (keys[i], order[i]) = (key.WrittenSpan.ToArray(), i);
        }
        Array.Sort(keys, order, Comparer<byte[]>.Create(static (left, right) => left.AsSpan().SequenceCompareTo(right)));
        for (var i = 0; i < keys.Length; i++)
        {
            if (!TryAppend(writer, i == 0 ? "{"u8 : ", "u8, scope) || !TryAppend(writer, keys[i], scope)
                || !TryAppend(writer, ": "u8, scope) || !TryAppendAny(writer, map.Values[order[i]], scope))
            {
                return false;
            }
        }
        return TryAppend(writer, keys.Length == 0 ? "{}"u8 : "}"u8, scope);
    }
}
