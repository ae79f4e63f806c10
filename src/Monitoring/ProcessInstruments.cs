using System.Diagnostics;
using System.Diagnostics.Metrics;

namespace FeatureStore.Monitoring;

/// <summary>The process's own metrics under the names that Prometheus boards expect. The runtime's (GC, threads, exceptions) come from the meter System.Runtime.</summary>
public static class ProcessInstruments
{
    private static readonly Meter _meter = new("FeatureStore.Process");
    private static readonly double _startSeconds = Start();

    static ProcessInstruments()
    {
        _meter.CreateObservableCounter("process.cpu", () => Environment.CpuUsage.TotalTime.TotalSeconds, "s", "Processor time of the process, user and system.");
        _meter.CreateObservableGauge("process.resident_memory", () => Environment.WorkingSet, "By", "Memory of the process in RAM.");
        _meter.CreateObservableGauge("process.start_time", () => _startSeconds, "s", "When the process started, Unix seconds.");
        _meter.CreateObservableGauge("process.open_fds", OpenFiles, null, "Open file descriptors.");
    }

    /// <summary>Makes the metrics exist; without effect from the second call on.</summary>
    public static void Register() => System.Runtime.CompilerServices.RuntimeHelpers.RunClassConstructor(typeof(ProcessInstruments).TypeHandle);

    private static double Start()
    {
        using var process = Process.GetCurrentProcess();
        return (process.StartTime.ToUniversalTime() - DateTime.UnixEpoch).TotalSeconds;
    }

    /// <summary>Nothing where the system has no such directory.</summary>
    private static IEnumerable<Measurement<int>> OpenFiles() =>
        Directory.Exists("/proc/self/fd") ? [new(Directory.EnumerateFileSystemEntries("/proc/self/fd").Count())] : [];
}
