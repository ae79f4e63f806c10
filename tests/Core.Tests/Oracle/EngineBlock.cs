using System.Runtime.InteropServices;
using System.Text.Json;
using FeatureStore.Core.Plans;
using FeatureStore.Core.Tests.Plans;

namespace FeatureStore.Core.Tests.Oracle;

/// <summary>A block of the engine that grows as a runtime would let it.</summary>
internal sealed class EngineBlock
{
    private static readonly byte[] _key = [0, 0, 0, 0, 0, 0, 0, 42];

    private readonly EntityPlan _plan;
    private readonly int[] _features;
    private readonly Core.Events.EventBatch _batch = TestEvent.NewBatch();
    private long[] _words;

    public EngineBlock(EntityPlan plan)
    {
        _plan = plan;
        _features = [.. Enumerable.Range(0, plan.Features.Count)];
        _words = new long[plan.EmptyLength(_key.Length) / 8];
        plan.Initialize(Bytes, _key);
    }

    public EngineBlock(EntityPlan plan, ReadOnlySpan<byte> bytes)
        : this(plan)
    {
        _words = new long[bytes.Length / 8];
        bytes.CopyTo(Bytes);
    }

    /// <summary>Called with the block before and after it was resized, which waits for the rest of a change and so is no block to keep.</summary>
    public Action<EngineBlock, EngineBlock>? Resized { get; init; }

    public Span<byte> Bytes => MemoryMarshal.AsBytes(_words.AsSpan());

    /// <summary>Bytes that applying and retracting allocated, resizing not counted.</summary>
    public long AllocatedBytes { get; private set; }

    public void Apply(TestEvent @event) => Change(@event, isRetraction: false);

    public bool CanRetract(TestEvent @event) => _plan.CanRetract(Bytes, @event.Source, @event.TimeMs);

    public void Retract(TestEvent @event) => Change(@event, isRetraction: true);

    /// <summary>All features; NaN is null, or what is no number.</summary>
    public double[] Read(long asOfMs)
    {
        var values = new double[_features.Length];
        Read(asOfMs, values);
        return values;
    }

    public void Read(long asOfMs, Span<double> values) => _plan.Read(Bytes, asOfMs, _features, values);

    public JsonElement Json(long asOfMs, int feature) => Json(_plan, Bytes, asOfMs, feature);

    public static JsonElement Json(EntityPlan plan, ReadOnlySpan<byte> block, long asOfMs, int feature)
    {
        var buffer = new System.Buffers.ArrayBufferWriter<byte>();
        using (var writer = new Utf8JsonWriter(buffer))
            plan.WriteJson(block, asOfMs, feature, writer);
        var reader = new Utf8JsonReader(buffer.WrittenSpan);
        return JsonElement.ParseValue(ref reader);
    }

    /// <summary>All features, as one text.</summary>
    public string AllJson(long asOfMs) => string.Join(Environment.NewLine, _features.Select(feature => $"{_plan.Features[feature].Name}: {Json(asOfMs, feature).GetRawText()}"));

    private void Change(TestEvent @event, bool isRetraction)
    {
        _batch.Clear();
        var row = _batch.Row(@event.AddTo(_batch));
        for (var attempt = 0; ; attempt++)
        {
            var before = GC.GetAllocatedBytesForCurrentThread();
            var wanted = isRetraction ? _plan.Retract(Bytes, @event.Source, row, @event.TimeMs) : _plan.Apply(Bytes, @event.Source, row, @event.TimeMs);
            AllocatedBytes += GC.GetAllocatedBytesForCurrentThread() - before;
            if (wanted == 0)
                return;
            Assert.AreEqual(0, wanted % 8);
            Assert.IsLessThan(20, attempt, $"The plan asks for {wanted} bytes when the block has {Bytes.Length}, again and again.");
            var old = new EngineBlock(_plan, Bytes);
            _words = new long[wanted / 8];
            _plan.Resize(old.Bytes, Bytes);
            Resized?.Invoke(old, this);
        }
    }
}
