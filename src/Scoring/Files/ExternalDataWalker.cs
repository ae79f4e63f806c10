using System.Text;

namespace FeatureStore.Scoring.Files;

/// <summary>
/// Finds the files that an ONNX model names for its weights, without trusting the model: walks the protobuf wire format, bounded in depth, wherever
/// a TensorProto can lie. Field numbers are those of onnx.proto.
/// </summary>
internal static class ExternalDataWalker
{
    private const int DepthMax = 100;

    private enum Message
    {
        Skip,
        Model,
        Graph,
        Node,
        Attribute,
        Tensor,
        SparseTensor,
        Function,
        TrainingInfo,
        Entry,
    }

    /// <summary>Locations of all external data, in order of appearance.</summary>
    /// <exception cref="InvalidDataException">The bytes are no model: the message says why.</exception>
    public static List<string> Locations(ReadOnlySpan<byte> model)
    {
        var locations = new List<string>();
        if (!Walk(Message.Model, model, locations, 0))
            throw new InvalidDataException("it holds no graph");
        return locations;
    }

    /// <returns>Whether the message holds a graph directly.</returns>
    private static bool Walk(Message message, ReadOnlySpan<byte> bytes, List<string> locations, int depth)
    {
        if (depth > DepthMax)
            throw new InvalidDataException($"it nests more than {DepthMax} messages");
        var hasGraph = false;
        var isLocation = false;
        ReadOnlySpan<byte> value = default;
        var at = 0;
        while (at < bytes.Length)
        {
            // A tag is 32 bits to the runtime's parser, whatever the bytes say beyond them.
            var tag = (uint)Varint(bytes, ref at, 5);
            var field = (int)(tag >> 3);
            switch (tag & 7)
            {
                case 0:
                    Varint(bytes, ref at, 10);
                    continue;
                case 1:
                    Skip(bytes, ref at, 8);
                    continue;
                case 5:
                    Skip(bytes, ref at, 4);
                    continue;
                case 2:
                    break;
                default:
                    throw new InvalidDataException("its bytes are not those of an ONNX model");
            }

            var length = Varint(bytes, ref at, 10);
            var content = bytes.Slice(at, Skip(bytes, ref at, length));
            if (message == Message.Entry)
            {
                // The last key and the last value count.
                if (field == 1)
                    isLocation = content.SequenceEqual("location"u8);
                else if (field == 2)
                    value = content;
                continue;
            }

            var child = ChildOf(message, field);
            hasGraph |= child == Message.Graph;
            if (child != Message.Skip)
                Walk(child, content, locations, depth + 1);
        }

        if (isLocation)
            locations.Add(Encoding.UTF8.GetString(value));
        return hasGraph;
    }

    private static Message ChildOf(Message message, int field) => (message, field) switch
    {
        (Message.Model, 7) => Message.Graph,
        (Message.Model, 20) => Message.TrainingInfo,
        (Message.Model, 25) => Message.Function,
        (Message.TrainingInfo, 1 or 2) => Message.Graph,
        (Message.Function, 7) => Message.Node,
        (Message.Function, 11) => Message.Attribute,
        (Message.Graph, 1) => Message.Node,
        (Message.Graph, 5) => Message.Tensor,
        (Message.Graph, 15) => Message.SparseTensor,
        (Message.Node, 5) => Message.Attribute,
        (Message.Attribute, 5 or 10) => Message.Tensor,
        (Message.Attribute, 6 or 11) => Message.Graph,
        (Message.Attribute, 22 or 23) => Message.SparseTensor,
        (Message.SparseTensor, 1 or 2) => Message.Tensor,
        (Message.Tensor, 13) => Message.Entry,
        _ => Message.Skip,
    };

    private static ulong Varint(ReadOnlySpan<byte> bytes, ref int at, int bytesMax)
    {
        ulong value = 0;
        for (var i = 0; i < bytesMax; i++)
        {
            if (at == bytes.Length)
                throw CutShort();
            var next = bytes[at++];
            value |= (ulong)(next & 0x7f) << (7 * i);
            if (next < 0x80)
                return value;
        }

        throw new InvalidDataException("its bytes are not those of an ONNX model");
    }

    private static int Skip(ReadOnlySpan<byte> bytes, ref int at, ulong length)
    {
        if (length > (ulong)(bytes.Length - at))
            throw CutShort();
        at += (int)length;
        return (int)length;
    }

    private static InvalidDataException CutShort() => new("it is cut short, or no ONNX model at all");
}
