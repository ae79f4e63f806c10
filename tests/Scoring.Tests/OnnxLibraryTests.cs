using FeatureStore.Scoring.Native;

namespace FeatureStore.Scoring.Tests;

/// <summary>Which native library is opened, and what is said where none can be.</summary>
[TestClass]
public sealed class OnnxLibraryTests
{
    [TestMethod]
    public void APathThatIsNoLibraryIsNamed()
    {
        var path = typeof(OnnxLibraryTests).Assembly.Location;
        var refusal = Scorers.Refusal(() => OnnxLibrary.Open(path));
        StringAssert.StartsWith(refusal, $"ONNX Runtime's native library \"{path}\" cannot be opened: ");
        StringAssert.EndsWith(refusal, "Correct the path, or leave the option and FEATURESTORE_ONNXRUNTIME unset.");
    }

    [TestMethod]
    public void ALibraryThatIsSomethingElseIsNamed()
    {
        if (!OperatingSystem.IsLinux())
            Assert.Inconclusive("Opens the C library by its name on Linux.");
        Assert.AreEqual("The library \"libc.so.6\" is not ONNX Runtime: it has no \"OrtGetApiBase\". Name libonnxruntime.", Scorers.Refusal(() => OnnxLibrary.Open("libc.so.6")));
    }

    [TestMethod]
    public void OptionsOfTheProcessCannotChange()
    {
        OnnxRuntime.For(Scorers.Options);
        StringAssert.Contains(Scorers.Refusal(() => OnnxRuntime.For(Scorers.Options with { IntraOpThreads = 2 })), "Give all models the same options");
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => OnnxRuntime.For(Scorers.Options with { BatchRowsMax = 0 }));
        Assert.IsGreaterThan(1L << 20, new OnnxOptions().MemoryBytesMax);
    }
}
