using FeatureStore.Core.Events;

namespace FeatureStore.Core.Expressions;

/// <summary>From a typed node to one of values of any type, and back.</summary>
internal static class Representations
{
    /// <summary>A node of values from a node of a static type.</summary>
    public static Node<Value> ToValue(Node node, CelType type) => node switch
    {
        Node<Value> value => value,
        IUnwrapped unwrapped => new OfKind(unwrapped.Source, type.Kind),
        Node<long> integer => new Wrapped<long>(integer, type.Kind == ExpressionType.Duration ? Value.OfDuration : Value.OfInt),
        Node<ulong> unsigned => new Wrapped<ulong>(unsigned, Value.OfUint),
        Node<double> number => new Wrapped<double>(number, Value.OfDouble),
        Node<bool> condition => new Wrapped<bool>(condition, Value.OfBool),
        Node<Instant> instant => new Wrapped<Instant>(instant, Value.OfInstant),
        _ => new WrappedText((Node<ReadOnlySpan<byte>>)node, type.Kind),
    };

    /// <summary>A node of a static type's representation from a node of values; it has no value where the value is of another type.</summary>
    public static Node FromValue(Node<Value> node, CelType type) => type.Kind switch
    {
        ExpressionType.Int or ExpressionType.Duration => new Unwrapped<long>(node, type.Kind, static value => value.Int64),
        ExpressionType.Uint => new Unwrapped<ulong>(node, type.Kind, static value => value.Uint64),
        ExpressionType.Double => new Unwrapped<double>(node, type.Kind, static value => value.Double),
        ExpressionType.Bool => new Unwrapped<bool>(node, type.Kind, static value => value.Bool),
        ExpressionType.Timestamp => new Unwrapped<Instant>(node, type.Kind, static value => value.Instant),
        ExpressionType.String or ExpressionType.Bytes => new UnwrappedText(node, type.Kind),
        ExpressionType.Dynamic or ExpressionType.Null => node,
        _ => new OfKind(node, type.Kind),
    };

    /// <summary>A constant without a value, as a node of a type.</summary>
    public static Node Nothing(CelType type) => type.Kind switch
    {
        ExpressionType.Int or ExpressionType.Duration => new Nothing<long>(),
        ExpressionType.Uint => new Nothing<ulong>(),
        ExpressionType.Double => new Nothing<double>(),
        ExpressionType.Bool => new Nothing<bool>(),
        ExpressionType.Timestamp => new Nothing<Instant>(),
        ExpressionType.String or ExpressionType.Bytes => new Nothing<ReadOnlySpan<byte>>(),
        _ => new Nothing<Value>(),
    };

    private sealed class Wrapped<T>(Node<T> source, Func<T, Value> wrap) : Node<Value>(source)
    {
        public override bool Try(in FieldRow row, Scope? scope, out Value value)
        {
            var has = source.Try(row, scope, out var typed);
            value = wrap(typed);
            return has;
        }
    }

    /// <summary>Copies the text: a value may outlive the row's bytes within the evaluation's lists.</summary>
    private sealed class WrappedText(Node<ReadOnlySpan<byte>> source, ExpressionType kind) : Node<Value>(source)
    {
        public override bool Try(in FieldRow row, Scope? scope, out Value value)
        {
            value = default;
            if (!source.Try(row, scope, out var text) || scope is not null && !scope.Charge(text.Length >> 6))
                return false;
            value = kind == ExpressionType.String ? Value.OfString(text.ToArray()) : Value.OfBytes(text.ToArray());
            return true;
        }
    }

    private interface IUnwrapped
    {
        Node<Value> Source { get; }
    }

    private sealed class Unwrapped<T>(Node<Value> source, ExpressionType kind, Func<Value, T> unwrap) : Node<T>(source), IUnwrapped
    {
        public Node<Value> Source => source;

        public override bool Try(in FieldRow row, Scope? scope, out T value)
        {
            var has = source.Try(row, scope, out var untyped) && untyped.Kind == kind;
            value = has ? unwrap(untyped) : default!;
            return has;
        }
    }

    private sealed class UnwrappedText(Node<Value> source, ExpressionType kind) : Node<ReadOnlySpan<byte>>(source), IUnwrapped
    {
        public Node<Value> Source => source;

        public override bool Try(in FieldRow row, Scope? scope, out ReadOnlySpan<byte> value)
        {
            var has = source.Try(row, scope, out var untyped) && untyped.Kind == kind;
            value = has ? untyped.Text : default;
            return has;
        }
    }

    /// <summary>Passes values of one kind.</summary>
    private sealed class OfKind(Node<Value> source, ExpressionType kind) : Node<Value>(source)
    {
        public override bool Try(in FieldRow row, Scope? scope, out Value value) =>
            source.Try(row, scope, out value) && value.Kind == kind;
    }
}
