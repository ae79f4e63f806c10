using System.Globalization;
using FeatureStore.Benchmarks;
using FeatureStore.Harness;

const string Usage = """
    usage: featurestore-bench end-to-end [--repeat 5] [--runs 3] [--only streams,echo,ours,silo,silos,slices] [--partitions 4] [--align 1h] [--quick]
           featurestore-bench live [--seconds 30] [--rate 2000]
           featurestore-bench engine [--millions 10]
           featurestore-bench cluster [--only events,in-place,hot,moves,reads,http,grains]
           featurestore-bench slices [--seconds 30] [--rate 2000] [--times 5]

    end-to-end  replays the fraud data --repeat times through Kafka Streams, a bare C client and this server by turns, --runs times each,
                and prints medians; --quick: one pass of the data, one run. Where asked for, this server as a cluster over Redis: silo (one), silos (three, of which
                one ingests), slices (three that all ingest, a slice for each of the --partitions); --align: how far ahead of the slowest partition one may run
    engine      time and bytes of applying an event and of reading features, on one core; then --millions of entities in one runtime (0: none)
    live        sends --rate transactions a second for --seconds and prints how long each prediction took to be visible
    cluster     the runtime of the cluster beside the local one, in this process: events and look-ups a second, also from Redis and over HTTP;
                calls, time and bytes a grain
    slices      three silos as processes that share six slices of --rate transactions a second: how long slices wait at cuts, in --seconds; and how long
                they are not consumed when a silo leaves, joins and is killed, --times each
    """;

var options = new Dictionary<string, string>();
for (var i = 1; i < args.Length; i++)
{
    if (args[i] == "--quick")
        options["--repeat"] = options["--runs"] = "1";
    else if (args[i] is "--repeat" or "--runs" or "--partitions" or "--align" or "--only" or "--seconds" or "--rate" or "--times" or "--millions" && i + 1 < args.Length)
        options[args[i]] = args[++i];
    else
        return Fail($"\"{args[i]}\" is no option, or has no value.");
}

try
{
    switch (args.FirstOrDefault())
    {
        case "end-to-end":
            return EndToEnd.Run(Number("--repeat", 5), Number("--runs", 3), Number("--partitions", 4), options.GetValueOrDefault("--align", "1h"), options.GetValueOrDefault("--only", "streams,echo,ours").Split(','));
        case "engine":
            return Engine.Run(Number("--millions", 10));
        case "live":
            return Live.Run(Number("--seconds", 30), Number("--rate", 2000));
        case "slices":
            return SliceRun.Run(Number("--seconds", 30), Number("--rate", 2000), Number("--times", 5));
        case "cluster":
            return ClusterRun.Run(options.GetValueOrDefault("--only", "events,hot,moves,reads,http,grains").Split(','));
        default:
            return Fail("");
    }
}
catch (FixtureMissingException missing)
{
    return Fail(missing.Message);
}
catch (FormatException)
{
    return Fail("A count is not a whole number.");
}

int Number(string option, int otherwise) => options.TryGetValue(option, out var text) ? int.Parse(text, NumberStyles.None, CultureInfo.InvariantCulture) : otherwise;

static int Fail(string message)
{
    Console.Error.WriteLine($"{message}\n{Usage}".Trim());
    return 2;
}
