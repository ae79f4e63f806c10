using System.Globalization;

namespace FeatureStore.Runtime;

/// <summary>Memory of a process, and what it may have.</summary>
/// <param name="UsedBytes">Of the process in RAM, blocks in native memory among it.</param>
/// <param name="LimitBytes">At which the system ends the process: the container's limit, or the machine's memory.</param>
/// <param name="ManagedBytes">The managed heap as of the last collection.</param>
/// <param name="ManagedMaxBytes">At which allocating objects fails: in a container three quarters of its limit, unless told otherwise.</param>
public readonly record struct MemoryReading(long UsedBytes, long LimitBytes, long ManagedBytes, long ManagedMaxBytes)
{
    /// <summary>How full the fuller of the two is; 1: full.</summary>
    public double Share => Math.Max((double)UsedBytes / LimitBytes, (double)ManagedBytes / ManagedMaxBytes);

    /// <summary>Bytes to give up until that is a given share.</summary>
    public long Above(double share) => (long)Math.Max(0, Math.Max(UsedBytes - share * LimitBytes, ManagedBytes - share * ManagedMaxBytes));
}

/// <summary>Reads what memory this process has and may have.</summary>
public static class ProcessMemory
{
    private static readonly Lazy<long> _limitBytes = new(() => Math.Min(ContainerLimit("/"), MachineBytes()));

    /// <summary>As of now; the managed heap as of its last collection.</summary>
    public static MemoryReading Read()
    {
        var heap = GC.GetGCMemoryInfo(GCKind.Any);
        return new MemoryReading(Environment.WorkingSet, _limitBytes.Value, heap.HeapSizeBytes, heap.TotalAvailableMemoryBytes);
    }

    /// <summary>The least limit of the control groups that the process is in, of version 2 or 1; <see cref="long.MaxValue"/>: none.</summary>
    /// <param name="root">Where the file system begins.</param>
    internal static long ContainerLimit(string root)
    {
        var least = long.MaxValue;
        foreach (var line in Lines(Path.Combine(root, "proc/self/cgroup")))
        {
            // ID:CONTROLLERS:PATH; of version 2 without controllers.
            if (line.Split(':', 3) is not [_, var controllers, var path] || controllers.Length > 0 && !controllers.Split(',').Contains("memory"))
                continue;
            var (mount, file) = controllers.Length == 0 ? ("sys/fs/cgroup", "memory.max") : ("sys/fs/cgroup/memory", "memory.limit_in_bytes");
            // In a container the path may be the host's, and what is seen only its end: then its own group is at the top.
            for (var group = path.Trim('/'); ; group = group[..Math.Max(0, group.LastIndexOf('/'))])
            {
                var limit = Lines(Path.Combine(root, mount, group, file)).FirstOrDefault();
                if (long.TryParse(limit, NumberStyles.None, CultureInfo.InvariantCulture, out var bytes) && bytes > 0)
                    least = Math.Min(least, bytes);
                if (group.Length == 0)
                    break;
            }
        }

        return least;
    }

    private static long MachineBytes()
    {
        // MemTotal:       16264036 kB
        var total = Lines("/proc/meminfo").FirstOrDefault(line => line.StartsWith("MemTotal:", StringComparison.Ordinal))?.Split(' ', StringSplitOptions.RemoveEmptyEntries);
        return total is [_, var kilobytes, ..] && long.TryParse(kilobytes, NumberStyles.None, CultureInfo.InvariantCulture, out var number)
            ? number << 10
            : GC.GetGCMemoryInfo().TotalAvailableMemoryBytes;
    }

    private static string[] Lines(string path)
    {
        try
        {
            return File.ReadAllLines(path);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return [];
        }
    }
}
