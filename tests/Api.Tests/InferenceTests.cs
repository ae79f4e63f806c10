using System.Net;
using FeatureStore.Runtime;

namespace FeatureStore.Api.Tests;

[TestClass]
public sealed class InferenceTests
{
    private const string Path = "/v2/models/risk/infer";

    [TestMethod]
    public async Task DescribesServerAndModel()
    {
        await using var host = await ApiHost.StartAsync();

        (await host.GetAsync("/v2")).IsJson("""{"name":"orleans-featurestore","version":"0.1.0","extensions":[]}""");
        const string Model = """
            {"name":"risk","versions":["7"],"platform":"onnx","inputs":[{"name":"X","datatype":"FP32","shape":[-1,2]},{"name":"S","datatype":"BYTES","shape":[-1]}],
             "outputs":[{"name":"probabilities","datatype":"FP32","shape":[-1,2]}]}
            """;
        (await host.GetAsync("/v2/models/risk")).IsJson(Model);
        (await host.GetAsync("/v2/models/risk/versions/7")).IsJson(Model);
        (await host.GetAsync("/v2/models/risk/ready")).IsJson("""{"name":"risk","ready":true}""");
        (await host.GetAsync("/v2/models/risk/versions/7/ready")).IsJson("""{"name":"risk","ready":true}""");
    }

    [TestMethod]
    public async Task IsReadyWhenThePipelineRunsAndEveryModelIsLoaded()
    {
        await using var host = await ApiHost.StartAsync();

        (await host.GetAsync("/v2/health/live")).IsJson("""{"live":true}""");
        (await host.GetAsync("/v2/health/ready")).IsProblem(503, "model-not-loaded", "\"unloaded\"");
        host.Models.Models = ["risk"];
        (await host.GetAsync("/v2/health/ready")).IsJson("""{"ready":true}""");
        host.Pipeline.Current = host.Pipeline.Current with { Phase = PipelinePhase.Replaying, Detail = "12 s left." };
        (await host.GetAsync("/v2/health/ready")).IsProblem(503, "not-ready", "The pipeline is replaying: 12 s left.");
    }

    [TestMethod]
    [DataRow("[[1.5,2],[3,-4e-3]]", DisplayName = "nested")]
    [DataRow("[1.5,2,3,-0.004]", DisplayName = "flat")]
    public async Task TakesTensorsFlatOrNested(string data)
    {
        await using var host = await ApiHost.StartAsync();

        var reply = await host.PostAsync(Path, $$"""{"id":"a1","parameters":{"x":[1]},"inputs":[{"name":"X","datatype":"FP64","shape":[2,2],"data":{{data}},"parameters":{} }],"outputs":[{"name":"X"}]}""");

        reply.IsJson("""{"model_name":"risk","model_version":"7","id":"a1","outputs":[{"name":"X","datatype":"FP64","shape":[2,2],"data":[1.5,2,3,-0.004]}]}""");
        CollectionAssert.AreEqual(new[] { "X" }, host.Model.Wanted.ToArray());
    }

    [TestMethod]
    [DataRow("FP16", "[0.5,-2]", "[0.5,-2]")]
    [DataRow("FP32", "[0.1,3e38]", "[0.1,3E+38]")]
    [DataRow("FP64", "[0.1,1e300]", "[0.1,1E+300]")]
    [DataRow("INT8", "[-128,127]", "[-128,127]")]
    [DataRow("INT16", "[-32768,32767]", "[-32768,32767]")]
    [DataRow("INT32", "[-2147483648,2147483647]", "[-2147483648,2147483647]")]
    [DataRow("INT64", "[-9223372036854775808,9223372036854775807]", "[-9223372036854775808,9223372036854775807]")]
    [DataRow("UINT8", "[0,255]", "[0,255]")]
    [DataRow("UINT16", "[0,65535]", "[0,65535]")]
    [DataRow("UINT32", "[0,4294967295]", "[0,4294967295]")]
    [DataRow("UINT64", "[0,18446744073709551615]", "[0,18446744073709551615]")]
    [DataRow("BOOL", "[true,false]", "[true,false]")]
    [DataRow("BYTES", """["a\n","\u00fc"]""", """["a\n","\u00FC"]""")]
    public async Task EveryDatatypeComesBackAsItWent(string datatype, string data, string expected)
    {
        await using var host = await ApiHost.StartAsync();

        var reply = await host.PostAsync(Path, "{\"inputs\":[{\"name\":\"X\",\"datatype\":\"" + datatype + "\",\"shape\":[2],\"data\":" + data + "}]}");

        Assert.AreEqual(HttpStatusCode.OK, reply.Status, reply.Text);
        Assert.AreEqual(expected, reply.Json.GetProperty("outputs")[0].GetProperty("data").GetRawText());
    }

