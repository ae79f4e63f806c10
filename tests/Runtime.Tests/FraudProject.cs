using FeatureStore.Core.Events;
using FeatureStore.Core.Expressions;
using FeatureStore.Core.Plans;
using FeatureStore.Core.Vectors;
using FeatureStore.Harness;
using FeatureStore.Registry;
using FeatureStore.Runtime.Local;

namespace FeatureStore.Runtime.Tests;

/// <summary>The card-fraud example's definitions, and batches of its transactions.</summary>
internal static class FraudProject
{
    public static ProjectPlan Plan { get; } = Load();

    public static LocalRuntime NewRuntime() => new(Plan, new LocalRuntimeOptions { Shards = 1 });

    private static ProjectPlan Load()
    {
        var result = DefinitionLoader.Load(Path.Combine(Workspace.FraudExample, "definitions"));
        Assert.IsNotNull(result.Project, result.ToString());
        return ProjectPlan.Compile(result.Project);
    }
}

/// <summary>A batch of transactions with the example's vectors, all fifteen features filled.</summary>
internal sealed class FraudBatch
{
    private readonly int[] _fields;
    private readonly (int Position, CompiledExpression Expression)[] _request;

    public FraudBatch()
    {
        var source = FraudProject.Plan.Sources[0];
        Events = new EventBatch(source.Schema);
        Vectors = new VectorBatch(FraudProject.Plan.ServicesOn(source)[0]);
        Apply = new ApplyBatch(0, Events, [Vectors]);
        _fields = [.. new[] { "TRANSACTION_ID", "TX_DATETIME", "CUSTOMER_ID", "TERMINAL_ID", "TX_AMOUNT", "TX_FRAUD" }.Select(source.Schema.IndexOf)];
        _request = [.. Enumerable.Range(0, Vectors.Service.Features.Count)
            .Where(position => Vectors.Service.Features[position].Origin is FeatureOrigin.OfRequest)
            .Select(position => (position, CompiledExpression.CompileSound(((FeatureOrigin.OfRequest)Vectors.Service.Features[position].Origin).Text, source.Schema)))];
    }

    public EventBatch Events { get; }

    public VectorBatch Vectors { get; }

    public ApplyBatch Apply { get; }

    public void Fill(ReadOnlySpan<Transaction> transactions)
    {
        Events.Clear();
        foreach (ref readonly var transaction in transactions)
        {
            var row = Events.Add(new EventHeader { TimeMs = transaction.TimeMs });
            Events.SetInt64(row, _fields[0], transaction.Id);
            Events.SetInt64(row, _fields[1], transaction.TimeMs);
            Events.SetInt64(row, _fields[2], transaction.Customer);
            Events.SetInt64(row, _fields[3], transaction.Terminal);
            Events.SetDouble(row, _fields[4], transaction.Amount);
            Events.SetInt64(row, _fields[5], transaction.Fraud ? 1 : 0);
        }

        Vectors.Reset(Events.Count);
    }

    /// <summary>Applies the batch, and fills in what comes from the events themselves.</summary>
    public void Run(LocalRuntime runtime)
    {
        runtime.ApplyAsync(Apply, CancellationToken.None).AsTask().GetAwaiter().GetResult();
        for (var row = 0; row < Events.Count; row++)
        {
            foreach (var (position, expression) in _request)
                Vectors[row, position] = expression.EvaluateNumber(Events.Row(row));
        }
    }
}
