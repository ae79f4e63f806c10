using System.Globalization;
using System.IO.Compression;
using System.Runtime.CompilerServices;

namespace FeatureStore.Core.Tests.Blocks.Sketches;

/// <summary>Real card transactions, in time order, from the folder of shared data.</summary>
internal static class Transactions
{
    private const int RowsMax = 200_000;

    private static readonly Lazy<(long Customer, long Terminal, double Amount)[]?> _rows = new(Read);

    public static (long Customer, long Terminal, double Amount)[] Rows
    {
        get
        {
            if (_rows.Value is null)
                Assert.Inconclusive($"No \"{FilePath()}\": set FEATURESTORE_SHARED to the folder of shared data.");
            return _rows.Value;
        }
    }

    private static string FilePath([CallerFilePath] string source = "")
    {
        var root = Path.GetFullPath(Path.Combine(Path.GetDirectoryName(source)!, "../../../.."));
        var shared = Environment.GetEnvironmentVariable("FEATURESTORE_SHARED") is { Length: > 0 } folder ? folder : Path.Combine(root, "../shared");
        return Path.Combine(shared, "data/fraud/transactions.csv.gz");
    }

    private static (long, long, double)[]? Read()
    {
        if (!File.Exists(FilePath()))
            return null;
        using var reader = new StreamReader(new GZipStream(File.OpenRead(FilePath()), CompressionMode.Decompress));
        reader.ReadLine();
        var rows = new List<(long, long, double)>();
        while (rows.Count < RowsMax && reader.ReadLine() is { } line)
        {
            var fields = line.Split(',');
            rows.Add((Parse(fields[2]), Parse(fields[3]), double.Parse(fields[4], CultureInfo.InvariantCulture)));
        }

        return [.. rows];
    }

    private static long Parse(string field) => long.Parse(field, CultureInfo.InvariantCulture);
}
