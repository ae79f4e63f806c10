namespace FeatureStore.Scoring.Tests;

/// <summary>A folder for one test.</summary>
internal sealed class TempFolder : IDisposable
{
    public string Path { get; } = Directory.CreateTempSubdirectory("scoring-").FullName;

    /// <summary>Writes a file, and the folders it lies in.</summary>
    public string Write(string file, byte[] bytes)
    {
        var path = System.IO.Path.Combine(Path, file);
        Directory.CreateDirectory(System.IO.Path.GetDirectoryName(path)!);
        File.WriteAllBytes(path, bytes);
        return path;
    }

    public string Copy(string file, string from) => Write(file, File.ReadAllBytes(from));

    public void Dispose() => Directory.Delete(Path, recursive: true);
}
