using System.Diagnostics;
using System.Globalization;

namespace FeatureStore.Benchmarks;

/// <summary>Time and processor time of this process since the object was made.</summary>
internal sealed class Cost
{
    private readonly long _start = Stopwatch.GetTimestamp();
    private readonly TimeSpan _cpu = Cpu();

    public double Microseconds => Stopwatch.GetElapsedTime(_start).TotalMicroseconds;

    public double CpuMicroseconds => (Cpu() - _cpu).TotalMicroseconds;

    /// <summary>What one of many cost.</summary>
    public string Of(long count) => string.Create(CultureInfo.InvariantCulture, $"{Microseconds / count:F1} µs and {CpuMicroseconds / count:F1} µs of processor");

    private static TimeSpan Cpu()
    {
        using var process = Process.GetCurrentProcess();
        return process.TotalProcessorTime;
    }
}
