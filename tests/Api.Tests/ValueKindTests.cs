using System.Text.Json;
using FeatureStore.Core.Plans;

namespace FeatureStore.Api.Tests;

/// <summary>Texts, lists and maps, wherever a feature's value is answered.</summary>
[TestClass]
public sealed class ValueKindTests
{
    private static readonly ProjectPlan _plan = ApiHost.Compile("""
        project: shop
        sources:
          - name: payments
            kafka: { topic: payments.v1 }
            timestamp: at
            envelope: debezium
            fields: { id: string, at: timestamp, customer: int64, terminal: string, region: int64, amount: double, online: bool }
        entities:
          - { name: customer, keys: [customer] }
        feature_views:
          - name: habits
            entity: customer
            source: payments
            features:
              - { name: last_terminal, aggregate: last, of: terminal, window: { last: 5 } }
              - { name: terminals, aggregate: last_n, of: terminal, n: 3, window: { last: 5 } }
              - { name: amounts, aggregate: first_n, of: amount, n: 3, window: { session: 30m, max: 12h, limit: 50 } }
              - { name: usual, aggregate: top_k, of: terminal, k: 2, window: { sliding: 1d } }
              - { name: spread, aggregate: histogram, of: amount, bounds: [1, 15.5], window: { sliding: 36h, tile: 1h, delay: 0 } }
              - { name: by_terminal, aggregate: sum, of: amount, by: terminal, limit: 9, window: { tumbling: 7d, offset: 12h, closed: false, time_zone: Europe/Berlin } }
              - { name: total, aggregate: sum, of: amount }
              - { name: faded, aggregate: decayed_mean, of: amount, half_life: 36h, window: { sliding: 1d, tile: 1h, delay: 1h } }
              - { name: middle, aggregate: quantile, of: amount, q: 0.5, window: { session: 1h, closed: 2 } }
              - { name: spread_sample, aggregate: stddev, of: amount, sample: true }
        """);

    [TestMethod]
    public async Task FeastAnswersWithListsAndMaps()
    {
        await using var host = await StartAsync();

        var reply = await host.PostAsync("/get-online-features", """
            {"features":["habits:last_terminal","habits:total","habits:terminals","habits:amounts","habits:usual","habits:spread","habits:by_terminal"],"entities":{"customer":[7,8]}}
            """);

        const string State = "\"statuses\":[\"PRESENT\",\"NOT_FOUND\"],\"event_timestamps\":[\"2018-06-10T12:00:00Z\",\"1970-01-01T00:00:00Z\"]";
        reply.IsJson($$"""
            {"metadata":{"feature_names":["customer","last_terminal","total","terminals","amounts","usual","spread","by_terminal"]},"results":[
              {"values":[7,8],"statuses":["PRESENT","PRESENT"],"event_timestamps":["1970-01-01T00:00:00Z","1970-01-01T00:00:00Z"]},
              {"values":["T\"<2",null],{{State}}},
              {"values":[30.5,null],{{State}}},
              {"values":[["T1","T\"<2"],null],{{State}}},
              {"values":[[10.5,20],null],{{State}}},
              {"values":[[{"value":"T\"<2","count":1},{"value":"T1","count":1}],null],{{State}}},
              {"values":[[0,1,1],null],{{State}}},
              {"values":[{"T\"<2":20,"T1":10.5},null],{{State}}}]}
            """);
    }

    [TestMethod]
    public async Task ValuesOfManyRowsKeepTheirPlaces()
    {
        await using var host = await StartAsync();

        var reply = await host.PostAsync("/get-online-features", """{"features":["habits:terminals","habits:total"],"entities":{"customer":[8,7,8,7]}}""");

        Assert.AreEqual("""[null,["T1","T\u0022\u003C2"],null,["T1","T\u0022\u003C2"]]""", reply.Json.GetProperty("results")[1].GetProperty("values").GetRawText());
        Assert.AreEqual("[null,30.5,null,30.5]", reply.Json.GetProperty("results")[2].GetProperty("values").GetRawText());
    }

    [TestMethod]
    public async Task EntityPageShowsThem()
    {
        await using var host = await StartAsync();

        var features = (await host.GetAsync("/v1/entities/customer/7")).Json.GetProperty("views")[0].GetProperty("features");

        Assert.AreEqual(
            """
            {"name":"last_terminal","value":"T\u0022\u003C2","status":"PRESENT"}
            {"name":"terminals","value":["T1","T\u0022\u003C2"],"status":"PRESENT"}
            {"name":"amounts","value":[10.5,20],"status":"PRESENT"}
            {"name":"usual","value":[{"value":"T\u0022\u003C2","count":1},{"value":"T1","count":1}],"status":"PRESENT"}
            {"name":"spread","value":[0,1,1],"status":"PRESENT"}
            {"name":"by_terminal","value":{"T\u0022\u003C2":20,"T1":10.5},"status":"PRESENT"}
            {"name":"total","value":30.5,"status":"PRESENT"}
            """,
            string.Join('\n', features.EnumerateArray().Take(7).Select(feature => feature.GetRawText())));
        foreach (var feature in (await host.GetAsync("/v1/entities/customer/8")).Json.GetProperty("views")[0].GetProperty("features").EnumerateArray())
            Assert.AreEqual(("NOT_FOUND", JsonValueKind.Null), (feature.GetProperty("status").GetString(), feature.GetProperty("value").ValueKind));
    }

