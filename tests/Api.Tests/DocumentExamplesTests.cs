using System.Net;
using System.Text.Json;
using System.Text.RegularExpressions;
using FeatureStore.Core.Events;
using FeatureStore.Runtime;

namespace FeatureStore.Api.Tests;

/// <summary>Runs every curl command of docs/api.md and compares its answer with the one that stands below it.</summary>
[TestClass]
public sealed partial class DocumentExamplesTests
{
    [TestMethod]
    public async Task EveryExampleAnswersAsItSays()
    {
        var plan = ApiHost.Compile(await File.ReadAllTextAsync(Path.Combine(Project.Root, "examples", "fraud", "definitions", "fraud.yaml")));
        await using var host = await ApiHost.StartAsync(plan: plan);
        host.Models.Loaded.Add("fraud", new FixedModel());
        await PayAsync(host);
        var document = await File.ReadAllTextAsync(Path.Combine(Project.Root, "docs", "api.md"));
        var examples = Example().Matches(document);
        Assert.IsGreaterThanOrEqualTo(6, examples.Count);
        foreach (Match example in examples)
        {
            var path = new Uri(example.Groups["url"].Value).PathAndQuery;
            var reply = example.Groups["body"].Success ? await host.PostAsync(path, example.Groups["body"].Value) : await host.GetAsync(path);
            if (example.Groups["answer"].Success)
                Assert.AreEqual(JsonSerializer.Serialize(JsonDocument.Parse(example.Groups["answer"].Value)), JsonSerializer.Serialize(reply.Json), path);
            else
                Assert.AreEqual(HttpStatusCode.OK, reply.Status, $"{path}: {reply.Text}");
        }
    }

    [GeneratedRegex("```sh\ncurl (?<url>\\S+)(?: -H '[^']*')?(?: -d '(?<body>[^']*)')?\n```\n(?:\n```json\n(?<answer>.*?)```)?", RegexOptions.Singleline)]
    private static partial Regex Example();

    private static async Task PayAsync(ApiHost host)
    {
        var source = host.Plan.Sources[0];
        var batch = new EventBatch(source.Schema, 1);
        Assert.IsTrue(Rfc3339.TryParse("2018-06-01T00:00:07Z"u8, out var timeMs));
        var row = batch.Add(new EventHeader { TimeMs = timeMs });
        batch.SetInt64(row, source.Schema.IndexOf("TX_DATETIME"), timeMs);
        batch.SetInt64(row, source.Schema.IndexOf("CUSTOMER_ID"), 596);
        batch.SetInt64(row, source.Schema.IndexOf("TERMINAL_ID"), 3156);
        batch.SetDouble(row, source.Schema.IndexOf("TX_AMOUNT"), 57.16);
        var vectors = host.Plan.ServicesOn(source).Select(service => new Core.Vectors.VectorBatch(service)).ToList();
        foreach (var vector in vectors)
            vector.Reset(1);
        await host.Runtime.ApplyAsync(new ApplyBatch(source.Index, batch, vectors), CancellationToken.None);
    }

    private sealed class FixedModel : IServedModel
    {
        public string Model => "fraud";

        public string Version => "1";

        public IReadOnlyList<string> Outputs { get; } = ["score"];

        public ModelMetadata Metadata => new("fraud", "1", "onnx", [new("X", "FP32", [-1, 15])], [new("probabilities", "FP32", [-1, 2])]);

        public void Score(Core.Vectors.VectorBatch vectors, ScoreBatch scores)
        {
            scores.Reset(vectors.Count, 1);
            for (var row = 0; row < vectors.Count; row++)
                scores.Row(row)[0] = 0.0123;
        }

        public IReadOnlyList<TensorData> Infer(IReadOnlyList<TensorData> inputs, IReadOnlyList<string> outputs) => inputs;

        public void Dispose()
        {
        }
    }
}
