using System.Globalization;
using System.Net;
using System.Text;

namespace FeatureStore.Api.Tests;

[TestClass]
public sealed class OnlineFeaturesTests
{
    [TestMethod]
    public async Task SaysWhenToTryAgainWhereAnEntityIsOutOfReach()
    {
        await using var host = await ApiHost.StartAsync();
        await host.PayAsync(1, 10, ApiHost.NowMs);
        host.Far.BeforeRead = () => throw new TimeoutException("Entity \"customer/01\" was out of reach for 10 s.");
        foreach (var answer in new[]
        {
            await host.PostAsync("get-online-features", """{"features":["spending:total"],"entities":{"customer":[1]}}"""),
            await host.PostAsync("v1/models/risk/score", $$"""{"customer":1,"terminal":"T1","region":1,"amount":5,"at":{{ApiHost.NowMs}}}"""),
            await host.GetAsync("v1/entities/customer/1"),
        })
        {
            answer.IsProblem(503, "out-of-reach", "Entity \"customer/01\" was out of reach for 10 s.");
            Assert.AreEqual("1", answer.Headers["Retry-After"]);
        }

        host.Far.BeforeRead = null;
        Assert.AreEqual("[10]", (await host.PostAsync("get-online-features", """{"features":["spending:total"],"entities":{"customer":[1]}}""")).Json.GetProperty("results")[1].GetProperty("values").GetRawText());
    }

    [TestMethod]
    public async Task ExpressionsUseTheFeaturesAndOneAnother()
    {
        await using var host = await ApiHost.StartAsync(plan: ApiHost.Compile(ApiHost.DefinitionsWithRatios));
        await host.PayAsync(5, 2, ApiHost.NowMs - 1000);
        await host.PayAsync(5, 4, ApiHost.NowMs - 900);
        foreach (var fullNames in new[] { "false", "true" })
        {
            var reply = await host.PostAsync("/get-online-features",
                "{\"feature_service\":\"ratios\",\"full_feature_names\":" + fullNames + ",\"entities\":{\"customer\":[5,9],\"amount\":[6,6],\"note\":[\"a\",null]}}");

            var names = reply.Json.GetProperty("metadata").GetProperty("feature_names").EnumerateArray().Select(name => name.GetString()!).ToList();
            var results = reply.Json.GetProperty("results");
            string Of(string name, string part) => results[names.IndexOf(name)].GetProperty(part).GetRawText();
            Assert.AreEqual("[2,null]", Of("ratio", "values"));
            Assert.AreEqual("[4,null]", Of("odd", "values"));
            Assert.AreEqual("[\"A!\",null]", Of("label", "values"));
            Assert.AreEqual("[1,0]", Of("seen", "values"));
            Assert.AreEqual("[\"PRESENT\",\"NULL_VALUE\"]", Of("ratio", "statuses"));
        }
    }

    private const string Path = "/get-online-features";

    [TestMethod]
    public async Task AnswersInFeastsJson()
    {
        await using var host = await ApiHost.StartAsync();
        await host.PayAsync(596, 10.5, ApiHost.NowMs - ApiHost.DayMs / 2);
        await host.PayAsync(596, 20, ApiHost.NowMs - 7);

        var reply = await host.PostAsync(Path, """{"features":["spending:count_1d","spending:mean_7d"],"entities":{"customer":[596,-1]}}""");

        reply.IsJson("""
            {"metadata":{"feature_names":["customer","count_1d","mean_7d"]},"results":[
              {"values":[596,-1],"statuses":["PRESENT","PRESENT"],"event_timestamps":["1970-01-01T00:00:00Z","1970-01-01T00:00:00Z"]},
              {"values":[2,null],"statuses":["PRESENT","NOT_FOUND"],"event_timestamps":["2018-06-10T11:59:59.993Z","1970-01-01T00:00:00Z"]},
              {"values":[15.25,null],"statuses":["PRESENT","NOT_FOUND"],"event_timestamps":["2018-06-10T11:59:59.993Z","1970-01-01T00:00:00Z"]}]}
            """);
        Assert.AreEqual("nosniff", reply.Headers["X-Content-Type-Options"]);
    }

