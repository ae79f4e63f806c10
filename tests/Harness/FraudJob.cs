using System.Globalization;
using System.Text;
using System.Text.Json;

namespace FeatureStore.Harness;

/// <summary>The project of examples/fraud under names of its own, so that many can share a broker.</summary>
public sealed class FraudJob
{
    private readonly string _folder;

    /// <param name="folder">Where definitions, models and data of the job go.</param>
    /// <param name="project">Name of the project, and prefix of its topics.</param>
    /// <param name="topic">Topic of the transactions; null: one of its own.</param>
    public FraudJob(string folder, string project, string? topic = null)
    {
        _folder = folder;
        Project = project;
        Topic = topic ?? project + ".transactions";
        Data = Path.Combine(folder, "data");
        Models = Path.Combine(Workspace.FraudExample, "models");
        Definitions = Path.Combine(folder, "definitions");
        Directory.CreateDirectory(Definitions);
        EditDefinitions(_ => Example());
    }

    public string Project { get; }

    public string Topic { get; }

    public string DeadLetters => Project + ".dead-letter";

    public string Data { get; private set; }

    public string Definitions { get; }

    public string Models { get; private set; }

    private string DefinitionsFile => Path.Combine(Definitions, "fraud.yaml");

    /// <summary>Topic of a model's predictions; the example's model is <c>fraud</c>.</summary>
    public string Sink(string model = "fraud") => $"{Project}.{model}";

    public string[] Arguments(string bootstrap) => ["--definitions", Definitions, "--kafka", bootstrap, "--data", Data, "--models", Models];

    /// <summary>Goes on with no data, as after the loss of a disk.</summary>
    public void LoseData() => Data += "-new";

    public void EditDefinitions(Func<string, string> edit) =>
        File.WriteAllText(DefinitionsFile, edit(File.Exists(DefinitionsFile) ? File.ReadAllText(DefinitionsFile) : ""));

    /// <summary>
    /// Puts reference models of the shared folder in place of the example's: <c>lr</c> and <c>lr_raw</c> with vectors, the others without.
    /// <c>lr_raw</c> is fed by a service that standardizes as lr_unscaled.json says.
    /// </summary>
    public void UseReferenceModels(params string[] models)
    {
        Models = Path.Combine(_folder, "models");
        Directory.CreateDirectory(Models);
        var text = new StringBuilder("models:\n");
        foreach (var model in models)
        {
            File.Copy(Workspace.SharedPath("models", model + ".onnx"), Path.Combine(Models, model + ".onnx"));
            text.Append(CultureInfo.InvariantCulture, $"""
                  - name: {model}
                    service: {ServiceOf(model)}
                    on: transactions
                    outputs: {"{"} score: "probabilities[1]" {"}"}
                    sink: {"{"} topic: {Sink(model)}, vector: {(HasVector(model) ? "true" : "false")} {"}"}

                """);
        }

        EditDefinitions(definitions =>
        {
            var services = definitions[..definitions.IndexOf("models:\n", StringComparison.Ordinal)];
            return services + (models.Contains("lr_raw") ? StandardizedService(services) : "") + text;
        });
    }

    public static string ServiceOf(string model) => model == "lr_raw" ? "standardized" : "fraud_v1";

    public static bool HasVector(string model) => model is "fraud" or "lr" or "lr_raw";

    private string Example()
    {
        var text = File.ReadAllText(Path.Combine(Workspace.FraudExample, "definitions", "fraud.yaml"));
        text = Replace(text, "project: fraud\n", $"project: {Project}\n");
        text = Replace(text, "kafka: { topic: transactions, format: json }\n", $"kafka: {{ topic: {Topic}, format: json }}\n    dead_letters: {DeadLetters}\n");
        return Replace(text, "sink: { topic: predictions, vector: true }", $"sink: {{ topic: {Sink()}, vector: true }}");
    }

    /// <summary>The example's service again, each feature standardized.</summary>
    private static string StandardizedService(string services)
    {
        using var document = JsonDocument.Parse(File.ReadAllText(Workspace.SharedPath("models", "lr_unscaled.json")));
        var transforms = document.RootElement.GetProperty("features").EnumerateArray().ToDictionary(
            feature => feature.GetProperty("name").GetString()!,
            feature => $"transform: {{ standardize: {{ mean: {feature.GetProperty("mean").GetRawText()}, std: {feature.GetProperty("scale").GetRawText()} }} }}");
        var lines = services[services.IndexOf("  - name: fraud_v1\n", StringComparison.Ordinal)..].Split('\n', StringSplitOptions.RemoveEmptyEntries);
        var text = new StringBuilder("  - name: standardized\n");
        foreach (var line in lines.Skip(1))
        {
            var entry = line.StartsWith("      - ", StringComparison.Ordinal) ? line[8..] : null;
            text.Append(entry switch
            {
                null => line,
                _ when entry.StartsWith('{') => $"      - {entry[..^2]}, {transforms[entry["{ name: ".Length..entry.IndexOf(',')]]} }}",
                _ => $"      - {{ feature: \"{entry}\", {transforms[entry[(entry.IndexOf(':') + 1)..]]} }}",
            }).Append('\n');
        }

        return text.Append('\n').ToString();
    }

    private static string Replace(string text, string old, string with) =>
        text.Split(old).Length == 2 ? text.Replace(old, with, StringComparison.Ordinal)
            : throw new InvalidDataException($"The example's definitions do not say \"{old.Trim()}\" once.");
}
