using FeatureStore.Core.Plans;

namespace FeatureStore.Runtime.Tests;

/// <summary>What a runtime must do, the plain way: a dictionary of blocks, one event after the other.</summary>
internal sealed class PlainRuntime(ProjectPlan plan)
{
    private readonly Dictionary<(int Entity, string Key), byte[]> _blocks = [];

    /// <summary>Every block by entity and key.</summary>
    public IReadOnlyDictionary<(int Entity, string Key), byte[]> Blocks => _blocks;

    public void Apply(TestBatch batch)
    {
        var source = plan.Sources[batch.Apply.Source];
        for (var row = 0; row < batch.Events.Count; row++)
        {
            foreach (var entity in plan.Entities)
            {
                var fields = entity.Keys.Select(key => source.Schema.IndexOf(key.Name)).ToArray();
                if (fields.Contains(-1) || KeyOf(entity, batch, row, fields) is not { } key)
                    continue;
                if (entity.IsFedBy(source.Index))
                    Apply(entity, key, batch, row);
                if (batch.Events[row].IsRetraction)
                    continue;
                foreach (var vectors in batch.Vectors)
                    Fill(vectors.Row(row), vectors.Service, entity, _blocks.GetValueOrDefault((entity.Index, Convert.ToHexString(key)), []), batch.Events[row].TimeMs);
            }
        }
    }

    private static byte[]? KeyOf(EntityPlan entity, TestBatch batch, int row, int[] fields)
    {
        var key = new byte[EntityPlan.KeyBytesMax];
        var length = entity.EncodeKey(batch.Events.Row(row), fields, key);
        return length == 0 ? null : key[..length];
    }

    private static void Fill(Span<double> vector, Core.Vectors.ServicePlan service, EntityPlan entity, byte[] block, long asOfMs)
    {
        for (var position = 0; position < vector.Length; position++)
        {
            if (service.Features[position].Origin is Core.Vectors.FeatureOrigin.OfEntity origin && origin.Entity == entity.Index)
                entity.Read(block, asOfMs, [origin.Feature], vector.Slice(position, 1));
        }
    }

    private void Apply(EntityPlan entity, byte[] key, TestBatch batch, int row)
    {
        var id = (entity.Index, Convert.ToHexString(key));
        if (batch.Events[row].IsRetraction)
        {
            Retract(entity, id, batch, row);
            return;
        }

        if (!_blocks.TryGetValue(id, out var block))
        {
            block = new byte[entity.EmptyLength(key.Length)];
            entity.Initialize(block, key);
        }

        while (entity.Apply(block, batch.Apply.Source, batch.Events.Row(row), batch.Events[row].TimeMs) is > 0 and var wanted)
        {
            var resized = new byte[wanted];
            entity.Resize(block, resized);
            block = resized;
        }

        _blocks[id] = block;
    }

    private void Retract(EntityPlan entity, (int Entity, string Key) id, TestBatch batch, int row)
    {
        var timeMs = batch.Events[row].TimeMs;
        if (!_blocks.TryGetValue(id, out var block) || !entity.CanRetract(block, batch.Apply.Source, timeMs))
            return;
        while (entity.Retract(block, batch.Apply.Source, batch.Events.Row(row), timeMs) is > 0 and var wanted)
        {
            var resized = new byte[wanted];
            entity.Resize(block, resized);
            block = resized;
        }

        _blocks[id] = block;
    }
}
