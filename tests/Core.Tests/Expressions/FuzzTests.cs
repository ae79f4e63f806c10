using System.Text;
using FeatureStore.Core.Events;
using FeatureStore.Core.Expressions;

namespace FeatureStore.Core.Tests.Expressions;

/// <summary>Programs that nobody wrote: none throws, none hangs, and what is folded is what would have been evaluated.</summary>
[TestClass]
public class FuzzTests
{
    private static readonly string[] Tokens =
    [
        "N", "NEG", "D", "YES", "S", "T", "_N", "_S", "x", "y", "1", "0", "-1", "2u", "1.5", "1e308", "9223372036854775807", "\"a\"", "'é😀'", "b'\\xff'",
        "true", "false", "null", "(", "(", "(", ")", ")", ")", "[", "]", "[", "]", "{", "}", ",", ",", ":", "?", ".", ".", "+", "-", "*", "/", "%", "!",
        "<", "<=", "==", "!=", ">", ">=", "&&", "||", "in", "has", "size", "dyn", "int", "uint", "double", "string", "bytes", "bool", "type", "timestamp",
        "duration", "math", "greatest", "abs", "all", "exists", "exists_one", "filter", "map", "contains", "replace", "split", "join", "substring",
        "getHours", "matches", "transformList", "transformMap", "existsOne", "cel", "bind", "format", "'%s %d'", "'%.3f%'", "strings", "quote", "base64", "encode", "decode",
        "reverse", "bitAnd", "bitShiftLeft", "'[a-z]+'", "'1h'", "`N`", "//", "\n", "\"", "'", "\\", "while", "\ud83d", "é", "\0", "0x", "..", "=", "&",
    ];

    /// <summary>Each with its operands as ~.</summary>
    private static readonly string[] Forms =
    [
        "(~ + ~)", "(~ - ~)", "(~ * ~)", "(~ / ~)", "(~ % ~)", "-(~)", "!(~)", "(~ < ~)", "(~ >= ~)", "(~ == ~)", "(~ != ~)", "(~ && ~)", "(~ || ~)",
        "(~ ? ~ : ~)", "(~ in [~, ~])", "(~ in ~)", "[~, ~]", "{~: ~}", "~[~]", "size(~)", "dyn(~)", "dyn(~)", "dyn(~)", "int(~)", "uint(~)", "double(~)", "string(~)",
        "bool(~)", "type(~)", "timestamp(~)", "duration(~)", "(~).contains(~)", "(~).size()", "(~).replace(~, ~)", "(~).split(~)", "(~).join(~)", "(~).substring(~, ~)",
        "(~).getHours()", "(~).getDayOfYear('Europe/Amsterdam')", "(~).matches('[a-z]+')", "math.greatest(~, ~)", "math.abs(~)", "math.sqrt(~)",
        "[~, ~].all(x, ~)", "[~, ~].exists(x, ~)", "[~, ~].map(x, ~)", "[~, ~].filter(x, ~)", "(~).map(x, [~, x])", "(~).exists_one(x, x == ~)", "(~).a", "(~ == null)",
        "[~, ~].all(x, y, ~)", "(~).exists(y, x, ~)", "(~).existsOne(x, y, ~ == ~)", "(~).transformList(x, y, ~)", "(~).transformMap(x, y, ~, ~)", "[~].transformMap(x, y, [x, ~])",
        "cel.bind(x, ~, ~)", "cel.bind(y, ~, ~)", "'%s'.format([~])", "'%d %.2f %e'.format([~, ~, ~])", "'%x %b %o'.format([dyn(~), dyn(~), dyn(~)])", "(~).format([~, ~])",
        "strings.quote(~)", "(~).reverse()", "base64.encode(bytes(~))", "base64.decode(~)", "math.bitAnd(~, ~)", "math.bitXor(~, ~)", "math.bitNot(~)",
        "math.bitShiftLeft(~, ~)", "math.bitShiftRight(~, ~)", "(~).indexOf(~, ~)", "(~).lastIndexOf(~, ~)",
    ];

    private static readonly (string Field, string Literal)[] Leaves =
    [
        ("N", "7"), ("NEG", "(-3)"), ("BIG", "9007199254740993"), ("D", "2.5"), ("YES", "true"), ("NO", "false"), ("S", "'héllo 😀'"), ("ASCII", "'Hello, world'"),
        ("T", "timestamp('2018-06-01T06:30:15.250Z')"), ("OLD", "timestamp('1969-12-31T23:59:59.999Z')"), ("x", "x"), ("y", "y"), ("1", "1"), ("0", "0"), ("2u", "2u"),
        ("0.5", "0.5"), ("'l'", "'l'"), ("'%s-%x'", "'%s-%x'"), ("2", "2"), ("duration('1h')", "duration('1h')"), ("[1, 2]", "[1, 2]"), ("{'a': 1}", "{'a': 1}"), ("b'a'", "b'a'"),
    ];

