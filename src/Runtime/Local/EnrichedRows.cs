using FeatureStore.Core.Events;

namespace FeatureStore.Runtime.Local;

/// <summary>
/// What enriches the events of a batch, until all of it is known: several shards may each have a part of a row, and no two may change one row of a batch at once.
/// Null is NaN. Reused.
/// </summary>
internal sealed class EnrichedRows
{
    private double[] _values = [];
    private int _width;

    public Span<double> Row(int row) => _values.AsSpan(row * _width, _width);

    /// <summary>Makes room for a number of rows, all null.</summary>
    public void Reset(int rows, int width)
    {
        _width = width;
        if (_values.Length < rows * width)
            _values = new double[Math.Max(rows * width, _values.Length * 2)];
        _values.AsSpan(0, rows * width).Fill(double.NaN);
    }

    /// <summary>Sets fields of the events.</summary>
    /// <param name="events">As many as there are rows.</param>
    /// <param name="fields">Where each value of a row goes.</param>
    public void CopyTo(EventBatch events, int[] fields)
    {
        for (var row = 0; row < events.Count; row++)
        {
            for (var index = 0; index < fields.Length; index++)
            {
                if (Row(row)[index] is var value && double.IsNaN(value))
                    events.SetNull(row, fields[index]);
                else
                    events.SetDouble(row, fields[index], value);
            }
        }
    }
}
