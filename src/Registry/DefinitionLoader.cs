using System.Text;
using FeatureStore.Core.Definitions;
using FeatureStore.Registry.Yaml;

namespace FeatureStore.Registry;

/// <summary>Loads a project's definitions from YAML: all of them, sound, or none.</summary>
public static class DefinitionLoader
{
    public const int FilesMax = 256;
    public const int FileBytesMax = 1 << 20;

    /// <summary>
    /// Loads one file, or the files <c>*.yaml</c> and <c>*.yml</c> of a directory (not of those below it, none whose name starts with a dot), in order
    /// of their names: lists of one name in several files are joined.
    /// </summary>
    public static DefinitionLoadResult Load(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        var errors = new List<DefinitionFileError>();
        var files = new List<DefinitionFile>();
        foreach (var name in FileNames(path, errors))
        {
            if (ReadText(name, errors) is { } text)
                files.Add(new(name, text));
        }

        return Load(files, errors);
    }

    /// <summary>Loads definitions from memory, each file within <see cref="FileBytesMax"/>.</summary>
    public static DefinitionLoadResult Load(IReadOnlyList<DefinitionFile> files)
    {
        ArgumentNullException.ThrowIfNull(files);
        var errors = new List<DefinitionFileError>();
        if (files.Count > FilesMax)
            errors.Add(TooManyFiles(files[FilesMax].Name, files.Count));
        foreach (var file in files)
        {
            if (file.Text.Length > FileBytesMax || Encoding.UTF8.GetByteCount(file.Text) > FileBytesMax)
                errors.Add(TooLarge(file.Name));
        }

        return errors.Count > 0 ? new(null, errors) : Load(files, errors);
    }

    private static DefinitionLoadResult Load(IReadOnlyList<DefinitionFile> files, List<DefinitionFileError> errors)
    {
        // What one file refers to may be in another that cannot be read.
        var areAllRead = errors.Count == 0;
        var roots = new List<YamlNode>();
        foreach (var file in files)
        {
            areAllRead &= YamlReader.TryRead(file, errors, out var root);
            if (root is { IsNull: false })
                roots.Add(root);
        }

        if (roots.Count == 0 && areAllRead)
            errors.Add(new(files.Count > 0 ? files[0].Name : "definitions", 1, 1, "nothing is defined. Start with project: <name>."));
        ProjectDefinition? project = null;
        if (roots.Count > 0)
            project = new DefinitionReader(errors).Read(roots, areAllRead);
        return new(project, [.. errors.OrderBy(error => error.File, StringComparer.Ordinal).ThenBy(error => error.Line).ThenBy(error => error.Column)]);
    }

    private static string[] FileNames(string path, List<DefinitionFileError> errors)
    {
        if (File.Exists(path))
            return [path];
        try
        {
            var names = Directory.EnumerateFiles(path)
                .Where(name => !Path.GetFileName(name).StartsWith('.') && Path.GetExtension(name).ToUpperInvariant() is ".YAML" or ".YML")
                .Order(StringComparer.Ordinal)
                .ToArray();
            if (names.Length is > 0 and <= FilesMax)
                return names;
            errors.Add(names.Length == 0 ? new(path, 1, 1, "the directory has no *.yaml or *.yml file.") : TooManyFiles(path, names.Length));
        }
        catch (DirectoryNotFoundException)
        {
            errors.Add(new(path, 1, 1, "there is no such file or directory."));
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            errors.Add(new(path, 1, 1, $"cannot be read: {exception.Message}"));
        }

        return [];
    }

    private static string? ReadText(string name, List<DefinitionFileError> errors)
    {
        try
        {
            using var stream = File.OpenRead(name);
            var bytes = new byte[FileBytesMax + 1];
            var length = stream.ReadAtLeast(bytes, bytes.Length, throwOnEndOfStream: false);
            if (length <= FileBytesMax)
                return Decode(name, bytes.AsSpan(0, length), errors);
            errors.Add(TooLarge(name));
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            errors.Add(new(name, 1, 1, $"cannot be read: {exception.Message}"));
        }

        return null;
    }

    /// <summary>Text of UTF-8, with or without a byte order mark.</summary>
    internal static string? Decode(string name, ReadOnlySpan<byte> bytes, List<DefinitionFileError> errors)
    {
        if (bytes.StartsWith(Encoding.UTF8.Preamble))
            bytes = bytes[Encoding.UTF8.Preamble.Length..];
        for (var length = 0; length < bytes.Length;)
        {
            if (Rune.DecodeFromUtf8(bytes[length..], out _, out var consumed) == System.Buffers.OperationStatus.Done)
            {
                length += consumed;
                continue;
            }

            var text = Encoding.UTF8.GetString(bytes[..length]);
            var (line, column) = TextPosition.Of(text, text.Length);
            errors.Add(new(name, line, column, $"the byte 0x{bytes[length]:X2} is not UTF-8. Save the file as UTF-8."));
            return null;
        }

        return Encoding.UTF8.GetString(bytes);
    }

    private static DefinitionFileError TooLarge(string name) => new(name, 1, 1, $"the file is larger than {FileBytesMax} bytes. Split it.");

    private static DefinitionFileError TooManyFiles(string name, int count) => new(name, 1, 1, $"{count} files are too many. At most {FilesMax} are allowed.");
}
