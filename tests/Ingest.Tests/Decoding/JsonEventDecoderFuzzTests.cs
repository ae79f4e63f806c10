using System.Globalization;
using System.Text;
using System.Text.Json;
using FeatureStore.Core.Definitions;
using FeatureStore.Core.Events;
using FeatureStore.Ingest.DeadLetters;
using FeatureStore.Ingest.Decoding;

namespace FeatureStore.Ingest.Tests.Decoding;

[TestClass]
public sealed unsafe class JsonEventDecoderFuzzTests
{
    private const int Documents = 200_000;

    private static readonly string[] _bases =
    [
        """{"id":0,"amount":57.16,"ok":true,"name":"plain text","at":"2018-04-01T00:00:31Z","seen":1522540831000,"ide":3156}""",
        """{"id":585177,"amount":-1.5e-7,"ok":false,"name":"caf\u00e9 \ud83d\ude00 \"x\"","at":1522540831000,"größe":"ü","a\"b\\":12}""",
        """ { "ide" : 1 , "at" : "2016-12-31T23:59:60.5+00:00" , "x" : { "y" : [ 1 , -2.5e+3 , "z" , null , true , { } , [ ] ] } , "id" : 5.0 } """,
        """{"at":"2018-04-01T00:00:31Z","amount":12345678901234567890.123,"id":9223372036854775807,"at":1}""",
        """{"name":"日本語 текст","gr\u00f6\u00dfe":"\u0000\b\f\n\r\t\/","id":null,"at":"2018-04-01 02:00:31+02:00","seen":null}""",
        """{"unknown":"0123456789abcdef0123456789abcdef\"","id":1e3,"ok":null,"at":-1,"amount":0}""",
        $$"""{"at":5,"deep":{{new string('[', 63)}}{{new string(']', 63)}},"id":7}""",
    ];

    private static readonly string[] _tokens =
    [
        "\"", "\\", "\\u", "\\ud83d", "\\ude00", "{", "}", "[", "]", ",", ":", "null", "true", "false", "0", "1", "-", ".", "e", "E+", "99999999999999999999", "1e400", " ", "\n",
        "\t", "\0", "\u001f", "é", "\ufeff", "\"id\":", "\"at\":", "\"at\":3,", "\"ok\":1,", "[[", "]]", "{\"a\":", "Z", "T", "/", "//", "'", "NaN", "5.5", "\u007f", "😀",
    ];

    [TestMethod]
    public void Accepts_and_reads_what_a_strict_parser_does()
    {
        const int Seed = 8259;
        Console.WriteLine($"seed {Seed}");
        var random = new Random(Seed);
        using var memory = new GuardedBytes(1 << 16);
        var plan = TestSources.AllTypes;
        var decoder = new JsonEventDecoder(plan);
        var batch = new EventBatch(plan.Schema);
        batch.Add(new EventHeader { TimeMs = 77 });
        var accepted = 0;
        for (var i = 0; i < Documents; i++)
        {
            var document = Mutate(random);
            var header = new EventHeader { Value = i % 2 == 0 ? memory.AtEnd(document) : memory.AtStart(document), ValueLength = document.Length };
            var expected = Read(document);
            var decoded = decoder.TryDecode(batch, header, out var rejection);
            var shown = $"document {i}: {Encoding.UTF8.GetString(document)}";
            if (decoded != (expected != null) || decoded != (rejection.Reason == RejectionReason.None) || batch.Count != (decoded ? 2 : 1) || batch[0].TimeMs != 77)
                Assert.Fail($"{rejection} {shown}");
            if (!decoded)
            {
                Assert.IsInRange(0, document.Length, rejection.PositionBytes, shown);
                continue;
            }

            accepted++;
            Assert.AreEqual(expected![plan.TimestampField], batch[1].TimeMs, shown);
            for (var field = 0; field < plan.Schema.Count; field++)
                Assert.AreEqual(expected[field], Value(batch.Row(1), field), $"field {field} of {shown}");
            batch.RemoveLast();
            if (i % 1000 == 0)
                Restart(batch);
        }

        Console.WriteLine($"{accepted} of {Documents} accepted");
        Assert.IsInRange(Documents / 10, Documents * 9 / 10, accepted);
    }

    [TestMethod]
    public void Every_truncation_and_every_single_byte_change_ends_inside_the_document()
    {
        using var memory = new GuardedBytes(1 << 16);
        var decoder = new JsonEventDecoder(TestSources.AllTypes);
        var batch = new EventBatch(TestSources.AllTypes.Schema);
        foreach (var document in _bases.Select(Encoding.UTF8.GetBytes))
        {
            for (var length = 0; length < document.Length; length++)
            {
                var decoded = decoder.TryDecode(batch, new EventHeader { Value = memory.AtEnd(document.AsSpan(0, length)), ValueLength = length }, out _);
                Assert.AreEqual(length == document.TrimEnd((byte)' ').Length, decoded);
                batch.Clear();
                for (var value = 0; value < 256; value += 3)
                {
                    var changed = document.ToArray();
                    changed[length] = (byte)value;
                    var agrees = decoder.TryDecode(batch, new EventHeader { Value = memory.AtEnd(changed), ValueLength = changed.Length }, out _) == (Read(changed) != null);
                    Assert.IsTrue(agrees, Encoding.UTF8.GetString(changed));
                    batch.Clear();
                }
            }
        }
    }

