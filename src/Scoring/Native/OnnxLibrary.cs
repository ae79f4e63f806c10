using System.Runtime.InteropServices;

namespace FeatureStore.Scoring.Native;

/// <summary>Finds and opens ONNX Runtime's native library.</summary>
internal static unsafe partial class OnnxLibrary
{
    public const string PathVariable = "FEATURESTORE_ONNXRUNTIME";

    /// <summary>ONNX Runtime's own: it sends no usage reports where this is 1.</summary>
    public const string TelemetryVariable = "ORT_DISABLE_TELEMETRY";

    /// <summary>
    /// Opens the library: at the path given, at the path of the environment variable, in the application's own runtimes folder, or where .NET looks by itself.
    /// </summary>
    /// <returns>Its calls, and its version.</returns>
    /// <exception cref="ModelLoadException">There is none, or it is no ONNX Runtime, or too old.</exception>
    public static (OnnxApi Api, string Version) Open(string? path)
    {
        // Unless told otherwise, the library keeps a device id under the user's cache folder and sends usage reports to its maker. It reads C's
        // environment, which .NET does not write; a value that is there already stays.
        if (!OperatingSystem.IsWindows())
            _ = setenv(TelemetryVariable, "1", 0);
        path ??= Environment.GetEnvironmentVariable(PathVariable);
        var library = string.IsNullOrEmpty(path) ? OpenOwn() : OpenAt(path);
        if (!NativeLibrary.TryGetExport(library, "OrtGetApiBase", out var export))
            throw new ModelLoadException($"The library \"{path}\" is not ONNX Runtime: it has no \"OrtGetApiBase\". Name libonnxruntime.");
        var calls = (nint*)((delegate* unmanaged<nint>)export)();
        var version = Marshal.PtrToStringUTF8(((delegate* unmanaged<nint>)calls[1])()) ?? "?";
        var api = ((delegate* unmanaged<uint, nint>)calls[0])(OnnxApi.Version);
        if (api == 0)
            throw new ModelLoadException($"ONNX Runtime {version} is too old: it has no API version {OnnxApi.Version}. Use 1.{OnnxApi.Version} or later.");
        return (new OnnxApi(api), version);
    }

    private static nint OpenAt(string path)
    {
        try
        {
            return NativeLibrary.Load(path);
        }
        catch (Exception exception) when (exception is DllNotFoundException or BadImageFormatException)
        {
            throw new ModelLoadException(
                $"ONNX Runtime's native library \"{path}\" cannot be opened: {exception.Message.ReplaceLineEndings(" ").Trim()} Correct the path, "
                + $"or leave the option and {PathVariable} unset.", exception);
        }
    }

    private static nint OpenOwn()
    {
        var (system, file) = OperatingSystem.IsWindows() ? ("win", "onnxruntime.dll")
            : OperatingSystem.IsMacOS() ? ("osx", "libonnxruntime.dylib")
            : ("linux", "libonnxruntime.so");
        var rid = $"{system}-{RuntimeInformation.ProcessArchitecture.ToString().ToLowerInvariant()}";
        var own = Path.Combine(AppContext.BaseDirectory, "runtimes", rid, "native", file);
        if (NativeLibrary.TryLoad(own, out var library) || NativeLibrary.TryLoad("onnxruntime", typeof(OnnxLibrary).Assembly, null, out library))
            return library;
        throw new ModelLoadException(
            $"ONNX Runtime's native library is missing: neither \"{own}\" nor \"{file}\" on the system's path can be opened. "
            + $"Restore the package Microsoft.ML.OnnxRuntime, or set {PathVariable} to the library's file.");
    }

    [LibraryImport("libc", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int setenv(string name, string value, int overwrite);
}
