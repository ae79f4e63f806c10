using System.Collections.Frozen;
using System.Text;
using Text = System.ReadOnlySpan<byte>;

namespace FeatureStore.Core.Expressions;

/// <summary>Every function and operator that is a matter of types alone. What is not (macros, logic, equality, indexes) is in the checker.</summary>
internal static class FunctionTable
{
    private static readonly FrozenDictionary<string, Overload[]> ByName =
        OperatorTable.All.Concat(Sizes()).Concat(Texts()).Concat(ConversionsToEach()).Concat(Times()).Concat(Maths())
            .GroupBy(overload => overload.Name)
            .ToFrozenDictionary(group => group.Key, group => group.ToArray());

    /// <summary>Names of all functions, without operators.</summary>
    public static IEnumerable<string> Names => ByName.Values.Where(overloads => overloads[0].Style != CallStyle.Operator).Select(overloads => overloads[0].Name);

    public static bool IsNamespace(string name) => Names.Any(function => function.StartsWith(name + ".", StringComparison.Ordinal));

    /// <summary>A function of a namespace, for a hint.</summary>
    public static string FirstOf(string @namespace) =>
        Names.Where(function => function.StartsWith(@namespace + ".", StringComparison.Ordinal)).Order(StringComparer.Ordinal).First();

    public static Overload[] Find(string name) => ByName.TryGetValue(name, out var overloads) ? overloads : [];

    private static IEnumerable<Overload> Sizes() => new[] { CallStyle.Global, CallStyle.Member }.SelectMany(style => new[]
    {
        Of<Text, long>("size", style, CelType.String, CelType.Int, TextFunctions.Size),
        Of<Text, long>("size", style, CelType.Bytes, CelType.Int, TextFunctions.SizeOfBytes),
        Of<Value, long>("size", style, CelType.AnyList, CelType.Int, SizeOfList),
        Of<Value, long>("size", style, CelType.AnyMap, CelType.Int, SizeOfMap),
        new("matches", style, [CelType.String, CelType.String], CelType.Bool, Matches),
    });

    private static IEnumerable<Overload> Texts() =>
    [
        Member<Text, bool>("contains", CelType.String, CelType.Bool, TextFunctions.Contains),
        Member<Text, bool>("startsWith", CelType.String, CelType.Bool, TextFunctions.StartsWith),
        Member<Text, bool>("endsWith", CelType.String, CelType.Bool, TextFunctions.EndsWith),
        Of<Text, Text>("lowerAscii", CallStyle.Member, CelType.String, CelType.String, TextFunctions.LowerAscii),
        Of<Text, Text>("upperAscii", CallStyle.Member, CelType.String, CelType.String, TextFunctions.UpperAscii),
        Of<Text, Text>("trim", CallStyle.Member, CelType.String, CelType.String, TextFunctions.Trim),
        Of<Text, Text>("reverse", CallStyle.Member, CelType.String, CelType.String, TextFunctions.Reverse),
        Global<Text, Text>("strings.quote", CelType.String, CelType.String, TextFunctions.Quote),
        Global<Text, Text>("base64.encode", CelType.Bytes, CelType.String, TextFunctions.EncodeBase64),
        Global<Text, Text>("base64.decode", CelType.String, CelType.Bytes, TextFunctions.DecodeBase64),
        new("format", CallStyle.Member, [CelType.String, CelType.AnyList], CelType.String, Format),
        Member<long, Text>("charAt", CelType.Int, CelType.String, TextFunctions.CharAt),
        Member<Text, long>("indexOf", CelType.String, CelType.Int, TextFunctions.IndexOf),
        Member<Text, long, long>("indexOf", CelType.String, CelType.Int, CelType.Int, TextFunctions.IndexOf),
        Member<Text, long>("lastIndexOf", CelType.String, CelType.Int, TextFunctions.LastIndexOf),
        Member<Text, long, long>("lastIndexOf", CelType.String, CelType.Int, CelType.Int, TextFunctions.LastIndexOf),
        Member<long, Text>("substring", CelType.Int, CelType.String, TextFunctions.Substring),
        Member<long, long, Text>("substring", CelType.Int, CelType.Int, CelType.String, TextFunctions.Substring),
        Member<Text, Text, Text>("replace", CelType.String, CelType.String, CelType.String, TextFunctions.Replace),
        new("replace", CallStyle.Member, [CelType.String, CelType.String, CelType.String, CelType.Int], CelType.String, operands =>
            new FunctionNode<Text, Text, Text, long, Text>(
                operands.Get<Text>(0), operands.Get<Text>(1), operands.Get<Text>(2), operands.Get<long>(3), TextFunctions.Replace)),
        Member<Text, Value>("split", CelType.String, CelType.ListOf(CelType.String), TextFunctions.Split),
        Member<Text, long, Value>("split", CelType.String, CelType.Int, CelType.ListOf(CelType.String), TextFunctions.Split),
        Of<Value, Text>("join", CallStyle.Member, CelType.ListOf(CelType.String), CelType.String, TextFunctions.Join),
        new("join", CallStyle.Member, [CelType.ListOf(CelType.String), CelType.String], CelType.String, operands =>
            new FunctionNode<Value, Text, Text>(operands.Get<Value>(0), operands.Get<Text>(1), TextFunctions.Join)),
    ];