    private static void Restart(EventBatch batch)
    {
        batch.Clear();
        batch.Add(new EventHeader { TimeMs = 77 });
    }

    private static byte[] Mutate(Random random)
    {
        var document = new List<byte>(Encoding.UTF8.GetBytes(_bases[random.Next(_bases.Length)]));
        for (var edits = random.Next(4); edits > 0; edits--)
        {
            var at = random.Next(document.Count + 1);
            var count = Math.Min(random.Next(1, random.Next(2) == 0 ? 3 : 40), document.Count - at);
            switch (random.Next(7))
            {
                case 0:
                    document.InsertRange(at, Encoding.UTF8.GetBytes(_tokens[random.Next(_tokens.Length)]));
                    break;
                case 1:
                    document.RemoveRange(at, count);
                    break;
                case 2:
                    document.InsertRange(random.Next(document.Count + 1), document.GetRange(at, count));
                    break;
                case 3 when count > 0:
                    document[at] = (byte)random.Next(256);
                    break;
                case 4 when count > 0:
                    document[at] = (byte)"0123456789abcXYZ"[random.Next(16)];
                    break;
                case 5 when count > 0 && random.Next(5) == 0:
                    document.RemoveRange(at, document.Count - at);
                    break;
                default:
                    document.Insert(at, (byte)'0');
                    break;
            }
        }

        return [.. document];
    }

    /// <summary>The document's values by field, as the framework's parser and a plain reading of docs/events.md have them; null where it is to be refused.</summary>
    private static object?[]? Read(byte[] document)
    {
        try
        {
            using var json = JsonDocument.Parse(document, new JsonDocumentOptions { MaxDepth = 64 });
            if (json.RootElement.ValueKind != JsonValueKind.Object)
                return null;
            CheckTexts(json.RootElement);
            var fields = TestSources.AllTypes.Schema.Fields;
            var values = new object?[fields.Count];
            foreach (var member in json.RootElement.EnumerateObject())
            {
                var field = TestSources.AllTypes.Schema.IndexOf(member.Name);
                if (field < 0)
                    continue;
                values[field] = null;
                if (member.Value.ValueKind != JsonValueKind.Null && (values[field] = Read(member.Value, fields[field].Type)) == null)
                    return null;
            }

            return values[TestSources.AllTypes.TimestampField] == null ? null : values;
        }
        catch (Exception exception) when (exception is JsonException or InvalidOperationException)
        {
            return null;
        }
    }

    private static object? Read(JsonElement element, FieldType type)
    {
        var kind = element.ValueKind;
        switch (type)
        {
            case FieldType.Int64:
                return kind == JsonValueKind.Number ? JsonNumberTests.Exact(element.GetRawText()) : null;
            case FieldType.Double:
                return kind == JsonValueKind.Number && double.Parse(element.GetRawText(), CultureInfo.InvariantCulture) is var value && double.IsFinite(value)
                    ? BitConverter.DoubleToInt64Bits(value)
                    : null;
            case FieldType.Bool:
                return kind is JsonValueKind.True or JsonValueKind.False ? element.GetBoolean() : null;
            case FieldType.String:
                return kind == JsonValueKind.String && Encoding.UTF8.GetByteCount(element.GetString()!) <= 4096 ? element.GetString() : null;
            default:
                if (kind == JsonValueKind.String)
                    return Rfc3339.TryParse(Encoding.UTF8.GetBytes(element.GetString()!), out var timeMs) ? timeMs : null;
                return kind == JsonValueKind.Number && JsonNumberTests.Exact(element.GetRawText()) is >= Rfc3339.MinMs and <= Rfc3339.MaxMs and var unixMs ? unixMs : null;
        }
    }

    /// <summary>Reads every text, because the framework's parser checks UTF-8 and surrogates only then.</summary>
    private static void CheckTexts(JsonElement element)
    {
        switch (element.ValueKind)
        {
            case JsonValueKind.String:
                _ = element.GetString();
                break;
            case JsonValueKind.Array:
                foreach (var item in element.EnumerateArray())
                    CheckTexts(item);
                break;
            case JsonValueKind.Object:
                foreach (var member in element.EnumerateObject())
                {
                    _ = member.Name;
                    CheckTexts(member.Value);
                }

                break;
        }
    }

    private static object? Value(FieldRow row, int field)
    {
        if (!row.Has(field))
            return null;
        return TestSources.AllTypes.Schema.Fields[field].Type switch
        {
            FieldType.Bool => row.Bool(field),
            FieldType.String => Encoding.UTF8.GetString(row.Text(field)),
            _ => row.Int64(field),
        };
    }
}