    [TestMethod]
    public async Task WritesWhatJsonCannotSayAsNull()
    {
        await using var host = await ApiHost.StartAsync();
        host.Model.Failure = null;

        var reply = await host.PostAsync(Path, """{"inputs":[{"name":"X","datatype":"FP32","shape":[1],"data":[3.5e38]}]}""");

        Assert.AreEqual("[null]", reply.Json.GetProperty("outputs")[0].GetProperty("data").GetRawText(), "infinite as a float");
    }

    [TestMethod]
    [DataRow("""{"name":"X","datatype":"FP32","shape":[2,2],"data":[1,2,3]}""", "input \"X\": \"data\" has 3 elements, the shape [2, 2] 4.")]
    [DataRow("""{"name":"X","datatype":"FP32","shape":[1],"data":[1,2]}""", "\"data\" has 2 elements, the shape [1] 1.")]
    [DataRow("""{"name":"X","datatype":"FP32","shape":[2,2],"data":[[1,2],[3]]}""", "\"data\" has an array of 1 on axis 1, where the shape [2, 2] says 2.")]
    [DataRow("""{"name":"X","datatype":"FP32","shape":[2,2],"data":[[1,2]]}""", "\"data\" has an array of 1 on axis 0")]
    [DataRow("""{"name":"X","datatype":"FP32","shape":[2],"data":[[1],[2]]}""", "element 0 of \"data\": an array is not a finite number.")]
    [DataRow("""{"name":"X","datatype":"FP32","shape":[2,1],"data":[[1],2]}""", "\"data\" has the number 2 where the shape [2, 1] has an array.")]
    [DataRow("""{"name":"X","datatype":"FP32","shape":[],"data":[[1]]}""", "nested deeper than the shape []")]
    [DataRow("""{"name":"X","datatype":"FP31","shape":[1],"data":[1]}""", "\"FP31\" is no datatype. Did you mean \"FP32\"?")]
    [DataRow("""{"name":"X","datatype":"INT8","shape":[1],"data":[128]}""", "element 0 of \"data\": the number 128 is not an INT8.")]
    [DataRow("""{"name":"X","datatype":"UINT64","shape":[1],"data":[-1]}""", "the number -1 is not an UINT64.")]
    [DataRow("""{"name":"X","datatype":"BOOL","shape":[1],"data":[1]}""", "the number 1 is not true or false.")]
    [DataRow("""{"name":"X","datatype":"BYTES","shape":[1],"data":[1]}""", "the number 1 is not a text.")]
    [DataRow("""{"name":"X","datatype":"FP32","shape":[1],"data":["1"]}""", "the text \"1\" is not a finite number.")]
    [DataRow("""{"name":"X","datatype":"FP32","shape":[-1],"data":[1]}""", "a dimension is the number -1")]
    [DataRow("""{"name":"X","datatype":"FP32","shape":[2147483647,2147483647,2147483647],"data":[1]}""", "more elements than \"data\"")]
    [DataRow("""{"name":"X","datatype":"FP32","shape":[1,1,1,1,1,1,1,1,1],"data":[1]}""", "more than 8 dimensions")]
    [DataRow("""{"name":"X","datatype":"FP32","shape":[1]}""", "inputs[0] has no \"data\"")]
    [DataRow("""7""", "inputs[0] is the number 7. Give an object.")]
    public async Task SaysWhatIsWrongWithATensor(string tensor, string detail)
    {
        await using var host = await ApiHost.StartAsync();

        var reply = await host.PostAsync(Path, "{\"inputs\":[" + tensor + "]}");

        reply.IsProblem(400, "bad-tensor", detail);
        Assert.AreEqual(reply.Json.GetProperty("detail").GetString(), reply.Json.GetProperty("error").GetString(), "the protocol's own member");
    }

    [TestMethod]
    public async Task SaysWhatElseIsWrong()
    {
        await using var host = await ApiHost.StartAsync();
        const string Sound = """{"inputs":[{"name":"X","datatype":"FP32","shape":[1],"data":[1]}]}""";

        (await host.PostAsync(Path, "{}")).IsProblem(400, "bad-request", "no \"inputs\"");
        (await host.PostAsync("/v2/models/nope/infer", Sound)).IsProblem(404, "unknown-model", "There is no model \"nope\"");
        (await host.PostAsync("/v2/models/risk/versions/8/infer", Sound)).IsProblem(404, "unknown-version", "no version \"8\" in service; it is \"7\"");
        (await host.PostAsync("/v2/models/unloaded/infer", Sound)).IsProblem(503, "model-not-loaded", "defined but not loaded");
        host.Model.Failure = new ModelInputException("the model has no input \"X\".");
        (await host.PostAsync(Path, Sound)).IsProblem(400, "bad-tensor", "the model has no input \"X\".");
        host.Model.Failure = new ModelRunException("the model did not end within 1 s.");
        (await host.PostAsync(Path, Sound)).IsProblem(500, "model-failed", "did not end within 1 s");
    }
}
