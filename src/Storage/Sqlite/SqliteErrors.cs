using Microsoft.Data.Sqlite;
using SQLitePCL;

namespace FeatureStore.Storage.Sqlite;

/// <summary>Words what goes wrong with a database.</summary>
/// <param name="subject">What it is, with its path.</param>
/// <param name="restore">What helps where it is damaged: a sentence.</param>
/// <param name="bytesMax">Its largest length; 0: as large as the disk allows.</param>
internal sealed class SqliteErrors(string subject, string restore, long bytesMax = 0)
{
    public EntityStoreException Damaged(string detail, Exception? exception) => new($"{subject} is damaged: {detail}. {restore}", exception);

    public EntityStoreException Translate(SqliteException exception, string consequence)
    {
        var detail = exception.Message.TrimEnd('.');
        return exception.SqliteErrorCode switch
        {
            raw.SQLITE_CORRUPT or raw.SQLITE_NOTADB or raw.SQLITE_SCHEMA or raw.SQLITE_ERROR => Damaged(detail, exception),
            raw.SQLITE_FULL => new(
                bytesMax > 0
                    ? $"{subject}: the disk is full, or the database is at its limit of {bytesMax} bytes; {consequence}. Free space, or raise the limit."
                    : $"{subject}: the disk is full; {consequence}. Free space on it.",
                exception),
            raw.SQLITE_BUSY => new($"{subject}: another process holds it; {consequence}. See which other program has the file open.", exception),
            _ => new($"{subject}: {detail}; {consequence}. Check the disk and that this process may write there.", exception),
        };
    }
}