    private static IEnumerable<Overload> ConversionsToEach() =>
    [
        Identity("int", CelType.Int),
        Global<ulong, long>("int", CelType.Uint, CelType.Int, Conversions.ToInt),
        Global<double, long>("int", CelType.Double, CelType.Int, Conversions.ToInt),
        Global<Text, long>("int", CelType.String, CelType.Int, Conversions.ToInt),
        Global<Instant, long>("int", CelType.Timestamp, CelType.Int, Conversions.ToInt),
        Identity("uint", CelType.Uint),
        Global<long, ulong>("uint", CelType.Int, CelType.Uint, Conversions.ToUint),
        Global<double, ulong>("uint", CelType.Double, CelType.Uint, Conversions.ToUint),
        Global<Text, ulong>("uint", CelType.String, CelType.Uint, Conversions.ToUint),
        Identity("double", CelType.Double),
        Global<long, double>("double", CelType.Int, CelType.Double, Conversions.ToDouble),
        Global<ulong, double>("double", CelType.Uint, CelType.Double, Conversions.ToDouble),
        Global<Text, double>("double", CelType.String, CelType.Double, Conversions.ToDouble),
        Identity("bool", CelType.Bool),
        Global<Text, bool>("bool", CelType.String, CelType.Bool, Conversions.ToBool),
        Identity("bytes", CelType.Bytes),
        Global<Text, Text>("bytes", CelType.String, CelType.Bytes, Conversions.Same),
        Identity("string", CelType.String),
        Global<long, Text>("string", CelType.Int, CelType.String, Conversions.ToText),
        Global<ulong, Text>("string", CelType.Uint, CelType.String, Conversions.ToText),
        Global<double, Text>("string", CelType.Double, CelType.String, Conversions.ToText),
        Global<bool, Text>("string", CelType.Bool, CelType.String, Conversions.ToText),
        Global<Text, Text>("string", CelType.Bytes, CelType.String, Conversions.BytesToText),
        Global<Instant, Text>("string", CelType.Timestamp, CelType.String, Conversions.ToText),
        Global<long, Text>("string", CelType.Duration, CelType.String, Conversions.DurationToText),
        Identity("timestamp", CelType.Timestamp),
        Global<long, Instant>("timestamp", CelType.Int, CelType.Timestamp, Instant.TryFromSeconds),
        Literal<Instant>("timestamp", CelType.Timestamp, TimeText.TryParseInstant, "an RFC 3339 time such as \"2018-06-01T12:30:00Z\""),
        Identity("duration", CelType.Duration),
        Literal<long>("duration", CelType.Duration, TimeText.TryParseDuration, "a duration of h, m, s, ms, us, ns such as \"1h30m\" or \"168h\""),
        new("dyn", CallStyle.Global, [CelType.Dynamic], CelType.Dynamic, operands => operands.Get<Value>(0)),
        Global<Value, Value>("type", CelType.Dynamic, CelType.Type, TypeOf),
    ];

    private static IEnumerable<Overload> Times() => Enum.GetValues<TimePart>().SelectMany(part => new Overload[]
    {
        new($"get{part}", CallStyle.Member, [CelType.Timestamp], CelType.Int, operands =>
            new TimePartNode(operands.Get<Instant>(0), part, TimeZoneRules.Utc)),
        new($"get{part}", CallStyle.Member, [CelType.Timestamp, CelType.String], CelType.Int, operands =>
            new TimePartNode(operands.Get<Instant>(0), part, Zone(operands))),
    }).Concat(
    [
        OfDuration("getHours", static nanos => nanos / (3600 * Instant.NanosPerSecond)),
        OfDuration("getMinutes", static nanos => nanos / (60 * Instant.NanosPerSecond)),
        OfDuration("getSeconds", static nanos => nanos / Instant.NanosPerSecond),
        OfDuration("getMilliseconds", static nanos => nanos % Instant.NanosPerSecond / 1_000_000),
    ]);

