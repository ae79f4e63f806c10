namespace FeatureStore.Storage.Sqlite;

/// <summary>
/// Holds a data directory for one process. The operating system's lock on the open file `lock` is what counts, not that the file exists:
/// it goes with the process, however that ends.
/// </summary>
internal sealed class DirectoryLock : IDisposable
{
    private readonly FileStream _file;

    /// <summary>Makes the directory where it is missing, and takes it.</summary>
    /// <exception cref="EntityStoreException">Another process holds it, or it cannot be written.</exception>
    public DirectoryLock(string directory)
    {
        var path = Path.Combine(directory, "lock");
        try
        {
            Directory.CreateDirectory(directory);
            _file = new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None, bufferSize: 1);
        }
        catch (IOException exception) when (IsHeld(exception))
        {
            throw new EntityStoreException(
                $"data directory \"{directory}\" is in use: another process holds its file \"lock\". Stop that process, or give another data directory.",
                exception);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new EntityStoreException(
                $"data directory \"{directory}\" cannot be used: {exception.Message.TrimEnd('.')}. Give a directory that this process may write.",
                exception);
        }
    }

    /// <summary>Lets go. The file stays: removing it would let two processes hold two different files of that name.</summary>
    public void Dispose() => _file.Dispose();

    /// <summary>EAGAIN of Linux and of macOS, ERROR_SHARING_VIOLATION of Windows.</summary>
    private static bool IsHeld(IOException exception) => exception.HResult is 11 or 35 or unchecked((int)0x80070020);
}
