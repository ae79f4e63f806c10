namespace FeatureStore.Harness;

/// <summary>
/// The 15 fraud features by their definition, the slow and plain way: for each transaction every earlier one of its customer and its
/// terminal is looked at again. Shares nothing with the product.
/// </summary>
public static class ReferenceEngine
{
    private const long DayMs = 86_400_000;
    private const long LabelDelayMs = 7 * DayMs;
    private static readonly int[] _windowsDays = [1, 7, 30];

    /// <param name="transactions">In order of time; among equal times their order counts.</param>
    public static FeatureTable Compute(IReadOnlyList<Transaction> transactions)
    {
        var table = new FeatureTable();
        var byCustomer = new Dictionary<int, List<Transaction>>();
        var byTerminal = new Dictionary<int, List<Transaction>>();
        foreach (var transaction in transactions)
        {
            var ofCustomer = ListOf(byCustomer, transaction.Customer);
            var ofTerminal = ListOf(byTerminal, transaction.Terminal);
            ofCustomer.Add(transaction);
            ofTerminal.Add(transaction);

            var values = table.Add(transaction.Id);
            values[0] = transaction.Amount;
            values[1] = transaction.Time.DayOfWeek is DayOfWeek.Saturday or DayOfWeek.Sunday ? 1 : 0;
            values[2] = transaction.Time.Hour <= 6 ? 1 : 0;
            for (var i = 0; i < _windowsDays.Length; i++)
            {
                var reachMs = _windowsDays[i] * DayMs;
                var (count, amount, _) = Window(ofCustomer, transaction.TimeMs, reachMs);
                values[3 + 2 * i] = count;
                values[4 + 2 * i] = amount / count;
                (count, _, var frauds) = Window(ofTerminal, transaction.TimeMs - LabelDelayMs, reachMs);
                values[9 + 2 * i] = count;
                values[10 + 2 * i] = count == 0 ? 0 : (double)frauds / count;
            }
        }

        return table;
    }

    private static List<Transaction> ListOf(Dictionary<int, List<Transaction>> lists, int key)
    {
        if (!lists.TryGetValue(key, out var list))
            lists.Add(key, list = []);
        return list;
    }

    /// <summary>Over (end − reach, end].</summary>
    private static (int Count, double Amount, int Frauds) Window(List<Transaction> transactions, long endMs, long reachMs)
    {
        var (count, amount, frauds) = (0, 0.0, 0);
        for (var i = transactions.Count - 1; i >= 0 && transactions[i].TimeMs > endMs - reachMs; i--)
        {
            if (transactions[i].TimeMs > endMs)
                continue;
            count++;
            amount += transactions[i].Amount;
            frauds += transactions[i].Fraud ? 1 : 0;
        }

        return (count, amount, frauds);
    }
}
