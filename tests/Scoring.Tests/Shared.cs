using System.Globalization;
using System.IO.Compression;
using System.Text.Json;
using FeatureStore.Core.Definitions;
using FeatureStore.Core.Events;
using FeatureStore.Core.Vectors;

namespace FeatureStore.Scoring.Tests;

/// <summary>The reference models, their inputs and the scores they must give; tests that need them are inconclusive where they are missing.</summary>
internal static class Shared
{
    private static readonly Lazy<(string[] Features, long[] Ids, double[][] Rows)> _vectors = new(ReadVectors);

    public static string[] Features => _vectors.Value.Features;

    public static double[][] Rows => _vectors.Value.Rows;

    /// <summary>Path of a file of the models' folder.</summary>
    public static string Model(string file)
    {
        var path = Path.Combine(Folder(), "models", file);
        if (!File.Exists(path))
            Assert.Inconclusive($"The shared data lacks \"{path}\".");
        return path;
    }

    /// <summary>A service whose features are numbers with the names and transforms given.</summary>
    public static ServicePlan Service(params string[] names) => Service(names, _ => []);

    public static ServicePlan Service(IEnumerable<string> names, Func<string, IReadOnlyList<TransformDefinition>> transforms) =>
        Service([.. names.Select(name => (name, false, transforms(name)))]);

    public static ServicePlan Service(params (string Name, bool IsText, IReadOnlyList<TransformDefinition> Transforms)[] features) =>
        new("fraud_v1", new RowSchema([]), [.. features.Select((feature, index) => new VectorFeature(feature.Name, feature.IsText, new FeatureOrigin.OfEntity(0, "view", index), feature.Transforms))]);

    /// <summary>The service that the fraud models want: fifteen features as they are.</summary>
    public static ServicePlan FraudService() => Service(Features);

    /// <summary>Rows of numbers as a batch.</summary>
    public static VectorBatch Batch(ServicePlan service, params double[][] rows)
    {
        var batch = new VectorBatch(service);
        batch.Reset(rows.Length);
        for (var row = 0; row < rows.Length; row++)
            rows[row].CopyTo(batch.Row(row));
        return batch;
    }

    /// <summary>The rows as the doubles they were before they were cut to float32: amounts are whole cents, means are whole sums over the count before them.</summary>
    public static double[][] DoubleRows() => [.. Rows.Select(row =>
    {
        var exact = row.ToArray();
        exact[0] = Math.Round(row[0] * 100) / 100;
        for (var mean = 4; mean < exact.Length; mean += 2)
        {
            var (count, unit) = (row[mean - 1], mean < 9 ? 100.0 : 1.0);
            exact[mean] = count == 0 ? 0 : Math.Round(row[mean] * count * unit) / (unit * count);
        }

        return exact;
    })];

    /// <summary>Expected scores of the 5,000 rows of the vectors file, in its order.</summary>
    public static double[] Expected(string model)
    {
        var scores = Csv(Path.Combine("expected", model + ".csv.gz")).Skip(1).ToDictionary(line => long.Parse(line[0], CultureInfo.InvariantCulture), line => Number(line[1]));
        return [.. _vectors.Value.Ids.Select(id => scores[id])];
    }

    /// <summary>Mean and scale of each feature, from a model's companion file.</summary>
    public static Dictionary<string, (double Mean, double Scale)> Scales(string file)
    {
        using var json = JsonDocument.Parse(File.ReadAllText(Model(file)));
        return json.RootElement.GetProperty("features").EnumerateArray()
            .ToDictionary(feature => feature.GetProperty("name").GetString()!, feature => (feature.GetProperty("mean").GetDouble(), feature.GetProperty("scale").GetDouble()));
    }

    public static IEnumerable<string[]> Csv(string file)
    {
        using var reader = new StreamReader(new GZipStream(File.OpenRead(Model(file)), CompressionMode.Decompress));
        while (reader.ReadLine() is { } line)
            yield return line.Split(',');
    }

    public static double Number(string text) => double.Parse(text, CultureInfo.InvariantCulture);

    private static string Folder()
    {
        if (Environment.GetEnvironmentVariable("FEATURESTORE_SHARED") is { Length: > 0 } folder)
            return folder;
        for (var root = new DirectoryInfo(AppContext.BaseDirectory); root is not null; root = root.Parent)
        {
            if (File.Exists(Path.Combine(root.FullName, "Orleans.FeatureStore.sln")))
                return Path.GetFullPath(Path.Combine(root.FullName, "..", "shared"));
        }

        return "../shared";
    }

    private static (string[] Features, long[] Ids, double[][] Rows) ReadVectors()
    {
        var lines = Csv("vectors.csv.gz").ToList();
        return (lines[0][1..], [.. lines.Skip(1).Select(line => long.Parse(line[0], CultureInfo.InvariantCulture))], [.. lines.Skip(1).Select(line => line.Skip(1).Select(Number).ToArray())]);
    }
}
