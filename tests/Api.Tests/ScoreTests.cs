using System.Net;

namespace FeatureStore.Api.Tests;

[TestClass]
public sealed class ScoreTests
{
    private const string Path = "/v1/models/risk/score";
    private const string Row = """{"customer":5,"terminal":"T1","region":1,"amount":3.5,"at":"2018-06-10T03:00:00Z"}""";

    [TestMethod]
    [DataRow(Row)]
    [DataRow($$"""{"rows":[{{Row}}]}""")]
    public async Task ScoresOneRowInEitherForm(string request)
    {
        await using var host = await ApiHost.StartAsync();
        await host.PayAsync(5, 2, ApiHost.NowMs - 1000);

        var reply = await host.PostAsync(Path, request);

        reply.IsJson("""
            {"model":"risk","version":"7","service":"risk","rows":[
              {"entity":{"customer":5},"outputs":{"score":7.5,"half":3.75},"features":{"amount":3.5,"night":1,"mean_7d":2,"payments":1}}]}
            """);
    }

    [TestMethod]
    public async Task ExpressionsUseTheFeaturesAndOneAnother()
    {
        await using var host = await ApiHost.StartAsync(plan: ApiHost.Compile(ApiHost.DefinitionsWithRatios));
        host.Models.Loaded.Add("ratios", host.Model);
        await host.PayAsync(5, 2, ApiHost.NowMs - 1000);
        await host.PayAsync(5, 4, ApiHost.NowMs - 900);

        var reply = await host.PostAsync("/v1/models/ratios/score", """{"rows":[{"customer":5,"amount":6,"note":"a"},{"customer":9,"amount":6,"note":null}]}""");

        var rows = reply.Json.GetProperty("rows");
        Assert.AreEqual("""{"label":"A!","odd":4,"ratio":2,"mean_7d":3,"count_1d":2,"said":"a","seen":1}""", rows[0].GetProperty("features").GetRawText());
        Assert.AreEqual("""{"label":null,"odd":null,"ratio":null,"mean_7d":null,"count_1d":0,"said":null,"seen":0}""", rows[1].GetProperty("features").GetRawText());
    }

    [TestMethod]
    public async Task AnEntityNeverSeenScoresAsTheEmptyBlock()
    {
        await using var host = await ApiHost.StartAsync();

        var reply = await host.PostAsync(Path, """{"customer":9,"terminal":"none","region":1,"amount":1,"at":0}""");

        reply.IsJson("""
            {"model":"risk","version":"7","service":"risk","rows":[
              {"entity":{"customer":9},"outputs":{"score":-998,"half":-499},"features":{"amount":1,"night":1,"mean_7d":null,"payments":0}}]}
            """);
    }

    [TestMethod]
    public async Task ARowTheModelFailsOnCostsThatRowAlone()
    {
        await using var host = await ApiHost.StartAsync();

        var reply = await host.PostAsync(Path, """
            {"rows":[{"customer":1,"terminal":"a","region":1,"amount":1,"at":0},{"customer":2,"terminal":"a","region":1,"amount":-1,"at":0},{"customer":3,"terminal":"a","region":1,"at":null}]}
            """);

        Assert.AreEqual(HttpStatusCode.OK, reply.Status, reply.Text);
        var rows = reply.Json.GetProperty("rows");
        Assert.AreEqual(3, rows.GetArrayLength());
        Assert.IsTrue(rows[0].TryGetProperty("outputs", out _));
        Assert.IsFalse(rows[1].TryGetProperty("outputs", out _));
        Assert.AreEqual("the model gave NaN.", rows[1].GetProperty("error").GetString());
        Assert.AreEqual("""{"amount":null,"night":null,"mean_7d":null,"payments":0}""", rows[2].GetProperty("features").GetRawText(), "a request field may be left out, or null");
        Assert.AreEqual(-3000, rows[2].GetProperty("outputs").GetProperty("score").GetDouble());
    }

    [TestMethod]
    public async Task ScoresThousandsOfRows()
    {
        await using var host = await ApiHost.StartAsync();
        var rows = Enumerable.Range(0, 5000).Select(row => $$"""{"customer":{{row}},"terminal":"a","region":1,"amount":{{row}},"at":0}""");

        var reply = await host.PostAsync(Path, "{\"rows\":[" + string.Join(',', rows) + "]}");

        Assert.AreEqual(HttpStatusCode.OK, reply.Status);
        var scored = reply.Json.GetProperty("rows").EnumerateArray().Select(row => row.GetProperty("features").GetProperty("amount").GetInt32()).ToArray();
        CollectionAssert.AreEqual(Enumerable.Range(0, 5000).ToArray(), scored);
    }

    [TestMethod]
    [DataRow("""{"terminal":"T1","region":1}""", "missing-key", "row 0 lacks the join key \"customer\"")]
    [DataRow("""{"rows":[{"customer":1,"terminal":"T1","region":1},{"customer":1,"terminal":"T1"}]}""", "missing-key", "row 1 lacks the join key \"region\"")]
    [DataRow("""{"customer":"5","terminal":"T1","region":1}""", "bad-value", "row 0, \"customer\": the text \"5\" is not an int64")]
    [DataRow("""{"customer":null,"terminal":"T1","region":1}""", "bad-value", "row 0, \"customer\": a join key is null")]
    [DataRow("""{"customer":5,"terminal":"T1","region":1,"amuont":3}""", "unknown-member", "there is no join key or request field \"amuont\". Did you mean \"amount\"?")]
    [DataRow("""{"customer":5,"customer":5,"terminal":"T1","region":1}""", "bad-value", "row 0: \"customer\" comes twice")]
    [DataRow("""{"rows":[1]}""", "bad-request", "row 0 is the number 1. Give an object.")]
    [DataRow("""{"rows":{}}""", "bad-request", "\"rows\" is an object. Give an array of objects.")]
    [DataRow("""{"rows":[],"row":1}""", "unknown-member", "no member \"row\". Did you mean \"rows\"?")]
    [DataRow("""{"customer":5,"terminal":"T1","region":1,"at":"yesterday"}""", "bad-value", "row 0, \"at\": the text \"yesterday\" is not a timestamp")]
    [DataRow("""[1]""", "bad-request", "The body is an array")]
    [DataRow("""{"rows":[{"customer":5,]}""", "malformed-json", "at line 1, byte 24")]
    [DataRow("""{"rows":[]}]""", "malformed-json", "not valid JSON")]
    public async Task SaysWhatIsWrong(string request, string code, string detail)
    {
        await using var host = await ApiHost.StartAsync();

        (await host.PostAsync(Path, request)).IsProblem(400, code, detail);
    }

    [TestMethod]
    public async Task SaysWhichModelsThereAre()
    {
        await using var host = await ApiHost.StartAsync();

        (await host.PostAsync("/v1/models/rsik/score", Row)).IsProblem(404, "unknown-model", "There is no model \"rsik\". Did you mean \"risk\"?");
        (await host.PostAsync("/v1/models/unloaded/score", Row)).IsProblem(503, "model-not-loaded", "model \"unloaded\" is defined but not loaded");
    }

    [TestMethod]
    public async Task RefusesTooManyRows()
    {
        await using var host = await ApiHost.StartAsync(options => options.RowsMax = 1);

        (await host.PostAsync(Path, $$"""{"rows":[{{Row}},{{Row}}]}""")).IsProblem(400, "too-many-rows", "more than 1 entries");
    }
}
