using System.Diagnostics;

namespace FeatureStore.Scoring.Tests;

/// <summary>Every bad reference model is refused with a clear message, or costs only the rows it fails on.</summary>
[TestClass]
public sealed class BadModelTests
{
    [TestMethod]
    [DataRow("empty", "is empty. Export the model again")]
    [DataRow("truncated", "is no sound ONNX model: it is cut short, or no ONNX model at all. Export it again")]
    [DataRow("not_onnx", "is no sound ONNX model: ")]
    [DataRow("wrong_inputs", "cannot serve \"fraud_v1\": its input \"features\" (float [N,14]) does not take the 15 columns of service \"fraud_v1\"")]
    [DataRow("unknown_op", "com.example:Mystery(-1) is not a registered function/op")]
    [DataRow("opset_future", "Opset 99 is under development")]
    [DataRow("runtime_error", "it runs one row and fails on two: ")]
    [DataRow("huge_alloc_refused", "it fails on a row of 0s: ")]
    public void ModelsThatCannotServeAreRefused(string model, string message)
    {
        var path = Shared.Model($"bad/{model}.onnx");
        var refusal = Scorers.Refusal(() => Scorers.Load(path, Shared.FraudService()));
        StringAssert.Contains(refusal, message);
        StringAssert.Contains(refusal, path);
    }

    [TestMethod]
    public void AnEndlessModelIsRefusedWhenTheDeadlineHits()
    {
        var watch = Stopwatch.StartNew();
        var refusal = Scorers.Refusal(() => Scorers.Load(Shared.Model("bad/endless.onnx"), Shared.FraudService(), options: Scorers.Options with { Deadline = TimeSpan.FromSeconds(1) }));
        StringAssert.Contains(refusal, "it fails on a row of 1s: the model did not end within 1 s");
        Assert.IsLessThan(TimeSpan.FromSeconds(60), watch.Elapsed);
    }

    /// <summary>The arena's bound refuses what the process's limit would; the limit is there in case it does not.</summary>
    [TestMethod]
    public void AHugeAllocationIsRefusedByTheMemoryBound()
    {
        if (!OperatingSystem.IsLinux())
            Assert.Inconclusive("Memory limits of child processes are set with Linux's ulimit.");
        var start = new ProcessStartInfo("/bin/sh") { RedirectStandardOutput = true, RedirectStandardError = true };
        start.ArgumentList.Add("-c");
        start.ArgumentList.Add("ulimit -v 8000000; exec \"$0\" \"$@\"");
        start.ArgumentList.Add(Environment.ProcessPath is { } host && Path.GetFileNameWithoutExtension(host) == "dotnet" ? host : "dotnet");
        start.ArgumentList.Add(typeof(BadModelTests).Assembly.Location);
        start.ArgumentList.Add("load");
        start.ArgumentList.Add(Shared.Model("bad/huge_alloc.onnx"));
        start.ArgumentList.Add("15");
        // The collector reserves address space many times the limit unless told how much it may use.
        start.Environment["DOTNET_GCHeapHardLimit"] = "0x10000000";
        using var child = Process.Start(start)!;
        var error = child.StandardError.ReadToEndAsync();
        var output = child.StandardOutput.ReadToEnd();
        child.WaitForExit();
        Assert.AreEqual(0, child.ExitCode, error.Result);
        StringAssert.Contains(output, "it fails on a row of 0s: ");
        StringAssert.Contains(output, "12000000000");
        StringAssert.Contains(output, "Available memory of");
    }

    [TestMethod]
    [DataRow("nan_output", "output \"score\" is NaN")]
    [DataRow("inf_output", "output \"score\" is infinite")]
    public void OutputsThatAreNoNumbersFailTheirRows(string model, string reason)
    {
        var service = Shared.FraudService();
        using var scorer = Scorers.Load(Shared.Model($"bad/{model}.onnx"), service);
        var scores = scorer.Score(Shared.Batch(service, Shared.Rows[..100]));
        for (var row = 0; row < 100; row++)
        {
            var amount = (double)((float)Shared.Rows[row][0] - 50);
            var count = Shared.Rows[row][9];
            var fails = model == "nan_output" ? amount < 0 : count == 0;
            Assert.AreEqual(fails, scores.Failures.ContainsKey(row), $"row {row}");
            if (fails)
                Assert.AreEqual(reason, scores.Failures[row]);
            else
                Assert.AreEqual(model == "nan_output" ? amount / (1 + amount) : 1 / count, scores.Row(row)[0], 1e-6);
        }

        Assert.IsNotEmpty(scores.Failures);
        Assert.IsLessThan(100, scores.Failures.Count);
    }

    [TestMethod]
    public void ARowThatFailsItsBatchFailsAlone()
    {
        var service = Shared.FraudService();
        using var scorer = Scorers.Load(Shared.Model("bad/runtime_error_row.onnx"), service);
        var scores = scorer.Score(Shared.Batch(service, Shared.Rows));
        var failing = 0;
        for (var row = 0; row < Shared.Rows.Length; row++)
        {
            var count = Shared.Rows[row][3];
            if (count > 5)
            {
                failing++;
                StringAssert.Contains(scores.Failures[row], $"indices element out of data bounds, idx={count}");
                Assert.AreEqual(double.NaN, scores.Row(row)[0]);
            }
            else
            {
                Assert.IsFalse(scores.Failures.ContainsKey(row), $"row {row}");
                Assert.AreEqual(count / 5, scores.Row(row)[0], 1e-6);
            }
        }

        Assert.IsGreaterThan(100, failing);
        Assert.HasCount(failing, scores.Failures);
    }
}