    [TestMethod]
    public async Task DefinitionsHaveEveryKey()
    {
        await using var host = await StartAsync();

        var json = (await host.GetAsync("/v1/definitions")).Json;

        Assert.AreEqual("debezium", json.GetProperty("sources")[0].GetProperty("envelope").GetString());
        Assert.AreEqual(
            """
            {"name":"last_terminal","aggregate":"last","of":"terminal","window":{"last":5}}
            {"name":"terminals","aggregate":"last_n","of":"terminal","n":3,"window":{"last":5}}
            {"name":"amounts","aggregate":"first_n","of":"amount","n":3,"window":{"session":"30m","max":"12h","closed":0,"limit":50}}
            {"name":"usual","aggregate":"top_k","of":"terminal","k":2,"window":{"sliding":"1d","limit":100000}}
            {"name":"spread","aggregate":"histogram","of":"amount","bounds":[1,15.5],"window":{"sliding":"36h","tile":"1h"}}
            {"name":"by_terminal","aggregate":"sum","of":"amount","by":"terminal","limit":9,"window":{"tumbling":"7d","offset":"12h","closed":false,"time_zone":"Europe/Berlin"}}
            {"name":"total","aggregate":"sum","of":"amount"}
            {"name":"faded","aggregate":"decayed_mean","of":"amount","half_life":"36h","window":{"sliding":"1d","delay":"1h","tile":"1h"}}
            {"name":"middle","aggregate":"quantile","of":"amount","q":0.5,"window":{"session":"1h","closed":2,"limit":100000}}
            {"name":"spread_sample","aggregate":"stddev","of":"amount","sample":true}
            """,
            string.Join('\n', json.GetProperty("feature_views")[0].GetProperty("features").EnumerateArray().Select(feature => feature.GetRawText())));
    }

    [TestMethod]
    public async Task PushWritesCreatesToASourceOfChanges()
    {
        await using var host = await ApiHost.StartAsync(plan: _plan);

        var reply = await host.PostAsync("/push", """{"push_source_name":"payments","df":{"at":[1528632000000],"customer":[1],"amount":[0.5]},"to":"online"}""");

        Assert.AreEqual(System.Net.HttpStatusCode.OK, reply.Status, reply.Text);
        Assert.AreEqual((0, "1", """{"op":"c","before":null,"after":{"at":"2018-06-10T12:00:00.000Z","customer":1,"amount":0.5}}"""), host.Publisher.Records.Single());
    }

    /// <summary>Customer 7 has paid twice, 8 never.</summary>
    /// <summary>An account number that no double tells from its neighbour, wherever it is answered; a number next to a power of two; and sums beyond an int64.</summary>
    [TestMethod]
    [DataRow(long.MaxValue, "18446744073709551614")]
    [DataRow(long.MinValue, "-18446744073709551616")]
    [DataRow((1L << 53) + 1, "18014398509481986")]
    [DataRow(-1000000000000000, "-2000000000000000")]
    [DataRow(0, "0")]
    public async Task IntegersHaveAllTheirDigits(long account, string sum)
    {
        await using var host = await ApiHost.StartAsync(plan: ApiHost.Compile("""
            project: shop
            sources:
              - name: payments
                kafka: { topic: payments.v1 }
                timestamp: at
                fields: { id: string, at: timestamp, customer: int64, terminal: string, region: int64, amount: double, online: bool }
            entities:
              - { name: customer, keys: [customer] }
            feature_views:
              - name: accounts
                entity: customer
                source: payments
                features:
                  - { name: last, aggregate: last, of: region }
                  - { name: most, aggregate: max, of: region, window: { sliding: 1d } }
                  - { name: sum, aggregate: sum, of: region, window: { sliding: 1d } }
                  - { name: by, aggregate: min, of: region, by: region, window: { sliding: 1d, tile: 1h } }
                  - { name: list, aggregate: last_n, n: 2, of: region, window: { session: 1h } }
                  - { name: top, aggregate: top_k, k: 1, of: region, window: { tumbling: 1d } }
                  - { name: tiny, aggregate: last, of: amount }
                  - { name: none, aggregate: last, of: region, where: "online", default: -1.5 }
            """));
        await host.PayAsync(7, 1, ApiHost.NowMs - 1, region: account);
        await host.PayAsync(7, Math.ScaleB(1, -25), ApiHost.NowMs, region: account);

        var reply = await host.PostAsync("/get-online-features", """
            {"features":["accounts:last","accounts:most","accounts:sum","accounts:by","accounts:list","accounts:top","accounts:tiny","accounts:none"],"entities":{"customer":[7]}}
            """);
        var page = (await host.GetAsync("/v1/entities/customer/7")).Json.GetProperty("views")[0].GetProperty("features");

        string[] expected =
        [
            $"{account}", $"{account}", sum, $"{{\"{account}\":{account}}}", $"[{account},{account}]", $"[{{\"value\":{account},\"count\":2}}]", "2.9802322387695312E-08", "-1.5",
        ];
        CollectionAssert.AreEqual(expected, reply.Json.GetProperty("results").EnumerateArray().Skip(1).Select(result => result.GetProperty("values")[0].GetRawText()).ToArray());
        CollectionAssert.AreEqual(expected, page.EnumerateArray().Select(feature => feature.GetProperty("value").GetRawText()).ToArray());
    }

    private static async Task<ApiHost> StartAsync()
    {
        var host = await ApiHost.StartAsync(plan: _plan);
        await host.PayAsync(7, 10.5, ApiHost.NowMs - 60_000);
        await host.PayAsync(7, 20, ApiHost.NowMs, "T\"<2");
        return host;
    }
}
