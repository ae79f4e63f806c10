namespace FeatureStore.Core.Vectors;

/// <summary>
/// Untransformed feature values of one service: <see cref="Count"/> rows of <c>Service.Features.Count</c> values, row-major. Null is NaN.
/// A text value is the bits of an offset and a length into the batch's heap. Reused; rows may be filled by several threads, each its own columns.
/// </summary>
public sealed class VectorBatch
{
    /// <summary>More than the longest text of an expression, 64 KiB, needs; the offset's 31 bits beside them stay clear of a double's exponent.</summary>
    private const int LengthBits = 20;

    private double[] _values = [];
    private byte[] _heap = [];
    private int _heapLength;

    public VectorBatch(ServicePlan service)
    {
        ArgumentNullException.ThrowIfNull(service);
        Service = service;
    }

    public ServicePlan Service { get; }

    public int Count { get; private set; }

    /// <summary>Bytes of all texts.</summary>
    public int TextBytes => _heapLength;

    /// <summary>Empties the batch and makes room for a number of rows, all null.</summary>
    public void Reset(int count)
    {
        var length = count * Service.Features.Count;
        if (_values.Length < length)
            _values = new double[Math.Max(length, _values.Length * 2)];
        _values.AsSpan(0, length).Fill(double.NaN);
        Count = count;
        _heapLength = 0;
    }

    /// <summary>All values of a row.</summary>
    public Span<double> Row(int row) => _values.AsSpan(row * Service.Features.Count, Service.Features.Count);

    public ref double this[int row, int feature] => ref _values[row * Service.Features.Count + feature];

    /// <summary>Sets a text value. One thread at a time.</summary>
    public void SetText(int row, int feature, ReadOnlySpan<byte> utf8)
    {
        if (_heapLength + utf8.Length > _heap.Length)
            Array.Resize(ref _heap, Math.Max(_heapLength + utf8.Length, Math.Max(1024, _heap.Length * 2)));
        utf8.CopyTo(_heap.AsSpan(_heapLength));
        // The offset is stored plus one, so that the bits are those of a small denormal and never of NaN, which is null.
        this[row, feature] = BitConverter.Int64BitsToDouble((long)(_heapLength + 1) << LengthBits | (uint)utf8.Length);
        _heapLength += utf8.Length;
    }

    /// <summary>A text value.</summary>
    /// <returns>False where it is null.</returns>
    public bool TryGetText(int row, int feature, out ReadOnlySpan<byte> utf8)
    {
        var value = this[row, feature];
        utf8 = default;
        if (double.IsNaN(value))
            return false;
        var bits = BitConverter.DoubleToInt64Bits(value);
        utf8 = _heap.AsSpan((int)(bits >> LengthBits) - 1, (int)bits & ((1 << LengthBits) - 1));
        return true;
    }
}