    private static IEnumerable<Overload> Maths() =>
    [
        Global<long, long>("math.abs", CelType.Int, CelType.Int, MathFunctions.Abs),
        Global<ulong, ulong>("math.abs", CelType.Uint, CelType.Uint, MathFunctions.Identity),
        OfDouble("math.abs", Math.Abs),
        Global<long, long>("math.sign", CelType.Int, CelType.Int, MathFunctions.Sign),
        Global<ulong, ulong>("math.sign", CelType.Uint, CelType.Uint, MathFunctions.Sign),
        OfDouble("math.sign", MathFunctions.Sign),
        OfDouble("math.ceil", Math.Ceiling),
        OfDouble("math.floor", Math.Floor),
        OfDouble("math.round", MathFunctions.Round),
        OfDouble("math.trunc", Math.Truncate),
        Global<double, bool>("math.isNaN", CelType.Double, CelType.Bool, MathFunctions.Of(double.IsNaN)),
        Global<double, bool>("math.isInf", CelType.Double, CelType.Bool, MathFunctions.Of(double.IsInfinity)),
        Global<double, bool>("math.isFinite", CelType.Double, CelType.Bool, MathFunctions.Of(double.IsFinite)),
        .. OfNumber("math.sqrt", Math.Sqrt),
        .. OfNumber("math.ln", Math.Log),
        .. OfNumber("math.log10", Math.Log10),
        .. OfNumber("math.exp", Math.Exp),
        new("math.pow", CallStyle.Global, [CelType.Double, CelType.Double], CelType.Double, operands =>
            new FunctionNode<double, double, double>(operands.Get<double>(0), operands.Get<double>(1), MathFunctions.Pow)),
        Bits<long>("math.bitAnd", CelType.Int, static (a, b) => a & b),
        Bits<ulong>("math.bitAnd", CelType.Uint, static (a, b) => a & b),
        Bits<long>("math.bitOr", CelType.Int, static (a, b) => a | b),
        Bits<ulong>("math.bitOr", CelType.Uint, static (a, b) => a | b),
        Bits<long>("math.bitXor", CelType.Int, static (a, b) => a ^ b),
        Bits<ulong>("math.bitXor", CelType.Uint, static (a, b) => a ^ b),
        Global<long, long>("math.bitNot", CelType.Int, CelType.Int, MathFunctions.BitNot),
        Global<ulong, ulong>("math.bitNot", CelType.Uint, CelType.Uint, MathFunctions.BitNot),
        Shift<long>("math.bitShiftLeft", CelType.Int, MathFunctions.ShiftLeft),
        Shift<ulong>("math.bitShiftLeft", CelType.Uint, MathFunctions.ShiftLeft),
        Shift<long>("math.bitShiftRight", CelType.Int, MathFunctions.ShiftRight),
        Shift<ulong>("math.bitShiftRight", CelType.Uint, MathFunctions.ShiftRight),
    ];

    private static Overload Global<T, TResult>(string name, CelType operand, CelType result, Function<T, TResult> function)
        where T : allows ref struct
        where TResult : allows ref struct =>
        Of(name, CallStyle.Global, operand, result, function);

    private static Overload Of<T, TResult>(string name, CallStyle style, CelType operand, CelType result, Function<T, TResult> function)
        where T : allows ref struct
        where TResult : allows ref struct =>
        new(name, style, [operand], result, operands => new FunctionNode<T, TResult>(operands.Get<T>(0), function));

    /// <summary>A member of string with one argument.</summary>
    private static Overload Member<T, TResult>(string name, CelType argument, CelType result, Function<Text, T, TResult> function)
        where T : allows ref struct
        where TResult : allows ref struct =>
        new(name, CallStyle.Member, [CelType.String, argument], result, operands =>
            new FunctionNode<Text, T, TResult>(operands.Get<Text>(0), operands.Get<T>(1), function));

