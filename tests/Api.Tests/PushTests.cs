using System.Net;
using FeatureStore.Runtime;

namespace FeatureStore.Api.Tests;

[TestClass]
public sealed class PushTests
{
    private const string Path = "/push";
    private const string TwoRows = """{"push_source_name":"payments","df":{"at":["2018-06-10 11:00:00.5+02:00",1528632000000],"customer":[1,2],"terminal":["a|b\\c",null],"region":[3,4],"amount":[0.1,1e21],"online":[true,null]},"to":"online"}""";

    [TestMethod]
    public async Task ProducesARecordARowWithTheKeyOfTheFirstViewsEntity()
    {
        await using var host = await ApiHost.StartAsync();

        var reply = await host.PostAsync(Path, TwoRows);

        Assert.AreEqual(HttpStatusCode.OK, reply.Status, reply.Text);
        Assert.AreEqual("", reply.Text);
        CollectionAssert.AreEquivalent(
            new[]
            {
                (0, "1", """{"at":"2018-06-10T09:00:00.500Z","customer":1,"terminal":"a|b\\c","region":3,"amount":0.1,"online":true}"""),
                (0, "2", """{"at":"2018-06-10T12:00:00.000Z","customer":2,"region":4,"amount":1E+21}"""),
            },
            host.Publisher.Records);
    }

    [TestMethod]
    public async Task JoinsKeysOfSeveralPartsSoThatDifferentEntitiesDiffer()
    {
        var plan = ApiHost.Compile("""
            project: keys
            sources:
              - { name: s, kafka: { topic: s, format: json }, timestamp: at, fields: { at: timestamp, t: string, n: int64, b: bool } }
            entities: [{ name: e, keys: [t, n, b] }]
            feature_views: [{ name: v, entity: e, source: s, features: [{ name: c, aggregate: count }] }]
            """);
        await using var host = await ApiHost.StartAsync(plan: plan);

        await host.PostAsync(Path, """{"push_source_name":"s","df":{"at":[0,0],"t":["a|b\\c","x"],"n":[-3,null],"b":[true,false]},"to":"online_and_offline"}""");

        CollectionAssert.AreEquivalent(new[] { """a\|b\\c|-3|true""", "" }, host.Publisher.Records.Select(record => record.Key).ToArray(), "no key where a part is null");
    }

    [TestMethod]
    public async Task AnswersOnAcknowledgementOnly()
    {
        var (asked, acknowledge) = (new TaskCompletionSource(), new TaskCompletionSource());
        await using var host = await ApiHost.StartAsync();
        host.Publisher.Before = async (_, _) =>
        {
            asked.TrySetResult();
            await acknowledge.Task;
        };

        var push = host.PostAsync(Path, TwoRows);
        await asked.Task;
        await Task.WhenAny(push, Task.Delay(100));
        Assert.IsFalse(push.IsCompleted);
        acknowledge.SetResult();

        Assert.AreEqual(HttpStatusCode.OK, (await push).Status);
    }

    [TestMethod]
    public async Task SaysHowManyRowsFailedAndWhy()
    {
        await using var host = await ApiHost.StartAsync();
        host.Publisher.Before = (count, _) => count == 0 ? ValueTask.CompletedTask : throw new EventPublishException("the broker is out of disk.");

        (await host.PostAsync(Path, TwoRows)).IsProblem(503, "push-failed", "1 of 2 rows were acknowledged: the broker is out of disk. Push again");
    }

    [TestMethod]
    public async Task GivesUpOnABrokerThatDoesNotAnswer()
    {
        await using var host = await ApiHost.StartAsync(options => options.PushTimeout = TimeSpan.FromSeconds(1));
        var waiting = new TaskCompletionSource();
        host.Publisher.Before = async (_, token) =>
        {
            waiting.TrySetResult();
            await Task.Delay(Timeout.Infinite, token);
        };

        var push = host.PostAsync(Path, TwoRows);
        await waiting.Task;
        host.Time.Advance(TimeSpan.FromSeconds(1));

        (await push).IsProblem(503, "push-failed", "0 of 2 rows were acknowledged: the broker did not acknowledge within 1 s.");
    }

    [TestMethod]
    [DataRow("""{"df":{"at":[0]}}""", 400, "bad-request", "no \"push_source_name\"")]
    [DataRow("""{"push_source_name":"payment","df":{"at":[0]}}""", 404, "unknown-source", "There is no source \"payment\". Did you mean \"payments\"?")]
    [DataRow("""{"push_source_name":"payments"}""", 400, "bad-request", "no \"df\"")]
    [DataRow("""{"push_source_name":"payments","df":[]}""", 400, "bad-request", "\"df\" is an array")]
    [DataRow("""{"push_source_name":"payments","df":{}}""", 400, "bad-request", "\"df\" has no rows")]
    [DataRow("""{"push_source_name":"payments","df":{"at":[]}}""", 400, "bad-request", "\"df\" has no rows")]
    [DataRow("""{"push_source_name":"payments","df":{"customer":[1]}}""", 400, "missing-column", "lacks the column \"at\", which holds the event's time")]
    [DataRow("""{"push_source_name":"payments","df":{"at":[null]}}""", 400, "bad-value", "column \"at\", row 0: the event's time is null")]
    [DataRow("""{"push_source_name":"payments","df":{"at":[0],"custmer":[1]}}""", 400, "unknown-column", "source \"payments\" has no field \"custmer\". Did you mean \"customer\"?")]
    [DataRow("""{"push_source_name":"payments","df":{"at":[0],"customer":["1"]}}""", 400, "bad-value", "column \"customer\", row 0: the text \"1\" is not an int64")]
    [DataRow("""{"push_source_name":"payments","df":{"at":[0],"customer":1}}""", 400, "bad-column", "column \"customer\" is the number 1")]
    [DataRow("""{"push_source_name":"payments","df":{"at":[0,1],"customer":[1]}}""", 400, "bad-column", "column \"customer\" has 1 values, column \"at\" 2")]
    [DataRow("""{"push_source_name":"payments","df":{"at":[0],"customer":[1,[2]]}}""", 400, "bad-column", "column \"customer\" has 2 values, column \"at\" 1")]
    [DataRow("""{"push_source_name":"payments","df":{"at":[0],"at":[0]}}""", 400, "bad-column", "column \"at\" comes twice")]
    [DataRow("""{"push_source_name":"payments","df":{"at":[0]},"to":"offline"}""", 400, "bad-request", "\"to\" is the text \"offline\"")]
    public async Task SaysWhatIsWrongAndProducesNothing(string request, int status, string code, string detail)
    {
        await using var host = await ApiHost.StartAsync();

        (await host.PostAsync(Path, request)).IsProblem(status, code, detail);
        Assert.IsEmpty(host.Publisher.Records);
    }
}