    [TestMethod]
    [Timeout(120_000)]
    public void TokenSoupNeverThrowsNorHangs()
    {
        const int seed = 4711;
        var random = new Random(seed);
        var compiled = 0;
        for (var i = 0; i < 20_000; i++)
        {
            var text = string.Join(random.Next(4) == 0 ? "" : " ", Enumerable.Range(0, random.Next(1, 25)).Select(_ => Tokens[random.Next(Tokens.Length)]));
            compiled += Try(text) ? 1 : 0;
        }
        Console.WriteLine($"seed {seed}: {compiled} of 20,000 compiled");
        Assert.IsGreaterThan(200, compiled);
    }

    /// <summary>Well-formed programs, twice: over fields, and over literals of the same values, which fold into a constant.</summary>
    [TestMethod]
    [Timeout(120_000)]
    public void FoldingAndEvaluatingAgree()
    {
        const int seed = 815;
        var random = new Random(seed);
        var compared = 0;
        for (var i = 0; i < 60_000; i++)
        {
            var (overFields, overLiterals) = Program(random, depth: 4);
            if (!Try(overFields) || !Try(overLiterals))
                continue;
            compared++;
            Assert.AreEqual(Bench.Evaluate(overFields), Bench.Evaluate(overLiterals), $"seed {seed}: {overFields}");
        }
        Console.WriteLine($"seed {seed}: {compared} of 60,000 compared");
        Assert.IsGreaterThan(2000, compared);
    }

    [TestMethod]
    [Timeout(120_000)]
    public void DamagedProgramsNeverThrow()
    {
        const int seed = 99;
        var random = new Random(seed);
        for (var i = 0; i < 10_000; i++)
        {
            var text = new StringBuilder(Program(random, depth: 3).OverFields);
            for (var damage = random.Next(1, 4); damage > 0 && text.Length > 0; damage--)
            {
                var at = random.Next(text.Length);
                if (random.Next(2) == 0)
                    text.Remove(at, 1);
                else
                    text.Insert(at, (char)random.Next(1, 0x180));
            }
            Try(text.ToString());
        }
    }

    [TestMethod]
    [Timeout(120_000)]
    public void PatternSoupNeverThrows()
    {
        const int seed = 5;
        string[] pieces = ["a", "b", ".", "*", "+", "?", "|", "(", ")", "(?i)", "(?m:", "(?P<n>", "[", "]", "[^", "-", "{2}", "{1,3}", "{", "}", "^", "$", @"\d", @"\W", @"\p{L}", @"\Q", @"\E", @"\x41", "😀", @"\", "[:alpha:]"];
        var random = new Random(seed);
        var compiled = 0;
        for (var i = 0; i < 5_000; i++)
        {
            var pattern = string.Concat(Enumerable.Range(0, random.Next(1, 10)).Select(_ => pieces[random.Next(pieces.Length)]));
            compiled += Try($"S.matches(r'''{pattern}''')") ? 1 : 0;
        }
        Console.WriteLine($"seed {seed}: {compiled} of 5,000 compiled");
        Assert.IsGreaterThan(500, compiled);
    }

    private static bool Try(string text)
    {
        try
        {
            var expression = CompiledExpression.Compile(text, Bench.Schema, out var error);
            if (expression is null)
            {
                Assert.IsTrue(error!.Position >= 0 && error.Position <= text.Length && error.Message.Length > 0, text);
                return false;
            }
            Assert.IsNull(error, text);
            Evaluate(expression, Bench.Row);
            Evaluate(expression, Empty.Row(0));
            return true;
        }
        catch (Exception exception) when (exception is not UnitTestAssertException)
        {
            throw new AssertFailedException($"\"{text}\" threw", exception);
        }
    }

    private static readonly EventBatch Empty = new(Bench.Schema);

    static FuzzTests() => Empty.Add(default);

    private static void Evaluate(CompiledExpression expression, in FieldRow row)
    {
        expression.EvaluateNumber(row);
        expression.EvaluateCondition(row);
        expression.TryEvaluateText(row, out _);
    }

    private static (string OverFields, string OverLiterals) Program(Random random, int depth)
    {
        if (depth == 0 || random.Next(5) == 0)
            return Leaves[random.Next(Leaves.Length)];
        var parts = Forms[random.Next(Forms.Length)].Split('~');
        var (overFields, overLiterals) = (new StringBuilder(parts[0]), new StringBuilder(parts[0]));
        foreach (var part in parts.Skip(1))
        {
            var operand = Program(random, depth - 1);
            overFields.Append(operand.Item1).Append(part);
            overLiterals.Append(operand.Item2).Append(part);
        }
        return (overFields.ToString(), overLiterals.ToString());
    }
}