    /// <summary>A member of string with two arguments.</summary>
    private static Overload Member<T1, T2, TResult>(
        string name, CelType first, CelType second, CelType result, Function<Text, T1, T2, TResult> function)
        where T1 : allows ref struct
        where T2 : allows ref struct
        where TResult : allows ref struct =>
        new(name, CallStyle.Member, [CelType.String, first, second], result, operands =>
            new FunctionNode<Text, T1, T2, TResult>(operands.Get<Text>(0), operands.Get<T1>(1), operands.Get<T2>(2), function));

    private static Overload Identity(string name, CelType type) => new(name, CallStyle.Global, [type], type, operands => operands.Only);

    private static Overload OfDuration(string name, Func<long, long> function) =>
        Of(name, CallStyle.Member, CelType.Duration, CelType.Int, (long nanos, out long result) =>
        {
            result = function(nanos);
            return true;
        });

    private static Overload Bits<T>(string name, CelType type, Func<T, T, T> function) =>
        new(name, CallStyle.Global, [type, type], type, operands =>
            new FunctionNode<T, T, T>(operands.Get<T>(0), operands.Get<T>(1), (T left, T right, out T result) =>
            {
                result = function(left, right);
                return true;
            }));

    private static Overload Shift<T>(string name, CelType type, Function<T, long, T> function) =>
        new(name, CallStyle.Global, [type, CelType.Int], type, operands => new FunctionNode<T, long, T>(operands.Get<T>(0), operands.Get<long>(1), function));

    private static Overload OfDouble(string name, Func<double, double> function) =>
        Global(name, CelType.Double, CelType.Double, MathFunctions.Of(function));

    /// <summary>A function of doubles that takes any number.</summary>
    private static IEnumerable<Overload> OfNumber(string name, Func<double, double> function) =>
    [
        OfDouble(name, function),
        Global(name, CelType.Int, CelType.Double, (long value, out double result) =>
        {
            result = function(value);
            return true;
        }),
        Global(name, CelType.Uint, CelType.Double, (ulong value, out double result) =>
        {
            result = function(value);
            return true;
        }),
    ];

    /// <summary>A conversion from text; a constant text is read when the expression is compiled, and a wrong one is an error there.</summary>
    private static Overload Literal<TResult>(string name, CelType result, Function<Text, TResult> parse, string hint) =>
        new(name, CallStyle.Global, [CelType.String], result, operands =>
            operands.ConstantText(0) is { } text && !parse(text, out _)
                ? throw operands.Error(0, $"\"{Encoding.UTF8.GetString(text)}\" is not a {name}, or out of range. Write {hint}.")
                : new FunctionNode<Text, TResult>(operands.Get<Text>(0), parse));

    private static MatchesNode Matches(CallOperands operands)
    {
        var pattern = operands.ConstantText(1)
            ?? throw operands.Error(1, "The pattern of \"matches\" must be a constant string, so that it is compiled once.");
        var text = Encoding.UTF8.GetString(pattern);
        try
        {
            return new MatchesNode(operands.Get<Text>(0), MatchesNode.Compile(text));
        }
        catch (FormatException exception)
        {
            throw operands.Error(1, $"\"{text}\" is not a regular expression: {exception.Message}. The syntax is RE2's.");
        }
    }

    private static FormatNode Format(CallOperands operands)
    {
        if (operands.ConstantText(0) is not { } text)
            return new FormatNode(operands.Get<Text>(0), operands.Get<Value>(1));
        var format = TextFormat.Parse(text);
        return format.Wrong is { } wrong
            ? throw operands.Error(0, $"\"{wrong}\" is not a clause of a format. {TextFormat.Usage}")
            : new FormatNode(format, operands.Get<Value>(1));
    }

    private static TimeZoneRules Zone(CallOperands operands)
    {
        var name = operands.ConstantText(1)
            ?? throw operands.Error(1, "The time zone must be a constant string. For several zones write a conditional: c ? t.getHours(\"Europe/Paris\") : t.getHours().");
        return TimeZoneRules.Find(Encoding.UTF8.GetString(name))
            ?? throw operands.Error(1, $"\"{Encoding.UTF8.GetString(name)}\" is not a time zone. Use an IANA name such as \"Europe/Paris\", \"UTC\", or an offset such as \"+02:00\".");
    }

    private static bool SizeOfList(Value list, out long size)
    {
        size = list.List.Length;
        return true;
    }

    private static bool SizeOfMap(Value map, out long size)
    {
        size = map.Map.Keys.Length;
        return true;
    }

    private static bool TypeOf(Value value, out Value type)
    {
        type = Value.OfType(value.Kind);
        return true;
    }
}