    [TestMethod]
    public async Task NamesFeaturesInFullWhereAsked()
    {
        await using var host = await ApiHost.StartAsync();
        await host.PayAsync(1, 4, ApiHost.NowMs - 1000);
        await host.ReplayAsync(1, 8, 1000);

        var reply = await host.PostAsync(Path, """{"entities":{"customer":[1]},"full_feature_names":true,"features":["spending:total","history:total"]}""");

        reply.IsJson("""
            {"metadata":{"feature_names":["customer","spending__total","history__total"]},"results":[
              {"values":[1],"statuses":["PRESENT"],"event_timestamps":["1970-01-01T00:00:00Z"]},
              {"values":[4],"statuses":["PRESENT"],"event_timestamps":["2018-06-10T11:59:59Z"]},
              {"values":[8],"statuses":["PRESENT"],"event_timestamps":["1970-01-01T00:00:01Z"]}]}
            """);
    }

    [TestMethod]
    [DataRow("""{"feature_service":"risk","entities":{"customer":[5],"terminal":["T1"],"region":[1],"amount":[3.5],"at":["2018-06-10T03:00:00Z"]}}""")]
    [DataRow("""{"feature_service":"risk","features":[],"entities":{"terminal":["T1"],"customer":[5],"region":[1]},"request_context":{"amount":[3.5],"at":[1528599600000]}}""")]
    public async Task TakesRequestDataWithEntitiesOrApart(string request)
    {
        await using var host = await ApiHost.StartAsync();
        await host.PayAsync(5, 2, ApiHost.NowMs - 1000);

        var reply = await host.PostAsync(Path, request);

        Assert.AreEqual(HttpStatusCode.OK, reply.Status, reply.Text);
        var names = reply.Json.GetProperty("metadata").GetProperty("feature_names").EnumerateArray().Select(name => name.GetString()).ToArray();
        CollectionAssert.AreEquivalent(new[] { "customer", "terminal", "region" }, names[..3]);
        CollectionAssert.AreEqual(new[] { "amount", "night", "mean_7d", "payments" }, names[3..]);
        var results = reply.Json.GetProperty("results").EnumerateArray().Skip(3).Select(result => result.GetRawText()).ToArray();
        Assert.AreEqual("""{"values":[3.5],"statuses":["PRESENT"],"event_timestamps":["1970-01-01T00:00:00Z"]}""", results[0]);
        Assert.AreEqual("""{"values":[1],"statuses":["PRESENT"],"event_timestamps":["1970-01-01T00:00:00Z"]}""", results[1]);
        Assert.AreEqual("""{"values":[2],"statuses":["PRESENT"],"event_timestamps":["2018-06-10T11:59:59Z"]}""", results[2]);
        Assert.AreEqual("""{"values":[1],"statuses":["PRESENT"],"event_timestamps":["2018-06-10T11:59:59Z"]}""", results[3]);
    }

    [TestMethod]
    public async Task ReadsAsOfTheWallClockAndSaysWhatIsTooOldOrNull()
    {
        await using var host = await ApiHost.StartAsync();
        await host.PayAsync(1, 10, ApiHost.NowMs);
        const string Request = """{"features":["spending:count_1d","spending:mean_7d","spending:total"],"entities":{"customer":[1]}}""";

        async Task<string> ValuesAsync() => string.Join(' ', (await host.PostAsync(Path, Request)).Json.GetProperty("results").EnumerateArray().Skip(1)
            .Select(result => $"{result.GetProperty("values")[0].GetRawText()}/{result.GetProperty("statuses")[0].GetString()}"));

        Assert.AreEqual("1/PRESENT 10/PRESENT 10/PRESENT", await ValuesAsync());
        host.Time.Advance(TimeSpan.FromDays(1));
        Assert.AreEqual("0/PRESENT 10/PRESENT 10/PRESENT", await ValuesAsync(), "the window of a day is over without an event");
        host.Time.Advance(TimeSpan.FromDays(6) - TimeSpan.FromMilliseconds(1));
        Assert.AreEqual("0/PRESENT 10/PRESENT 10/PRESENT", await ValuesAsync(), "a millisecond younger than the ttl");
        host.Time.Advance(TimeSpan.FromMilliseconds(1));
        Assert.AreEqual("0/OUTSIDE_MAX_AGE null/OUTSIDE_MAX_AGE 10/OUTSIDE_MAX_AGE", await ValuesAsync(), "as old as the ttl: values stay");
    }

