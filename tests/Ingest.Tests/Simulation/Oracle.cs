using System.Globalization;
using System.Text;
using System.Text.Json;
using FeatureStore.Core.Plans;
using FeatureStore.Runtime;
using FeatureStore.Runtime.Local;

namespace FeatureStore.Ingest.Tests.Simulation;

/// <summary>What must have come of a log, computed the plain way: every event is looked at again for each value.</summary>
internal sealed class Oracle(List<Entry>[] log, long alignMs, long delayMs, bool knowsOrder, int slices = 1)
{
    public void CheckPredictions(SimulatedBroker broker)
    {
        var expected = new Dictionary<string, (Entry Entry, Dictionary<string, double> Values)>();
        var order = knowsOrder && alignMs == 0 ? StrictMerge() : null;
        for (var partition = 0; partition < log.Length; partition++)
        {
            for (var index = 0; index < log[partition].Count; index++)
            {
                if (log[partition][index].Fate == Fate.Applied)
                    expected.Add(Position(partition, log[partition][index]), (log[partition][index], ValuesOf(partition, index, order)));
            }
        }

        foreach (var (topic, key, value) in broker.Predictions)
        {
            Assert.AreEqual(Payments.Predictions, topic);
            using var document = JsonDocument.Parse(value);
            var root = document.RootElement;
            var position = root.GetProperty("position").GetString()!;
            Assert.IsTrue(expected.Remove(position, out var prediction), $"{position} is predicted twice, or should not be.");
            Assert.AreEqual(prediction.Entry.Payment!.Customer!.Value.ToString(CultureInfo.InvariantCulture), key, position);
            Assert.AreEqual(prediction.Entry.Payment.Id.ToString(CultureInfo.InvariantCulture), root.GetProperty("id").GetString(), position);
            var features = root.GetProperty("features");
            foreach (var (name, number) in prediction.Values)
                Assert.AreEqual(number, features.GetProperty(name).GetDouble(), 1e-9 * Math.Max(1, Math.Abs(number)), $"{position}: {name}");
            var sum = features.EnumerateObject().Sum(feature => feature.Value.ValueKind == JsonValueKind.Number ? feature.Value.GetDouble() : 0);
            Assert.AreEqual(sum, root.GetProperty("outputs").GetProperty("score").GetDouble(), 1e-6, position);
        }

        Assert.IsEmpty(expected, "Predictions are missing.");
    }

    public void CheckDeadLetters(SimulatedBroker broker)
    {
        var expected = new Dictionary<string, Entry>();
        for (var partition = 0; partition < log.Length; partition++)
        {
            foreach (var entry in log[partition].Where(entry => entry.Rule is not null))
                expected.Add(Position(partition, entry), entry);
        }

        foreach (var (topic, letter) in broker.DeadLetters)
        {
            Assert.AreEqual(Payments.DeadLetters, topic);
            string Header(int fromEnd) => Encoding.UTF8.GetString(letter.Headers[^fromEnd].Value!);
            CollectionAssert.AreEqual(new[] { "source-position", "reason", "rule" }, letter.Headers.TakeLast(3).Select(header => header.Key).ToList());
            Assert.IsTrue(expected.Remove(Header(3), out var entry), $"{Header(3)} is a dead letter twice, or should not be.");
            Assert.AreEqual(entry.Rule, Header(1), Header(3));
            AssertSame(entry.Record.Key, letter.Key, "key");
            AssertSame(entry.Record.Value, letter.Value, "value");
            Assert.HasCount(entry.Record.Headers.Length + 3, letter.Headers);
            for (var index = 0; index < entry.Record.Headers.Length; index++)
            {
                Assert.AreEqual(entry.Record.Headers[index].Key, letter.Headers[index].Key);
                AssertSame(entry.Record.Headers[index].Value, letter.Headers[index].Value, letter.Headers[index].Key);
            }
        }

        Assert.IsEmpty(expected, "Dead letters are missing.");
    }

    /// <summary>The state says what the whole log makes of it, as of its newest event and later.</summary>
    public void CheckState(ProjectPlan plan, LocalRuntime runtime)
    {
        var all = log.SelectMany(entries => entries).Where(entry => entry.TakesEffect).Select(entry => entry.Payment!).ToList();
        if (all.Count == 0)
            return;
        var newestMs = all.Max(payment => payment.TimeMs);
        Assert.AreEqual(newestMs, runtime.StreamTimeMs(0));
        foreach (var asOfMs in new[] { newestMs, newestMs + 1_234_567, newestMs + delayMs })
        {
            foreach (var group in all.GroupBy(payment => payment.Customer!.Value))
            {
                var key = new byte[8];
                System.Buffers.Binary.BinaryPrimitives.WriteInt64BigEndian(key, group.Key);
                CheckEntity(plan.Entities[0], runtime, key, asOfMs, [Count(group, asOfMs, 0), Sum(group, asOfMs, 0), group.Count()]);
            }

            foreach (var group in all.GroupBy(payment => payment.Terminal))
            {
                var name = Encoding.UTF8.GetBytes($"t{group.Key}");
                CheckEntity(plan.Entities[1], runtime, [0, (byte)name.Length, .. name], asOfMs, [Count(group, asOfMs, delayMs), Sum(group, asOfMs, delayMs), Count(group, asOfMs, 0)]);
            }
        }
    }

