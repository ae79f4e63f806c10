using System.Globalization;
using System.IO.Compression;
using System.Text;

namespace FeatureStore.Harness;

/// <summary>One card transaction.</summary>
public readonly record struct Transaction(int Id, long TimeMs, int Customer, int Terminal, double Amount, bool Fraud)
{
    /// <summary>The record's value, as shared/kafka/load writes it.</summary>
    public byte[] ToJson() => Encoding.UTF8.GetBytes(string.Create(CultureInfo.InvariantCulture,
        $"{{\"TRANSACTION_ID\":{Id},\"TX_DATETIME\":\"{Time:yyyy-MM-ddTHH:mm:ssZ}\",\"CUSTOMER_ID\":{Customer},\"TERMINAL_ID\":{Terminal},\"TX_AMOUNT\":{Amount},\"TX_FRAUD\":{(Fraud ? 1 : 0)}}}"));

    public byte[] Key => Encoding.UTF8.GetBytes(Customer.ToString(CultureInfo.InvariantCulture));

    public DateTimeOffset Time => DateTimeOffset.FromUnixTimeMilliseconds(TimeMs);
}

/// <summary>The card-fraud data of the shared folder.</summary>
public static class FraudData
{
    public const int TransactionCount = 719_307;

    /// <summary>Transactions with published features: those from 2018-06-01 on.</summary>
    public const int PublishedCount = 134_130;

    /// <summary>Two payments of one customer in one second that the authors counted in the other order than the file's.</summary>
    public static readonly IReadOnlySet<int> AuthorsTie = new HashSet<int> { 602_591, 602_592 };

    public static IReadOnlyList<string> FeatureNames { get; } =
    [
        "TX_AMOUNT", "TX_DURING_WEEKEND", "TX_DURING_NIGHT",
        "CUSTOMER_ID_NB_TX_1DAY_WINDOW", "CUSTOMER_ID_AVG_AMOUNT_1DAY_WINDOW",
        "CUSTOMER_ID_NB_TX_7DAY_WINDOW", "CUSTOMER_ID_AVG_AMOUNT_7DAY_WINDOW",
        "CUSTOMER_ID_NB_TX_30DAY_WINDOW", "CUSTOMER_ID_AVG_AMOUNT_30DAY_WINDOW",
        "TERMINAL_ID_NB_TX_1DAY_WINDOW", "TERMINAL_ID_RISK_1DAY_WINDOW",
        "TERMINAL_ID_NB_TX_7DAY_WINDOW", "TERMINAL_ID_RISK_7DAY_WINDOW",
        "TERMINAL_ID_NB_TX_30DAY_WINDOW", "TERMINAL_ID_RISK_30DAY_WINDOW",
    ];

    public static string TransactionsFile => Workspace.SharedPath("data", "fraud", "transactions.csv.gz");

    /// <summary>All transactions, in the file's order; ids are 0 to 719,306 but do not ascend everywhere.</summary>
    public static Transaction[] ReadTransactions()
    {
        var transactions = new Transaction[TransactionCount];
        var row = 0;
        foreach (var line in ReadRows(TransactionsFile, "TRANSACTION_ID,TX_DATETIME,CUSTOMER_ID,TERMINAL_ID,TX_AMOUNT,TX_FRAUD"))
        {
            var fields = line.Split(',');
            var time = DateTimeOffset.ParseExact(fields[1], "yyyy-MM-ddTHH:mm:ssZ", CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal);
            transactions[row++] = new Transaction(Integer(fields[0]), time.ToUnixTimeMilliseconds(), Integer(fields[2]), Integer(fields[3]), Number(fields[4]), fields[5] == "1");
        }

        return row == TransactionCount ? transactions : throw new InvalidDataException($"\"{TransactionsFile}\" has {row} rows, not {TransactionCount}.");
    }

    /// <summary>The features that the data's authors published: all but the amount, which is NaN here.</summary>
    public static FeatureTable ReadPublishedFeatures()
    {
        var table = new FeatureTable();
        foreach (var line in ReadRows(Workspace.SharedPath("data", "fraud", "expected_features.csv.gz"), "TRANSACTION_ID," + string.Join(',', FeatureNames.Skip(1))))
        {
            var fields = line.Split(',');
            var values = table.Add(Integer(fields[0]));
            values[0] = double.NaN;
            for (var i = 1; i < fields.Length; i++)
                values[i] = Number(fields[i]);
        }

        return table;
    }

    /// <summary>The scores that a reference model of the shared folder must give, by transaction.</summary>
    public static Dictionary<int, double> ReadScores(string model) =>
        ReadRows(Workspace.SharedPath("models", "expected", model + ".csv.gz"), "TRANSACTION_ID,score,library_score")
            .Select(line => line.Split(',')).ToDictionary(fields => Integer(fields[0]), fields => Number(fields[1]));

    private static IEnumerable<string> ReadRows(string file, string header)
    {
        using var reader = new StreamReader(new GZipStream(File.OpenRead(file), CompressionMode.Decompress));
        var found = reader.ReadLine();
        if (found != header)
            throw new InvalidDataException($"\"{file}\" has the columns \"{found}\", not \"{header}\".");
        while (reader.ReadLine() is { } line)
            yield return line;
    }

    private static int Integer(string text) => int.Parse(text, CultureInfo.InvariantCulture);

    private static double Number(string text) => double.Parse(text, CultureInfo.InvariantCulture);
}

/// <summary>The 15 features of transactions, by id.</summary>
public sealed class FeatureTable
{
    private readonly Dictionary<int, int> _rows = [];
    private double[] _values = [];

    public static int Width => FraudData.FeatureNames.Count;

    public int Count => _rows.Count;

    /// <summary>Room for a transaction's values.</summary>
    public Span<double> Add(int id)
    {
        var row = _rows.Count;
        _rows.Add(id, row);
        if (_values.Length < (row + 1) * Width)
            Array.Resize(ref _values, Math.Max(1024 * Width, _values.Length * 2));
        return _values.AsSpan(row * Width, Width);
    }

    /// <returns>The values, or none where the table has no such transaction.</returns>
    public ReadOnlySpan<double> Get(int id) => _rows.TryGetValue(id, out var row) ? _values.AsSpan(row * Width, Width) : [];
}
