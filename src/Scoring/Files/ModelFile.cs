using System.Runtime.InteropServices;
using System.Security.Cryptography;

namespace FeatureStore.Scoring.Files;

/// <summary>A model's file, read once into memory and checked: what was checked is what the runtime gets.</summary>
internal sealed unsafe class ModelFile : IDisposable
{
    private const int LinksMax = 40;

    private byte* _bytes;

    private ModelFile(string path, byte* bytes, int length)
    {
        Path = path;
        _bytes = bytes;
        Length = length;
    }

    public string Path { get; }

    public byte* Bytes => _bytes;

    public int Length { get; }

    /// <summary>Whether weights lie in other files, all of them inside the model's own folder.</summary>
    public bool HasExternalData { get; private set; }

    /// <summary>SHA-256 of the file, and then of its weights' files in the order in which it names them; hexadecimal.</summary>
    public string Sha256 { get; private set; } = "";

    /// <summary>Reads a model and checks its size, its wire format and where its external data lies.</summary>
    /// <exception cref="ModelLoadException">The file is not fit to be given to the runtime.</exception>
    public static ModelFile Read(string path, long bytesMax)
    {
        ModelFile file;
        try
        {
            file = ReadBytes(path, bytesMax);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new ModelLoadException($"The model file \"{path}\" cannot be read: {exception.Message}", exception);
        }

        try
        {
            file.CheckExternalData(bytesMax);
            return file;
        }
        catch (InvalidDataException exception)
        {
            file.Dispose();
            throw new ModelLoadException(
                $"The model file \"{path}\" is no sound ONNX model: {exception.Message}. "
                + "Export it again, and copy it as a whole.", exception);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    public void Dispose()
    {
        NativeMemory.Free(_bytes);
        _bytes = null;
    }

    private static ModelFile ReadBytes(string path, long bytesMax)
    {
        using var handle = File.OpenHandle(path);
        var length = RandomAccess.GetLength(handle);
        if (length == 0)
            throw new ModelLoadException($"The model file \"{path}\" is empty. Export the model again, and copy it as a whole.");
        if (length > bytesMax)
            throw TooLarge(path, length, bytesMax);
        var file = new ModelFile(path, (byte*)NativeMemory.Alloc((nuint)length), (int)length);
        for (var read = 0; read < file.Length;)
        {
            var count = RandomAccess.Read(handle, new Span<byte>(file.Bytes + read, file.Length - read), read);
            if (count == 0)
            {
                file.Dispose();
                throw new ModelLoadException($"The model file \"{path}\" became shorter while it was read. Copy models elsewhere and move them into place.");
            }

            read += count;
        }

        return file;
    }

    private void CheckExternalData(long bytesMax)
    {
        var locations = ExternalDataWalker.Locations(new ReadOnlySpan<byte>(_bytes, Length)).Distinct(StringComparer.Ordinal).ToList();
        HasExternalData = locations.Count > 0;
        var folder = System.IO.Path.GetDirectoryName(System.IO.Path.GetFullPath(Path))!;
        long total = Length;
        foreach (var location in locations)
            total += ExternalLength(folder, location);
        if (total > bytesMax)
            throw TooLarge(Path, total, bytesMax);
        Sha256 = Hash([.. locations.Select(location => System.IO.Path.Combine(folder, location))]);
    }

    private string Hash(string[] weights)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData(new ReadOnlySpan<byte>(_bytes, Length));
        var buffer = new byte[weights.Length == 0 ? 0 : 1 << 20];
        foreach (var file in weights)
        {
            try
            {
                using var stream = File.OpenRead(file);
                while (stream.Read(buffer) is > 0 and var count)
                    hash.AppendData(buffer.AsSpan(0, count));
            }
            catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
            {
                throw new ModelLoadException($"The model \"{Path}\" needs the weights file \"{file}\", which cannot be read: {exception.Message}", exception);
            }
        }

        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }

    private long ExternalLength(string folder, string location)
    {
        if (location.Length == 0 || System.IO.Path.IsPathRooted(location) || location.AsSpan().IndexOfAny(':', '\0') >= 0
            || location.Split('/', '\\').Contains(".."))
            throw Escapes(location, "it must be a plain path below the model's folder");
        try
        {
            var target = new FileInfo(RealPath(System.IO.Path.Combine(folder, location)));
            var root = RealPath(folder).TrimEnd(System.IO.Path.DirectorySeparatorChar) + System.IO.Path.DirectorySeparatorChar;
            if (!target.FullName.StartsWith(root, StringComparison.Ordinal))
                throw Escapes(location, "a link leads it outside the model's folder");
            if (!target.Exists)
                throw new ModelLoadException($"The model \"{Path}\" needs the weights file \"{location}\", which is not beside it. Copy it into \"{folder}\".");
            return target.Length;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new ModelLoadException($"The model \"{Path}\" needs the weights file \"{location}\", which cannot be read: {exception.Message}", exception);
        }
    }

    /// <summary>The path with every link followed, of its folders too, as the system follows them: ".." leaves the folder that a link led to.</summary>
    private static string RealPath(string path)
    {
        var links = 0;
        var real = System.IO.Path.GetPathRoot(System.IO.Path.GetFullPath(path))!;
        var rest = new Stack<string>(Parts(System.IO.Path.GetFullPath(path)[real.Length..]));
        while (rest.TryPop(out var part))
        {
            if (part == ".")
                continue;
            var next = part == ".." ? System.IO.Path.GetDirectoryName(real) ?? real : System.IO.Path.Combine(real, part);
            if (part == ".." || new FileInfo(next).LinkTarget is not { } target)
            {
                real = next;
                continue;
            }

            if (++links > LinksMax)
                throw new IOException($"the path \"{path}\" has more than {LinksMax} links.");
            var root = System.IO.Path.GetPathRoot(target)!;
            foreach (var element in Parts(target[root.Length..]))
                rest.Push(element);
            real = root.Length > 0 ? root : real;
        }

        return real;
    }

    private static IEnumerable<string> Parts(string path) =>
        path.Split(System.IO.Path.DirectorySeparatorChar, StringSplitOptions.RemoveEmptyEntries).Reverse();

    private ModelLoadException Escapes(string location, string why) =>
        new($"The model \"{Path}\" names the weights file \"{location}\": {why}. Save the model with its weights in one folder.");

    private static ModelLoadException TooLarge(string path, long bytes, long bytesMax) =>
        new($"The model \"{path}\" has {bytes} bytes with its weights; at most {bytesMax} are allowed. Raise \"{nameof(OnnxOptions.ModelBytesMax)}\" if that is meant.");
}
