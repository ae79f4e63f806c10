using System.Text;

namespace FeatureStore.Scoring.Tests;

/// <summary>Writes small ONNX models in protobuf's wire format; field numbers are those of onnx.proto.</summary>
internal sealed class OnnxBuilder
{
    public const int Float = 1;
    public const int Int32 = 6;
    public const int Int64 = 7;
    public const int Text = 8;
    public const int Bool = 9;

    private readonly Proto _graph = new Proto().Text(2, "graph");

    public OnnxBuilder Node(string operation, string[] inputs, string[] outputs, params Proto[] attributes)
    {
        _graph.Message(1, NodeOf(operation, inputs, outputs, attributes));
        return this;
    }

    /// <summary>A node of the domain ai.onnx.ml.</summary>
    public OnnxBuilder MlNode(string operation, string[] inputs, string[] outputs, params Proto[] attributes)
    {
        _graph.Message(1, NodeOf(operation, inputs, outputs, attributes).Text(7, "ai.onnx.ml"));
        return this;
    }

    /// <param name="name">Of the input.</param>
    /// <param name="type">Element type.</param>
    /// <param name="shape">−1: open.</param>
    public OnnxBuilder Input(string name, int type, params long[] shape) => Value(11, name, type, shape);

    public OnnxBuilder Output(string name, int type, params long[] shape) => Value(12, name, type, shape);

    public OnnxBuilder Constant(string name, int type, long[] shape, byte[] raw) => Initializer(TensorOf(name, type, shape).Bytes(9, raw));

    public OnnxBuilder Constant(string name, params long[] values) => Constant(name, Int64, [values.Length], [.. values.SelectMany(BitConverter.GetBytes)]);

    public OnnxBuilder Scalar(string name, bool value) => Constant(name, Bool, [], [value ? (byte)1 : (byte)0]);

    public OnnxBuilder Scalar(string name, float value) => Constant(name, Float, [], BitConverter.GetBytes(value));

    public OnnxBuilder External(string name, long[] shape, string location) => Initializer(ExternalTensor(name, shape, location));

    public Proto Graph() => _graph;

    public byte[] Model(int opset = 17) =>
        new Proto().Number(1, 8).Message(7, _graph).Message(8, new Proto().Text(1, "").Number(2, opset)).Message(8, new Proto().Text(1, "ai.onnx.ml").Number(2, 1)).ToArray();

    public static Proto NodeOf(string operation, string[] inputs, string[] outputs, params Proto[] attributes)
    {
        var node = new Proto();
        foreach (var input in inputs)
            node.Text(1, input);
        foreach (var output in outputs)
            node.Text(2, output);
        node.Text(4, operation);
        foreach (var attribute in attributes)
            node.Message(5, attribute);
        return node;
    }

    public static Proto Attribute(string name, long value) => new Proto().Text(1, name).Number(3, value).Number(20, 2);

    public static Proto Attribute(string name, long[] values)
    {
        var attribute = new Proto().Text(1, name).Number(20, 7);
        foreach (var value in values)
            attribute.Number(8, value);
        return attribute;
    }

    public static Proto Attribute(string name, string[] values)
    {
        var attribute = new Proto().Text(1, name).Number(20, 8);
        foreach (var value in values)
            attribute.Text(9, value);
        return attribute;
    }

    public static Proto Attribute(string name, Proto graph) => new Proto().Text(1, name).Message(6, graph).Number(20, 5);

    public static Proto ExternalTensor(string name, long[] shape, string location) => TensorOf(name, Float, shape)
        .Message(13, new Proto().Text(1, "location").Text(2, location))
        .Number(14, 1);

    /// <summary>Sums each row.</summary>
    public static OnnxBuilder RowSums(long rows, long columns) => new OnnxBuilder()
        .Input("features", Float, rows, columns).Constant("axis", 1).Node("ReduceSum", ["features", "axis"], ["score"]).Output("score", Float, rows, 1);

    /// <summary>Gives each row's first column back, after as many turns of a loop as the greatest of them says.</summary>
    public static OnnxBuilder Loop()
    {
        var body = new OnnxBuilder()
            .Input("step", Int64).Input("go", Bool).Input("state", Float, -1, 1)
            .Scalar("one", 1f).Node("Identity", ["go"], ["go_on"]).Node("Mul", ["state", "one"], ["next"])
            .Output("go_on", Bool).Output("next", Float, -1, 1);
        return new OnnxBuilder()
            .Input("features", Float, -1, 2).Constant("column", 0).Scalar("yes", true)
            .Node("Gather", ["features", "column"], ["picked"], Attribute("axis", 1))
            .Node("ReduceMax", ["picked"], ["turns"], Attribute("keepdims", 0)).Node("Cast", ["turns"], ["times"], Attribute("to", Int64))
            .Node("Loop", ["times", "yes", "picked"], ["score"], Attribute("body", body.Graph()))
            .Output("score", Float, -1, 1);
    }

    private static Proto TensorOf(string name, int type, long[] shape)
    {
        var tensor = new Proto().Text(8, name).Number(2, type);
        foreach (var dimension in shape)
            tensor.Number(1, dimension);
        return tensor;
    }

    private OnnxBuilder Initializer(Proto tensor)
    {
        _graph.Message(5, tensor);
        return this;
    }

    private OnnxBuilder Value(int field, string name, int type, long[] shape)
    {
        var dimensions = new Proto();
        foreach (var dimension in shape)
            dimensions.Message(1, dimension < 0 ? new Proto().Text(2, "N") : new Proto().Number(1, dimension));
        _graph.Message(field, new Proto().Text(1, name).Message(2, new Proto().Message(1, new Proto().Number(1, type).Message(2, dimensions))));
        return this;
    }
}

/// <summary>A protobuf message being written.</summary>
internal sealed class Proto
{
    private readonly List<byte> _bytes = [];

    public Proto Number(int field, long value)
    {
        Varint((ulong)field << 3);
        Varint((ulong)value);
        return this;
    }

    public Proto Bytes(int field, ReadOnlySpan<byte> value)
    {
        Varint(((ulong)field << 3) | 2);
        Varint((ulong)value.Length);
        _bytes.AddRange(value);
        return this;
    }

    public Proto Text(int field, string value) => Bytes(field, Encoding.UTF8.GetBytes(value));

    public Proto Message(int field, Proto value) => Bytes(field, value.ToArray());

    public byte[] ToArray() => [.. _bytes];

    private void Varint(ulong value)
    {
        for (; value >= 0x80; value >>= 7)
            _bytes.Add((byte)(value | 0x80));
        _bytes.Add((byte)value);
    }
}