    [TestMethod]
    public async Task SaysThatAValueOfAKnownEntityIsNull()
    {
        var plan = ApiHost.Compile(ApiHost.Definitions.Replace("ttl: 7d", "ttl: 30d", StringComparison.Ordinal));
        await using var host = await ApiHost.StartAsync(plan: plan);
        await host.PayAsync(1, 10, ApiHost.NowMs - 8 * ApiHost.DayMs);

        var reply = await host.PostAsync(Path, """{"features":["spending:mean_7d"],"entities":{"customer":[1]}}""");

        Assert.AreEqual("""{"values":[null],"statuses":["NULL_VALUE"],"event_timestamps":["2018-06-02T12:00:00Z"]}""", reply.Json.GetProperty("results")[1].GetRawText());
    }

    [TestMethod]
    public async Task ReadsAsOfTheStreamsTimeWhereTheSourceSaysSo()
    {
        await using var host = await ApiHost.StartAsync();
        await host.ReplayAsync(1, 10, 1000);
        await host.ReplayAsync(2, 10, 1000 + 30 * ApiHost.DayMs - 1);

        var early = await host.PostAsync(Path, """{"features":["history:count_30d"],"entities":{"customer":[1,2]}}""");
        await host.ReplayAsync(2, 10, 1000 + 30 * ApiHost.DayMs);
        var late = await host.PostAsync(Path, """{"features":["history:count_30d"],"entities":{"customer":[1,2]}}""");

        Assert.AreEqual("[1,1]", early.Json.GetProperty("results")[1].GetProperty("values").GetRawText());
        Assert.AreEqual("[0,2]", late.Json.GetProperty("results")[1].GetProperty("values").GetRawText(), "another customer's event moved the stream's time past customer 1's window");
    }

    [TestMethod]
    public async Task AnEntityKnownToOneViewOnlyIsNotFoundInTheOther()
    {
        await using var host = await ApiHost.StartAsync();
        await host.ReplayAsync(1, 8, 1000);

        var reply = await host.PostAsync(Path, """{"features":["spending:count_1d","history:count_30d"],"entities":{"customer":[1]}}""");

        Assert.AreEqual("""{"values":[null],"statuses":["NOT_FOUND"],"event_timestamps":["1970-01-01T00:00:00Z"]}""", reply.Json.GetProperty("results")[1].GetRawText());
        Assert.AreEqual("PRESENT", reply.Json.GetProperty("results")[2].GetProperty("statuses")[0].GetString());
    }

    [TestMethod]
    public async Task FindsEntitiesByKeysOfSeveralPartsHoweverTheyAreEscaped()
    {
        await using var host = await ApiHost.StartAsync();
        await host.PayAsync(1, 1, ApiHost.NowMs, "Zür\"ich", 2);

        var reply = await host.PostAsync(Path, """{ "entities" : { "region" : [2, 3], "terminal" : ["Z\u00fcr\"ich", "Zür\"ich"], "unneeded": [1] }, "features" : ["use:payments"] }""");

        Assert.AreEqual(HttpStatusCode.OK, reply.Status, reply.Text);
        CollectionAssert.AreEqual(
            new[] { "region", "terminal", "payments" }, reply.Json.GetProperty("metadata").GetProperty("feature_names").EnumerateArray().Select(name => name.GetString()).ToArray());
        Assert.AreEqual("Zür\"ich", reply.Json.GetProperty("results")[1].GetProperty("values")[0].GetString());
        Assert.AreEqual("[1,null]", reply.Json.GetProperty("results")[2].GetProperty("values").GetRawText());
    }

    [TestMethod]
    public async Task AnswersTexts()
    {
        await using var host = await ApiHost.StartAsync();

        var reply = await host.PostAsync(Path, """{"feature_service":"noted","entities":{"customer":[1,2],"note":["a\u0000<b>",null]}}""");

        Assert.AreEqual("a\0<b>", reply.Json.GetProperty("results")[1].GetProperty("values")[0].GetString());
        Assert.AreEqual("""["PRESENT","NULL_VALUE"]""", reply.Json.GetProperty("results")[1].GetProperty("statuses").GetRawText());
    }

