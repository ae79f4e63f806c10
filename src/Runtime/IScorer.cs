using FeatureStore.Core.Vectors;

namespace FeatureStore.Runtime;

/// <summary>One version of one model, loaded and checked against its service. Any number of threads may score at once.</summary>
public interface IScorer : IDisposable
{
    /// <summary>Name of the model in the definitions.</summary>
    string Model { get; }

    /// <summary>Version: the integer of its folder, as text.</summary>
    string Version { get; }

    /// <summary>Names of the outputs a prediction has, in order.</summary>
    IReadOnlyList<string> Outputs { get; }

    /// <summary>
    /// Scores every row of the vectors as one batch. A row on which the model fails costs that row alone: it gets a reason in <see cref="ScoreBatch.Failures"/>.
    /// An output that is NaN or infinite is a failure of its row.
    /// </summary>
    void Score(VectorBatch vectors, ScoreBatch scores);
}

/// <summary>Outputs of a model for a batch: <see cref="Count"/> rows of <see cref="Width"/> numbers, row-major. Reused.</summary>
public sealed class ScoreBatch
{
    private double[] _values = [];

    public int Count { get; private set; }

    public int Width { get; private set; }

    /// <summary>Why rows have no score, by row; empty where all do.</summary>
    public Dictionary<int, string> Failures { get; } = [];

    public Span<double> Row(int row) => _values.AsSpan(row * Width, Width);

    public void Reset(int count, int width)
    {
        Count = count;
        Width = width;
        Failures.Clear();
        if (_values.Length < count * width)
            _values = new double[count * width];
    }
}
