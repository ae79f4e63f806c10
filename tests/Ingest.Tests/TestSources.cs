using System.Globalization;
using System.IO.Compression;
using System.Text;
using FeatureStore.Core.Definitions;
using FeatureStore.Core.Events;
using FeatureStore.Core.Plans;

namespace FeatureStore.Ingest.Tests;

internal static class TestSources
{
    /// <summary>One field of each type, and some that are hard to tell apart.</summary>
    public static SourcePlan AllTypes { get; } = Plan(
        new("id", FieldType.Int64), new("amount", FieldType.Double), new("ok", FieldType.Bool), new("name", FieldType.String), new("at", FieldType.Timestamp),
        new("seen", FieldType.Timestamp), new("ide", FieldType.Int64), new("größe", FieldType.String), new("a\"b\\", FieldType.Int64));

    public static SourcePlan Transactions { get; } = Plan(
        new("TRANSACTION_ID", FieldType.Int64), new("TX_DATETIME", FieldType.Timestamp), new("CUSTOMER_ID", FieldType.Int64),
        new("TERMINAL_ID", FieldType.Int64), new("TX_AMOUNT", FieldType.Double), new("TX_FRAUD", FieldType.Int64));

    /// <summary>A plan whose time is the first timestamp field and whose id is the first field.</summary>
    public static SourcePlan Plan(params FieldDefinition[] fields)
    {
        var timestamp = Array.FindIndex(fields, field => field.Type == FieldType.Timestamp);
        return new SourcePlan
        {
            Index = 0,
            Definition = new SourceDefinition
            {
                Name = "transactions",
                Kafka = new KafkaTopicDefinition { Topic = "transactions" },
                Timestamp = fields[timestamp].Name,
                Fields = fields,
            },
            Schema = new RowSchema(fields),
            TimestampField = timestamp,
            IdField = 0,
        };
    }

    /// <summary>The first real transactions as the load tool sends them; the test is inconclusive where the shared data is missing.</summary>
    public static IReadOnlyList<byte[]> RealTransactions(int count)
    {
        var shared = Environment.GetEnvironmentVariable("FEATURESTORE_SHARED") ?? Path.Combine(ProjectRoot(), "../shared");
        var path = Path.Combine(shared, "data/fraud/transactions.csv.gz");
        if (!File.Exists(path))
            Assert.Inconclusive($"No \"{path}\": set FEATURESTORE_SHARED to the folder of shared data.");
        using var reader = new StreamReader(new GZipStream(File.OpenRead(path), CompressionMode.Decompress));
        var names = reader.ReadLine()!.Split(',');
        var documents = new List<byte[]>(count);
        while (documents.Count < count && reader.ReadLine() is { } line)
        {
            var members = line.Split(',').Select((text, column) =>
                $"\"{names[column]}\":{(double.TryParse(text, CultureInfo.InvariantCulture, out _) ? text : $"\"{text}\"")}");
            documents.Add(Encoding.UTF8.GetBytes($"{{{string.Join(',', members)}}}"));
        }

        return documents;
    }

    private static string ProjectRoot()
    {
        var folder = AppContext.BaseDirectory;
        while (!File.Exists(Path.Combine(folder, "Directory.Build.props")))
            folder = Path.GetDirectoryName(folder) ?? throw new DirectoryNotFoundException("The tests do not run inside the project.");
        return folder;
    }
}
