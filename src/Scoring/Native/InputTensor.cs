using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using FeatureStore.Core.Vectors;
using FeatureStore.Scoring.Binding;

namespace FeatureStore.Scoring.Native;

/// <summary>One input's tensor, kept from run to run as long as the number of rows stays.</summary>
internal sealed unsafe class InputTensor : IDisposable
{
    private readonly OnnxRuntime _runtime;
    private readonly InputBinding _binding;
    private byte* _data;
    private long _capacityBytes;
    private int _rows;

    public InputTensor(OnnxRuntime runtime, InputBinding binding)
    {
        _runtime = runtime;
        _binding = binding;
    }

    public nint Value { get; private set; }

    /// <summary>Fills the tensor from some rows of a part of a batch; rows beyond them repeat the last.</summary>
    /// <param name="columns">All columns of the part's rows, row-major.</param>
    /// <param name="width">Columns a row.</param>
    /// <param name="slots">The rows to take.</param>
    /// <param name="rows">Rows of the tensor, at least as many.</param>
    /// <param name="vectors">Where texts are; null: all are empty.</param>
    /// <param name="first">The part's first row in it.</param>
    public void Fill(ReadOnlySpan<double> columns, int width, ReadOnlySpan<int> slots, int rows, VectorBatch? vectors, int first)
    {
        Resize(rows);
        switch (_binding.Port.Type)
        {
            case OnnxType.Float:
                if (_binding.Columns == width && rows == slots.Length && slots[^1] - slots[0] == rows - 1)
                    Narrow(columns.Slice(slots[0] * width, rows * width), new Span<float>(_data, rows * width));
                else
                    Fill<float>(columns, width, slots, rows);
                break;
            case OnnxType.Double:
                Fill<double>(columns, width, slots, rows);
                break;
            case OnnxType.Float16:
                Fill<Half>(columns, width, slots, rows);
                break;
            case OnnxType.Int64:
                Fill<long>(columns, width, slots, rows);
                break;
            case OnnxType.Int32:
                Fill<int>(columns, width, slots, rows);
                break;
            case OnnxType.Bool:
                Fill<byte>(columns, width, slots, rows);
                break;
            case OnnxType.Text:
                for (var row = 0; row < rows; row++)
                {
                    ReadOnlySpan<byte> text = default;
                    vectors?.TryGetText(first + slots[Math.Min(row, slots.Length - 1)], _binding.TextFeature, out text);
                    _runtime.Api.SetText(Value, row, text);
                }

                break;
            default:
                throw new InvalidOperationException($"No such input type: {_binding.Port.Type}.");
        }
    }

    public void Dispose()
    {
        _runtime.Api.ReleaseValue(Value);
        Value = 0;
        NativeMemory.AlignedFree(_data);
        _data = null;
    }

    private void Fill<T>(ReadOnlySpan<double> columns, int width, ReadOnlySpan<int> slots, int rows)
        where T : unmanaged, System.Numerics.INumberBase<T>
    {
        var data = (T*)_data;
        for (var row = 0; row < rows; row++)
        {
            var source = columns.Slice(slots[Math.Min(row, slots.Length - 1)] * width + _binding.FirstColumn, _binding.Columns);
            for (var i = 0; i < source.Length; i++)
                *data++ = T.CreateTruncating(source[i]);
        }
    }

    private static void Narrow(ReadOnlySpan<double> source, Span<float> target)
    {
        var i = 0;
        for (; i <= source.Length - Vector128<float>.Count; i += Vector128<float>.Count)
        {
            var narrow = Vector128.Narrow(Vector128.Create(source.Slice(i, 2)), Vector128.Create(source.Slice(i + 2, 2)));
            narrow.CopyTo(target[i..]);
        }

        for (; i < source.Length; i++)
            target[i] = (float)source[i];
    }

    private void Resize(int rows)
    {
        if (rows == _rows)
            return;
        _runtime.Api.ReleaseValue(Value);
        (Value, _rows) = (0, 0);
        ReadOnlySpan<long> shape = _binding.Port.Shape.Length == 1 ? [rows] : [rows, _binding.Columns];
        if (_binding.IsText)
        {
            Value = _runtime.Api.CreateTextTensor(_runtime.Allocator, shape);
        }
        else
        {
            var bytes = (long)rows * _binding.Columns * _binding.Port.Type.Bytes();
            if (bytes > _capacityBytes)
            {
                _data = (byte*)NativeMemory.AlignedRealloc(_data, (nuint)bytes, 64);
                _capacityBytes = bytes;
            }

            Value = _runtime.Api.CreateTensor(_runtime.CpuMemory, _data, (nuint)bytes, shape, _binding.Port.Type);
        }

        _rows = rows;
    }
}