    [TestMethod]
    public async Task AnswersNoRowsToNoRows()
    {
        await using var host = await ApiHost.StartAsync();

        var reply = await host.PostAsync(Path, """{"features":["spending:total"],"entities":{"customer":[]}}""");

        reply.IsJson("""
            {"metadata":{"feature_names":["customer","total"]},"results":[{"values":[],"statuses":[],"event_timestamps":[]},{"values":[],"statuses":[],"event_timestamps":[]}]}
            """);
    }

    [TestMethod]
    public async Task AnswersManyRowsInOrder()
    {
        const int Rows = 10_000;
        await using var host = await ApiHost.StartAsync();
        for (var customer = 0; customer < 300; customer++)
            await host.PayAsync(customer, customer, ApiHost.NowMs);
        var keys = Enumerable.Range(0, Rows).Select(row => row * 7 % 600).ToArray();

        var reply = await host.PostAsync(Path, "{\"features\":[\"spending:total\",\"spending:count_1d\"],\"entities\":{\"customer\":[" + string.Join(',', keys) + "]}}");

        Assert.AreEqual(HttpStatusCode.OK, reply.Status);
        var totals = reply.Json.GetProperty("results")[1].GetProperty("values").EnumerateArray().Select(value => value.GetRawText()).ToArray();
        CollectionAssert.AreEqual(keys.Select(key => key < 300 ? key.ToString(CultureInfo.InvariantCulture) : "null").ToArray(), totals);
        Assert.AreEqual(Rows, reply.Json.GetProperty("results")[2].GetProperty("event_timestamps").GetArrayLength());
    }

