using System.Diagnostics.CodeAnalysis;
using FeatureStore.Core.Vectors;
using FeatureStore.Runtime;

namespace FeatureStore.Ingest.Tests.Simulation;

/// <summary>The one model: its score is the sum of the vector. It fails on rows whose first feature is a chosen number.</summary>
internal sealed class SumModel(string name, double failsOn = double.NaN) : IModelCatalog, IServedModel
{
    public const string Failure = "it does not like the number";

    public string Model => name;

    public string Version => "1";

    public IReadOnlyList<string> Outputs { get; } = ["score"];

    public IReadOnlyList<string> Models => [name];

    public ModelMetadata Metadata => throw new NotSupportedException();

    /// <summary>Called before each batch.</summary>
    public Action BeforeScore { get; init; } = () => { };

    public bool TryGet(string name, [NotNullWhen(true)] out IServedModel? model)
    {
        model = this;
        return name == Model;
    }

    public void Score(VectorBatch vectors, ScoreBatch scores)
    {
        BeforeScore();
        scores.Reset(vectors.Count, 1);
        for (var row = 0; row < vectors.Count; row++)
        {
            var values = vectors.Row(row);
            if (values[0] == failsOn)
                scores.Failures.Add(row, Failure);
            var sum = 0.0;
            foreach (var value in values)
                sum += double.IsNaN(value) ? 0 : value;
            scores.Row(row)[0] = sum;
        }
    }

    public IReadOnlyList<TensorData> Infer(IReadOnlyList<TensorData> inputs, IReadOnlyList<string> outputs) => throw new NotSupportedException();

    public void Dispose()
    {
    }
}
