namespace FeatureStore.Runtime.Tests;

[TestClass]
public sealed class ProcessMemoryTests
{
    [TestMethod]
    public void ReadsThisProcess()
    {
        var memory = ProcessMemory.Read();
        Assert.IsGreaterThan(10L << 20, memory.UsedBytes);
        Assert.IsLessThan(memory.LimitBytes, memory.UsedBytes);
        Assert.IsTrue(memory.Share is > 0 and < 1, $"{memory}");
    }

    [TestMethod]
    public void TheFullerOfTheTwoCounts()
    {
        var native = new MemoryReading(900, 1000, 10, 750);
        Assert.AreEqual(0.9, native.Share);
        Assert.AreEqual(150, native.Above(0.75));
        var managed = new MemoryReading(700, 1000, 700, 750);
        Assert.AreEqual(700.0 / 750, managed.Share);
        Assert.AreEqual(138, managed.Above(0.75), 1);
        Assert.AreEqual(0, managed.Above(1));
    }

    [TestMethod]
    [DataRow("0::/\n", "sys/fs/cgroup/memory.max", "536870912\n", 536_870_912)]
    [DataRow("0::/a/b\n", "sys/fs/cgroup/a/memory.max", "1000\n", 1000)]
    [DataRow("0::/a/b\n", "sys/fs/cgroup/a/b/memory.max", "max\n", long.MaxValue)]
    [DataRow("4:cpu:/x\n3:memory:/docker/abc\n", "sys/fs/cgroup/memory/docker/abc/memory.limit_in_bytes", "2000\n", 2000)]
    [DataRow("3:memory:/docker/abc\n", "sys/fs/cgroup/memory/memory.limit_in_bytes", "3000\n", 3000)]
    [DataRow("4:cpu:/x\n", "sys/fs/cgroup/memory/x/memory.limit_in_bytes", "2000\n", long.MaxValue)]
    [DataRow("", "sys/fs/cgroup/memory.max", "1000\n", long.MaxValue)]
    public void TheLimitIsThatOfTheControlGroup(string groups, string file, string limit, long expected)
    {
        var root = Directory.CreateTempSubdirectory("memory-").FullName;
        try
        {
            Write("proc/self/cgroup", groups);
            Write(file, limit);
            Assert.AreEqual(expected, ProcessMemory.ContainerLimit(root));
        }
        finally
        {
            Directory.Delete(root, recursive: true);
        }

        void Write(string path, string text)
        {
            Directory.CreateDirectory(Path.GetDirectoryName(Path.Combine(root, path))!);
            File.WriteAllText(Path.Combine(root, path), text);
        }
    }

    [TestMethod]
    public void TheLeastOfNestedLimitsCounts()
    {
        var root = Directory.CreateTempSubdirectory("memory-").FullName;
        try
        {
            Directory.CreateDirectory(Path.Combine(root, "proc/self"));
            Directory.CreateDirectory(Path.Combine(root, "sys/fs/cgroup/pod/container"));
            File.WriteAllText(Path.Combine(root, "proc/self/cgroup"), "0::/pod/container\n");
            File.WriteAllText(Path.Combine(root, "sys/fs/cgroup/pod/memory.max"), "500\n");
            File.WriteAllText(Path.Combine(root, "sys/fs/cgroup/pod/container/memory.max"), "700\n");
            Assert.AreEqual(500, ProcessMemory.ContainerLimit(root));
        }
        finally
        {
            Directory.Delete(root, recursive: true);
        }
    }
}
