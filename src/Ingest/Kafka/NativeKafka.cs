using System.Diagnostics;
using System.Reflection;
using System.Runtime.InteropServices;
using Confluent.Kafka;

namespace FeatureStore.Ingest.Kafka;

/// <summary>
/// The calls of librdkafka that move many records at once. Confluent.Kafka makes an object for every record; these hand over pointers. Clients are
/// made, configured and closed by Confluent.Kafka, on whose handles these work.
/// </summary>
internal static unsafe partial class NativeKafka
{
    public const int ErrorPartitionEnd = -191;
    public const int ErrorQueueFull = -184;
    public const int ErrorAutoOffsetReset = -140;
    public const int ErrorBadMessage = -199;
    public const int ErrorBadCompression = -198;
    public const int ErrorNotImplemented = -170;
    public const int ErrorOffsetOutOfRange = 1;
    public const int ErrorUnknownTopicOrPartition = 3;
    public const int ErrorMessageTooLarge = 10;
    public const int ErrorTopicAuthorizationFailed = 29;

    private const string Library = "librdkafka";

    static NativeKafka()
    {
        // Both sides must use one and the same copy of the library: take the one that Confluent.Kafka has loaded.
        Confluent.Kafka.Library.Load();
        var path = Process.GetCurrentProcess().Modules.Cast<ProcessModule>()
            .Select(module => module.FileName)
            .FirstOrDefault(file => Path.GetFileName(file).Contains(Library, StringComparison.Ordinal) && Path.GetExtension(file) is not ".dll")
            ?? throw new DllNotFoundException("librdkafka is not loaded. Install Debian's package librdkafka1, or restore the package librdkafka.redist.");
        var handle = NativeLibrary.Load(path);
        NativeLibrary.SetDllImportResolver(typeof(NativeKafka).Assembly, (name, _, _) => name == Library ? handle : 0);
    }

    /// <summary>The client behind a handle of Confluent.Kafka, which has no public way to it.</summary>
    public static nint ClientOf(Handle handle)
    {
        var property = typeof(Handle).GetProperty("LibrdkafkaHandle", BindingFlags.Instance | BindingFlags.NonPublic)
            ?? throw new MissingMemberException("Confluent.Kafka.Handle", "LibrdkafkaHandle");
        return ((SafeHandle)property.GetValue(handle)!).DangerousGetHandle();
    }

    public static string ErrorText(int error) => Marshal.PtrToStringUTF8(rd_kafka_err2str(error)) ?? "error " + error;

    /// <summary>Identity of the cluster; empty where the broker does not say it in time.</summary>
    public static string ClusterId(nint client, TimeSpan timeout)
    {
        var text = rd_kafka_clusterid(client, (int)timeout.TotalMilliseconds);
        if (text == 0)
            return "";
        var id = Marshal.PtrToStringUTF8(text) ?? "";
        rd_kafka_mem_free(client, text);
        return id;
    }

    [LibraryImport(Library)]
    public static partial nint rd_kafka_queue_get_partition(nint client, [MarshalAs(UnmanagedType.LPUTF8Str)] string topic, int partition);

    [LibraryImport(Library)]
    public static partial void rd_kafka_queue_forward(nint source, nint target);

    [LibraryImport(Library)]
    public static partial void rd_kafka_queue_destroy(nint queue);

    [LibraryImport(Library)]
    public static partial void rd_kafka_queue_cb_event_enable(nint queue, delegate* unmanaged[Cdecl]<nint, nint, void> callback, nint opaque);

    [LibraryImport(Library)]
    public static partial nint rd_kafka_consume_batch_queue(nint queue, int timeoutMs, Message** messages, nuint count);

    [LibraryImport(Library)]
    public static partial void rd_kafka_message_destroy(nint message);

    [LibraryImport(Library)]
    public static partial long rd_kafka_message_timestamp(nint message, out int type);

    [LibraryImport(Library)]
    public static partial int rd_kafka_message_headers(nint message, out nint headers);

    [LibraryImport(Library)]
    public static partial int rd_kafka_header_get_all(nint headers, nuint index, out nint name, out nint value, out nuint length);

    [LibraryImport(Library)]
    public static partial nint rd_kafka_topic_new(nint client, [MarshalAs(UnmanagedType.LPUTF8Str)] string topic, nint configuration);

    [LibraryImport(Library)]
    public static partial void rd_kafka_topic_destroy(nint topic);

    [LibraryImport(Library)]
    public static partial int rd_kafka_produce_batch(nint topic, int partition, int flags, Message* messages, int count);

    [LibraryImport(Library)]
    public static partial nint rd_kafka_handle_mock_cluster(nint client);

    [LibraryImport(Library)]
    public static partial nint rd_kafka_mock_cluster_bootstraps(nint cluster);

    [LibraryImport(Library)]
    public static partial int rd_kafka_mock_topic_create(nint cluster, [MarshalAs(UnmanagedType.LPUTF8Str)] string topic, int partitions, int replicas);

    [LibraryImport(Library)]
    private static partial nint rd_kafka_err2str(int error);

    [LibraryImport(Library)]
    private static partial nint rd_kafka_clusterid(nint client, int timeoutMs);

    [LibraryImport(Library)]
    private static partial void rd_kafka_mem_free(nint client, nint memory);

    /// <summary><c>rd_kafka_message_t</c>.</summary>
    public struct Message
    {
        public int Error;
        public nint Topic;
        public int Partition;
        public byte* Payload;
        public nuint Length;
        public byte* Key;
        public nuint KeyLength;
        public long Offset;
        public nint Private;
    }
}