    [TestMethod]
    [DataRow("""{"entities":{"customer":[1]}}""", 400, "bad-request", "neither \"features\" nor \"feature_service\"")]
    [DataRow("""{"features":["spending:total"],"feature_service":"risk","entities":{"customer":[1]}}""", 400, "bad-request", "both")]
    [DataRow("""{"features":["spending:total"]}""", 400, "bad-request", "no \"entities\"")]
    [DataRow("""{"features":"spending:total","entities":{"customer":[1]}}""", 400, "bad-request", "\"features\" is the text \"spending:total\"")]
    [DataRow("""{"features":["total"],"entities":{"customer":[1]}}""", 400, "bad-request", "feature \"total\" names no feature view. Write \"view:feature\".")]
    [DataRow("""{"features":[1],"entities":{"customer":[1]}}""", 400, "bad-request", "\"features\" has the number 1 at 0")]
    [DataRow("""{"features":["spendin:total"],"entities":{"customer":[1]}}""", 404, "unknown-feature", "There is no feature view \"spendin\". Did you mean \"spending\"?")]
    [DataRow("""{"features":["spending:totl"],"entities":{"customer":[1]}}""", 404, "unknown-feature", "Feature view \"spending\" has no feature \"totl\". Did you mean \"total\"?")]
    [DataRow("""{"feature_service":"rsk","entities":{"customer":[1]}}""", 404, "unknown-feature-service", "Did you mean \"risk\"?")]
    [DataRow("""{"feature_service":7,"entities":{"customer":[1]}}""", 400, "bad-request", "\"feature_service\" is the number 7")]
    [DataRow("""{"features":["spending:total","history:total"],"entities":{"customer":[1]}}""", 400, "duplicate-feature", "Two features are named \"total\"")]
    [DataRow("""{"features":["spending:total","spending:total"],"full_feature_names":true,"entities":{"customer":[1]}}""", 400, "duplicate-feature", "asked for twice")]
    [DataRow("""{"features":["spending:total"],"entities":{"custmer":[1]}}""", 400, "missing-column", "lacks the join key \"customer\". Did you mean it by \"custmer\"?")]
    [DataRow("""{"feature_service":"noted","entities":{"customer":[1]}}""", 400, "missing-column", "lacks the request field \"note\"")]
    [DataRow("""{"features":["spending:total"],"entities":{"customer":["596"]}}""", 400, "bad-value", "column \"customer\", row 0: the text \"596\" is not an int64: write it as a number without quotes")]
    [DataRow("""{"features":["spending:total"],"entities":{"customer":[1,2.5]}}""", 400, "bad-value", "column \"customer\", row 1: the number 2.5 is not an int64")]
    [DataRow("""{"features":["spending:total"],"entities":{"customer":[1,9223372036854775808]}}""", 400, "bad-value", "row 1: the number 9223372036854775808 is not an int64")]
    [DataRow("""{"features":["spending:total"],"entities":{"customer":[null]}}""", 400, "bad-value", "column \"customer\", row 0: a join key is null")]
    [DataRow("""{"features":["spending:total"],"entities":{"customer":[[1]]}}""", 400, "bad-value", "row 0: an array is not an int64")]
    [DataRow("""{"features":["spending:total"],"entities":{"customer":1}}""", 400, "bad-column", "column \"customer\" is the number 1")]
    [DataRow("""{"features":["spending:total"],"entities":[1]}""", 400, "bad-request", "\"entities\" is an array")]
    [DataRow("""{"features":["use:payments"],"entities":{"terminal":["a","b"],"region":[1]}}""", 400, "bad-column", "column \"region\" has 1 values, column \"terminal\" 2")]
    [DataRow("""{"features":["use:payments"],"entities":{"terminal":["a"],"region":[1,2,3]}}""", 400, "bad-column", "column \"region\" has 3 values, column \"terminal\" 1")]
    [DataRow("""{"features":["use:payments"],"entities":{"terminal":["a"],"terminal":["b"],"region":[1]}}""", 400, "bad-column", "column \"terminal\" comes twice")]
    [DataRow("""{"features":["use:payments"],"entities":{"terminal":["\ud800"],"region":[1]}}""", 400, "bad-value", "not valid Unicode")]
    [DataRow("""{"features":["spending:total"],"entities":{"customer":[1]},"full_feature_names":"yes"}""", 400, "bad-request", "\"full_feature_names\" is neither")]
    [DataRow("""{"features":["spending:total"],"features":["spending:total"],"entities":{"customer":[1]}}""", 400, "bad-request", "the member \"features\" twice")]
    [DataRow("""{"feature_service":"risk","entities":{"customer":[5],"terminal":["T1"],"region":[1],"amount":["3"],"at":[0]}}""", 400, "bad-value", "column \"amount\", row 0: the text \"3\" is not a double")]
    [DataRow("""{"feature_service":"risk","entities":{"customer":[5],"terminal":["T1"],"region":[1],"amount":[1e999],"at":[0]}}""", 400, "bad-value", "is not a double")]
    [DataRow("""{"feature_service":"risk","entities":{"customer":[5],"terminal":["T1"],"region":[1],"amount":[3],"at":["2018-06-10 03:00"]}}""", 400, "bad-value", "is not a timestamp: write RFC 3339")]
    [DataRow("[]", 400, "bad-request", "The body is an array. Send a JSON object.")]
    [DataRow("", 400, "empty-body", "The body is empty")]
    [DataRow("""{"features":["spending:total"],"entities":{"customer":[1]}} x""", 400, "malformed-json", "not valid JSON")]
    [DataRow("""{"features":["spending:total"],"entities":{"customer":[1]}""", 400, "malformed-json", "not valid JSON")]
    public async Task SaysWhatIsWrong(string request, int status, string code, string detail)
    {
        await using var host = await ApiHost.StartAsync();

        var reply = await host.PostAsync(Path, request);

        reply.IsProblem(status, code, detail);
    }

