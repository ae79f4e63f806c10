using System.Globalization;
using System.Text.RegularExpressions;
using FeatureStore.Harness;

namespace FeatureStore.Integration;

/// <summary>What a newcomer gets without any option: a broker, a stream, the example, a console.</summary>
[TestClass]
public sealed partial class EmbeddedTests : SystemTest
{
    [TestMethod]
    public async Task WithoutOptionsPredictionsFlowAndTheConsoleAnswers()
    {
        var silo = Start(Array.Empty<string>()).WaitReady(ReadyDeadline);
        var console = await silo.Http.GetStringAsync(new Uri("", UriKind.Relative), Cancel);
        StringAssert.Contains(console, "<html");

        var before = Predictions(silo);
        Wait.Until(() => Predictions(silo) > before + 100, TimeSpan.FromSeconds(120), () => $"From {before} to {Predictions(silo)} predictions. {silo.Output}");
        Assert.AreEqual(0, silo.Terminate(StopDeadline), silo.Error);
    }

    private static double Predictions(SiloProcess silo)
    {
        var metrics = silo.Http.GetStringAsync(new Uri("metrics", UriKind.Relative)).GetAwaiter().GetResult();
        return PredictionCounter().Matches(metrics).Sum(match => double.Parse(match.Groups[1].ValueSpan, CultureInfo.InvariantCulture));
    }

    [GeneratedRegex(@"^\w*predictions\w*_total(?:\{[^}]*\})? (\S+)", RegexOptions.Multiline)]
    private static partial Regex PredictionCounter();
}
