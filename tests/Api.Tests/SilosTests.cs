using System.Text.Json;
using FeatureStore.Runtime;

namespace FeatureStore.Api.Tests;

[TestClass]
public sealed class SilosTests
{
    [TestMethod]
    public async Task AProcessWithoutAClusterIsOneRow()
    {
        await using var host = await ApiHost.StartAsync();
        host.Pipeline.Current = OperationsTests.Busy;
        await host.PayAsync(1, 5, ApiHost.NowMs - 1000);

        var silos = (await host.GetAsync("/v1/silos")).Json.GetProperty("silos");

        Assert.AreEqual(1, silos.GetArrayLength());
        var silo = silos[0];
        Assert.AreEqual(Environment.MachineName, silo.GetProperty("name").GetString());
        Assert.IsTrue(silo.GetProperty("self").GetBoolean() && silo.GetProperty("ready").GetBoolean());
        Is("""["ingest","serve"]""", silo, "roles");
        Is("""[{"source":"payments","partitions":[0,1]}]""", silo, "ingests");
        Is("""
            [{"name":"risk","models":[{"name":"risk","version":"7","sha256":"abc123"},{"name":"unloaded","version":null,"sha256":null}]},{"name":"noted","models":[]}]
            """, silo, "feature_services");
        Assert.AreEqual(1, silo.GetProperty("entities")[0].GetProperty("active").GetInt64());
        Assert.AreEqual(host.Runtime.Bytes, silo.GetProperty("entities").EnumerateArray().Sum(count => count.GetProperty("size_bytes").GetInt64()));
        Assert.AreEqual(16, silo.GetProperty("definitions").GetString()!.Length);
        Is("null", silo, "calls");
        Is("null", silo, "problem");
        Is("[]", silo, "differs");
        Assert.AreEqual(0, silo.GetProperty("age_ms").GetInt64());
        var memory = silo.GetProperty("memory");
        Assert.IsTrue(memory.GetProperty("used_bytes").GetInt64() > 1 << 20 && memory.GetProperty("used_bytes").GetInt64() < memory.GetProperty("limit_bytes").GetInt64(), memory.ToString());
        Assert.IsLessThan(DateTimeOffset.UtcNow, silo.GetProperty("start").GetDateTimeOffset());
    }

    [TestMethod]
    public async Task EachIsHeldAgainstTheOneThatAnswers()
    {
        var self = Report("1111111111111111", "1", "aa");
        await using var host = await ApiHost.StartAsync(silos: new FakeReports(
            new SiloRow("a", false, null, self),
            new SiloRow("b", true, null, self),
            new SiloRow("c", false, null, Report("2222222222222222", "1", "aa") with { Calls = "other" }),
            new SiloRow("d", false, null, Report("1111111111111111", "2", "bb") with { Slices = [1, 3], SliceCount = 4 }),
            new SiloRow("e", false, "It has not answered within 1 s.", Report("1111111111111111", "1", "cc") with { Version = "9.9.9", TimeMs = ApiHost.NowMs - 5000 }),
            new SiloRow("f", false, "It cannot be asked.", null)));

        var reply = await host.GetAsync("/v1/silos");

        var silos = reply.Json.GetProperty("silos").EnumerateArray().ToList();
        Is("[]", silos[0], "differs");
        Is("[]", silos[1], "differs");
        Is("""["definitions","calls"]""", silos[2], "differs");
        Is("""["models"]""", silos[3], "differs");
        Is("[1,3]", silos[3], "slices");
        Is("4", silos[3], "slice_count");
        Is("""["version","models"]""", silos[4], "differs");
        Assert.AreEqual(5000, silos[4].GetProperty("age_ms").GetInt64());
        Assert.AreEqual("It has not answered within 1 s.", silos[4].GetProperty("problem").GetString());
        Assert.AreEqual("""{"address":"f","self":false,"problem":"It cannot be asked."}""", silos[5].ToString());
    }

    private static void Is(string expected, JsonElement silo, string member) =>
        Assert.AreEqual(JsonSerializer.Serialize(JsonDocument.Parse(expected)), JsonSerializer.Serialize(silo.GetProperty(member)), member);

    private static SiloReport Report(string definitions, string version, string sha256) => new()
    {
        TimeMs = ApiHost.NowMs,
        Name = "pod",
        Roles = ["serve"],
        Version = "0.1.0",
        StartMs = ApiHost.NowMs - 60_000,
        Phase = PipelinePhase.Running,
        Definitions = definitions,
        Calls = "same",
        Services = [new ServiceReport("risk", [new ModelReport("risk", version, sha256)])],
        Memory = new MemoryReport(1, 2, 3, false),
    };

    private sealed class FakeReports(params SiloRow[] rows) : ISiloReports
    {
        public Task<IReadOnlyList<SiloRow>> ReadAsync(CancellationToken cancellationToken) => Task.FromResult<IReadOnlyList<SiloRow>>(rows);
    }
}
