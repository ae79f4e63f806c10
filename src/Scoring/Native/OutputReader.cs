using FeatureStore.Runtime;
using FeatureStore.Scoring.Binding;

namespace FeatureStore.Scoring.Native;

/// <summary>Reads a run's output values into scores.</summary>
internal static unsafe class OutputReader
{
    private const int RankMax = 16;

    /// <summary>Rows of a tensor and its elements a row; a scalar is one row.</summary>
    /// <returns>False where the tensor has no whole rows.</returns>
    public static bool TryShape(OnnxApi api, nint tensor, out OnnxType type, out long rows, out long rowElements)
    {
        var info = api.TensorInfoOfValue(tensor);
        try
        {
            type = api.ElementType(info);
            var rank = api.Rank(info);
            Span<long> shape = stackalloc long[RankMax];
            rows = rowElements = 1;
            if (rank > RankMax)
                return false;
            shape = shape[..rank];
            api.Dimensions(info, shape);
            if (rank == 0)
                return true;
            rows = shape[0];
            foreach (var dimension in shape[1..])
                rowElements *= dimension;
            return true;
        }
        finally
        {
            api.ReleaseTensorInfo(info);
        }
    }

    /// <summary>Reads an output's picks: row i of the run, of which there are at least as many as slots, into the scores of row first + slots[i].</summary>
    /// <returns>Why the output as a whole cannot be read, or null.</returns>
    public static string? Read(OnnxRuntime runtime, nint value, OutputBinding binding, int rows, ReadOnlySpan<int> slots, ScoreBatch scores, int first) =>
        binding.Port.Kind == PortKind.Maps
            ? ReadMaps(runtime, value, binding, rows, slots, scores, first)
            : ReadTensor(runtime.Api, value, binding, rows, slots, scores, first);

    /// <summary>Keys of a map as texts.</summary>
    public static string[] Classes(OnnxRuntime runtime, nint map)
    {
        var keys = runtime.Api.Element(map, 0, runtime.Allocator);
        try
        {
            if (!TryShape(runtime.Api, keys, out var type, out var count, out _))
                return [];
            if (type == OnnxType.Text)
                return Texts(runtime.Api, keys, (int)count);
            var classes = new string[count];
            for (var i = 0; i < classes.Length; i++)
                classes[i] = type == OnnxType.Int64 ? FormattableString.Invariant($"{((long*)runtime.Api.Data(keys))[i]}") : "?";
            return classes;
        }
        finally
        {
            runtime.Api.ReleaseValue(keys);
        }
    }

    public static string[] Texts(OnnxApi api, nint tensor, int count)
    {
        var bytes = new byte[api.TextBytes(tensor)];
        var starts = new nuint[count];
        api.Texts(tensor, bytes, starts);
        var texts = new string[count];
        for (var i = 0; i < count; i++)
            texts[i] = System.Text.Encoding.UTF8.GetString(bytes.AsSpan((int)starts[i]..(i + 1 < count ? (int)starts[i + 1] : bytes.Length)));
        return texts;
    }

    /// <summary>A number of a tensor, or of a map's values.</summary>
    public static double Number(void* data, OnnxType type, long index) => type switch
    {
        OnnxType.Float => ((float*)data)[index],
        OnnxType.Double => ((double*)data)[index],
        OnnxType.Float16 => (double)((Half*)data)[index],
        OnnxType.Int64 => ((long*)data)[index],
        OnnxType.Int32 => ((int*)data)[index],
        OnnxType.Int16 => ((short*)data)[index],
        OnnxType.Int8 => ((sbyte*)data)[index],
        OnnxType.UInt64 => ((ulong*)data)[index],
        OnnxType.UInt32 => ((uint*)data)[index],
        OnnxType.UInt16 => ((ushort*)data)[index],
        OnnxType.UInt8 or OnnxType.Bool => ((byte*)data)[index],
        _ => throw new InvalidOperationException($"No such number type: {type}."),
    };

    private static string? ReadTensor(OnnxApi api, nint value, OutputBinding binding, int rows, ReadOnlySpan<int> slots, ScoreBatch scores, int first)
    {
        var hasRows = TryShape(api, value, out var type, out var outputRows, out var rowElements);
        if (!hasRows || outputRows != rows || rowElements != binding.RowElements || type != binding.Port.Type)
            return $"output \"{binding.Port.Name}\" has {outputRows} rows of {rowElements} numbers for {rows} rows of input, instead of {rows} of {binding.RowElements}";
        var data = api.Data(value);
        foreach (var pick in binding.Picks)
        {
            for (var i = 0; i < slots.Length; i++)
                Put(scores, first + slots[i], pick, Number(data, type, i * rowElements + pick.Element));
        }

        return null;
    }

    private static string? ReadMaps(OnnxRuntime runtime, nint value, OutputBinding binding, int rows, ReadOnlySpan<int> slots, ScoreBatch scores, int first)
    {
        var length = runtime.Api.Length(value);
        if (length != rows)
            return $"output \"{binding.Port.Name}\" has {length} maps for {rows} rows of input";
        for (var i = 0; i < slots.Length; i++)
        {
            var map = runtime.Api.Element(value, i, runtime.Allocator);
            try
            {
                ReadMap(runtime, map, binding, scores, first + slots[i]);
            }
            finally
            {
                runtime.Api.ReleaseValue(map);
            }
        }

        return null;
    }

    private static void ReadMap(OnnxRuntime runtime, nint map, OutputBinding binding, ScoreBatch scores, int row)
    {
        var api = runtime.Api;
        var keys = api.Element(map, 0, runtime.Allocator);
        var values = api.Element(map, 1, runtime.Allocator);
        try
        {
            var data = api.Data(values);
            TryShape(api, keys, out _, out var count, out _);
            foreach (var pick in binding.Picks)
            {
                var index = binding.Port.KeyType == OnnxType.Text
                    ? IndexOf(api, keys, (int)count, pick.Text)
                    : new ReadOnlySpan<long>(api.Data(keys), (int)count).IndexOf(pick.Number);
                if (index >= 0)
                    Put(scores, row, pick, Number(data, binding.Port.Type, index));
                else
                    Fail(scores, row, $"output \"{binding.Port.Name}\" lacks the class of score \"{pick.Name}\"");
            }
        }
        finally
        {
            api.ReleaseValue(keys);
            api.ReleaseValue(values);
        }
    }

    private static int IndexOf(OnnxApi api, nint keys, int count, ReadOnlySpan<byte> key)
    {
        const int stackMax = 512;
        var length = (int)api.TextBytes(keys);
        var bytes = length <= stackMax ? stackalloc byte[stackMax] : new byte[length];
        var starts = count <= stackMax / 8 ? stackalloc nuint[stackMax / 8] : new nuint[count];
        api.Texts(keys, bytes[..length], starts[..count]);
        for (var i = 0; i < count; i++)
        {
            if (bytes[(int)starts[i]..(i + 1 < count ? (int)starts[i + 1] : length)].SequenceEqual(key))
                return i;
        }

        return -1;
    }

    private static void Put(ScoreBatch scores, int row, OutputPick pick, double value)
    {
        if (double.IsFinite(value))
            scores.Row(row)[pick.Score] = value;
        else
            Fail(scores, row, $"output \"{pick.Name}\" is {(double.IsNaN(value) ? "NaN" : "infinite")}");
    }

    private static void Fail(ScoreBatch scores, int row, string reason) => scores.Failures.TryAdd(row, reason);
}