    private static void CheckEntity(EntityPlan entity, LocalRuntime runtime, byte[] key, long asOfMs, double[] expected)
    {
        var (keys, blocks) = (new BlockSet(), new BlockSet());
        keys.Add(key);
        runtime.ReadAsync(entity.Index, keys, blocks, CancellationToken.None).AsTask().GetAwaiter().GetResult();
        var values = new double[expected.Length];
        entity.Read(blocks[0], asOfMs, [.. Enumerable.Range(0, expected.Length)], values);
        for (var index = 0; index < expected.Length; index++)
            Assert.AreEqual(expected[index], values[index], 1e-9 * Math.Max(1, Math.Abs(expected[index])), $"{entity.Name} {Convert.ToHexString(key)}: {entity.Features[index].Name}");
    }

    private Dictionary<string, double> ValuesOf(int partition, int index, Dictionary<Entry, int>? order)
    {
        var entry = log[partition][index];
        var payment = entry.Payment!;
        // One customer's payments are in one partition: what came before is what stands before.
        var ofCustomer = log[partition].Take(index + 1).Where(other => other.TakesEffect && other.Payment!.Customer == payment.Customer).Select(other => other.Payment!).ToList();
        var ofTerminal = log.SelectMany(entries => entries).Where(other => other.TakesEffect && other.Payment!.Terminal == payment.Terminal).ToList();
        var values = new Dictionary<string, double>
        {
            ["AMOUNT"] = payment.Amount!.Value,
            ["c_count"] = Count(ofCustomer, payment.TimeMs, 0),
            ["c_sum"] = Sum(ofCustomer, payment.TimeMs, 0),
            ["c_ever"] = ofCustomer.Count,
            ["t_count"] = Count(ofTerminal.Select(other => other.Payment!), payment.TimeMs, delayMs),
            ["t_sum"] = Sum(ofTerminal.Select(other => other.Payment!), payment.TimeMs, delayMs),
        };
        values["share"] = values["c_sum"] > 0 ? values["AMOUNT"] / values["c_sum"] : -1;
        values["half"] = values["share"] / 2;
        if (order is not null)
            values.Add("t_now", Count(ofTerminal.Where(other => order[other] <= order[entry]).Select(other => other.Payment!), payment.TimeMs, 0));
        return values;
    }

    private static double Count(IEnumerable<Payment> payments, long asOfMs, long delayMs) => payments.Count(payment => InWindow(payment, asOfMs - delayMs));

    private static double Sum(IEnumerable<Payment> payments, long asOfMs, long delayMs) =>
        payments.Where(payment => InWindow(payment, asOfMs - delayMs)).Sum(payment => payment.Amount!.Value);

    private static bool InWindow(Payment payment, long endMs) => payment.TimeMs > endMs - Payments.WindowMs && payment.TimeMs <= endMs;

    /// <summary>The place of each event when the earliest head goes first, of equal ones that of the first slice's first partition.</summary>
    private Dictionary<Entry, int> StrictMerge()
    {
        var heads = new int[log.Length];
        var order = new Dictionary<Entry, int>(ReferenceEqualityComparer.Instance);
        while (true)
        {
            var first = -1;
            foreach (var partition in Enumerable.Range(0, log.Length).OrderBy(partition => partition % slices))
            {
                while (heads[partition] < log[partition].Count && !log[partition][heads[partition]].Passes)
                    heads[partition]++;
                if (heads[partition] < log[partition].Count && (first < 0 || Head(partition) < Head(first)))
                    first = partition;
            }

            if (first < 0)
                return order;
            order.Add(log[first][heads[first]++], order.Count);
        }

        long Head(int partition) => log[partition][heads[partition]].Payment!.TimeMs;
    }

    private static string Position(int partition, Entry entry) => $"{Payments.Topic}/{partition}/{entry.Record.Offset}";

    private static void AssertSame(byte[]? expected, byte[]? actual, string what)
    {
        Assert.AreEqual(expected is null, actual is null, what);
        CollectionAssert.AreEqual(expected ?? [], actual ?? [], what);
    }
}