    [TestMethod]
    public async Task RefusesWhatIsTooMuch()
    {
        await using var host = await ApiHost.StartAsync(options => (options.RowsMax, options.FeaturesMax, options.ValuesMax, options.BodyBytesMax) = (4, 2, 6, 1024));

        (await host.PostAsync(Path, """{"features":["spending:total"],"entities":{"customer":[1,2,3,4,5]}}""")).IsProblem(400, "too-many-rows", "more than 4 values");
        (await host.PostAsync(Path, """{"features":["spending:total","spending:mean_7d","spending:count_1d"],"entities":{"customer":[1]}}""")).IsProblem(400, "too-many-features", "more than 2 entries");
        (await host.PostAsync(Path, """{"features":["spending:total","spending:mean_7d"],"entities":{"customer":[1,2,3,4]}}""")).IsProblem(400, "too-many-values", "more than 6 values");
        (await host.PostAsync(Path, new string(' ', 1025))).IsProblem(413, "body-too-large", "larger than 1,024 bytes");
        using var chunked = new HttpRequestMessage(HttpMethod.Post, Path) { Content = new StringContent(new string(' ', 5000), Encoding.UTF8, "application/json") };
        chunked.Headers.TransferEncodingChunked = true;
        using var response = await host.Client.SendAsync(chunked);
        (await Reply.OfAsync(response)).IsProblem(413, "body-too-large", "larger than 1,024 bytes");
        (await host.PostAsync(Path, """{"features":["spending:total"],"entities":{"customer":[1,2,3,4]}}""")).IsJson(
            """{"metadata":{"feature_names":["customer","total"]},"results":[{"values":[1,2,3,4],"statuses":["PRESENT","PRESENT","PRESENT","PRESENT"],"event_timestamps":["1970-01-01T00:00:00Z","1970-01-01T00:00:00Z","1970-01-01T00:00:00Z","1970-01-01T00:00:00Z"]},{"values":[null,null,null,null],"statuses":["NOT_FOUND","NOT_FOUND","NOT_FOUND","NOT_FOUND"],"event_timestamps":["1970-01-01T00:00:00Z","1970-01-01T00:00:00Z","1970-01-01T00:00:00Z","1970-01-01T00:00:00Z"]}]}""");
    }

    [TestMethod]
    public async Task RefusesDeepNesting()
    {
        await using var host = await ApiHost.StartAsync();

        var reply = await host.PostAsync(Path, "{\"x\":" + new string('[', 100_000));

        reply.IsProblem(400, "malformed-json", "not valid JSON, at line 1, byte ");
    }

    [TestMethod]
    public async Task SaysWhereMalformedJsonIsBroken()
    {
        await using var host = await ApiHost.StartAsync();

        var reply = await host.PostAsync(Path, "{\n  \"features\": [oops]\n}");

        reply.IsProblem(400, "malformed-json", "at line 2, byte 16");
        Assert.AreEqual(2, reply.Json.GetProperty("line").GetInt32());
        Assert.AreEqual(16, reply.Json.GetProperty("byte").GetInt32());
    }

    [TestMethod]
    [DataRow(null)]
    [DataRow("text/plain")]
    [DataRow("application/x-www-form-urlencoded")]
    [DataRow("application/json; charset=utf-16")]
    [DataRow("application/json-patch+json")]
    public async Task TakesJsonOnly(string? contentType)
    {
        await using var host = await ApiHost.StartAsync();

        (await host.PostAsync(Path, "{}", contentType)).IsProblem(415, "unsupported-media-type", "Send \"application/json\"");
    }

    [TestMethod]
    public async Task TakesJsonWithACharset()
    {
        await using var host = await ApiHost.StartAsync();

        Assert.AreEqual(HttpStatusCode.OK, (await host.PostAsync(Path, """{"features":["spending:total"],"entities":{"customer":[1]}}""", "Application/JSON;charset=\"UTF-8\"")).Status);
    }

    [TestMethod]
    public async Task SurvivesRandomDamage()
    {
        const string Sound = """{"feature_service":"risk","entities":{"customer":[5],"terminal":["T1"],"region":[1]},"request_context":{"amount":[3.5],"at":["2018-06-10T03:00:00Z"]}}""";
        const int Seed = 1;
        Console.WriteLine($"seed {Seed}");
        var random = new Random(Seed);
        await using var host = await ApiHost.StartAsync();
        for (var round = 0; round < 300; round++)
        {
            var bytes = Encoding.UTF8.GetBytes(Sound);
            for (var damage = random.Next(1, 4); damage > 0; damage--)
                bytes[random.Next(bytes.Length)] = (byte)random.Next(256);
            using var content = new ByteArrayContent(bytes[..random.Next(1, bytes.Length + 1)]);
            content.Headers.ContentType = new("application/json");
            using var response = await host.Client.PostAsync(new Uri(Path, UriKind.Relative), content);
            Assert.IsTrue((int)response.StatusCode is 200 or 400 or 404, $"seed {Seed}, round {round}: {(int)response.StatusCode} {await response.Content.ReadAsStringAsync()} to {Convert.ToHexString(bytes)}");
        }
    }
}
