using System.Diagnostics;
using System.Globalization;
using FeatureStore.Harness;

namespace FeatureStore.Benchmarks;

/// <summary>The whole job, Kafka to predictions, beside its peers on one machine and one broker, by turns.</summary>
internal static class EndToEnd
{
    private const string Topic = "transactions";

    public static int Run(int repeat, int runs, int partitions, string align, string[] only)
    {
        var events = FraudData.TransactionCount * repeat;
        using var ours = new Ours(0, partitions, align);
        using var silo = new Ours(1, partitions, align);
        using var silos = new Ours(3, partitions, align);
        using var slices = new Ours(3, partitions, align, isDivided: true);
        Contender[] all = [new KafkaStreams(), new BareClient(), ours, silo, silos, slices];
        var contenders = all.Where(contender => only.Contains(contender.Key)).ToList();
        var results = contenders.ToDictionary(contender => contender, _ => new List<Measurement>());
        var answers = contenders.ToDictionary(contender => contender, _ => new HashSet<string>());
        var folder = Workspace.NewFolder("bench");
        using var kafka = KafkaServer.Start();
        try
        {
            Console.Error.WriteLine($"loading {events:N0} transactions");
            kafka.LoadTransactions(Topic, partitions, "--repeat", $"{repeat}");
            for (var run = 1; run <= runs; run++)
            {
                foreach (var contender in contenders)
                {
                    Console.Error.WriteLine($"run {run} of {runs}: {contender.Name}");
                    var started = Stopwatch.GetTimestamp();
                    using var running = contender.Start(kafka, Topic, events, folder, run);
                    var measurement = VisibleProgress.Watch(kafka, running, events, started);
                    Console.Error.WriteLine($"  {measurement}");
                    if (running.SecondHalf() is { Length: > 0 } second)
                        Console.Error.WriteLine($"  second half: {second}");
                    results[contender].Add(measurement);
                    answers[contender].Add(running.Finish());
                    kafka.DeleteTopic(running.Output);
                }
            }

            PrintTable(events, runs, results, answers);
            PrintRatios(results);
            return answers.Values.SelectMany(answer => answer).Contains("WRONG") ? 1 : 0;
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static void PrintTable(int events, int runs, Dictionary<Contender, List<Measurement>> results, Dictionary<Contender, HashSet<string>> answers)
    {
        var peer = results.FirstOrDefault(result => result.Key is KafkaStreams).Value;
        Console.WriteLine($"{events:N0} events, {Environment.ProcessorCount} cores, medians of {runs} runs by turns.\n");
        Console.WriteLine("| what | events/s | of Kafka Streams' | second half | CPU µs/event | of Kafka Streams' | second half | seconds from start | MiB resident | visible every ms | broker's CPU s | answers |");
        Console.WriteLine("|---|---|---|---|---|---|---|---|---|---|---|---|");
        foreach (var (contender, measurements) in results)
        {
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"""
                | {contender.Name} | {Median(m => m.EventsPerSecond):N0} | {Ratio(m => m.EventsPerSecond)} | {Median(m => m.SecondHalfEventsPerSecond):N0} | {Median(m => m.CpuMicrosecondsPerEvent):F2} | {Ratio(m => m.CpuMicrosecondsPerEvent)} | {Median(m => m.SecondHalfCpuMicrosecondsPerEvent):F2} | {Median(m => m.SecondsFromStart):F1} | {Median(m => m.MemoryMaxMiB):F0} | {Median(m => m.VisibleGapMs):F0} | {Median(m => m.BrokerCpuSeconds):F1} | {string.Join(", ", answers[contender])} |
                """));

            double Median(Func<Measurement, double> figure) => MedianOf(measurements, figure);

            string Ratio(Func<Measurement, double> figure) =>
                peer is null ? "" : string.Create(CultureInfo.InvariantCulture, $"× {Median(figure) / MedianOf(peer, figure):F2}");
        }
    }

    /// <summary>What each of ours is of the simpler ones, once it is warm.</summary>
    private static void PrintRatios(Dictionary<Contender, List<Measurement>> results)
    {
        var ours = results.Where(result => result.Key is Ours).ToList();
        foreach (var (index, (contender, measurements)) in ours.Index())
        {
            foreach (var (simpler, its) in ours.Take(index))
            {
                Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"""
                    {contender.Key}, second half: × {Ratio(m => m.SecondHalfEventsPerSecond):F2} of the rate of {simpler.Key}, × {Ratio(m => m.SecondHalfCpuMicrosecondsPerEvent):F2} of its processor time
                    """));

                double Ratio(Func<Measurement, double> figure) => MedianOf(measurements, figure) / MedianOf(its, figure);
            }
        }
    }

    private static double MedianOf(List<Measurement> measurements, Func<Measurement, double> figure)
    {
        var ordered = measurements.Select(figure).Order().ToList();
        var middle = ordered.Count / 2;
        return ordered.Count % 2 == 1 ? ordered[middle] : (ordered[middle - 1] + ordered[middle]) / 2;
    }
}
