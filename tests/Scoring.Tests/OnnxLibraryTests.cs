using System.Runtime.InteropServices;
using FeatureStore.Scoring.Native;

namespace FeatureStore.Scoring.Tests;

/// <summary>Which native library is opened, and what is said where none can be.</summary>
[TestClass]
public sealed partial class OnnxLibraryTests
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

    [TestMethod]
    public void TheLibrarySendsNoUsageReports()
    {
        if (OperatingSystem.IsWindows())
            Assert.Inconclusive("Windows has no setenv; the library reports through its own channel there.");
        OnnxRuntime.For(Scorers.Options);
        // What C sees: .NET keeps a copy of the environment from the start of the process.
        Assert.AreEqual("1", Marshal.PtrToStringUTF8(getenv(OnnxLibrary.TelemetryVariable)));
    }

    [LibraryImport("libc", StringMarshalling = StringMarshalling.Utf8)]
    private static partial nint getenv(string name);
}
