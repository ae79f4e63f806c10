using System.Globalization;
using FeatureStore.Core.Events;
using FeatureStore.Core.Plans;
using FeatureStore.Core.Vectors;
using FeatureStore.Ingest.DeadLetters;
using FeatureStore.Ingest.Predictions;
using FeatureStore.Runtime;

namespace FeatureStore.Ingest.Pipeline;

/// <summary>Scores a batch with the models of its source and writes predictions and dead letters. One thread at a time.</summary>
internal sealed class PredictionWriter
{
    private readonly IModelCatalog _catalog;
    private readonly IDeadLetterLog _log;
    private readonly TimeProvider _time;
    private readonly ScoreBatch _scores = new();
    private readonly Model[][] _models;

    public PredictionWriter(ProjectPlan plan, IModelCatalog catalog, IDeadLetterLog log, TimeProvider time)
    {
        _catalog = catalog;
        _log = log;
        _time = time;
        _models = [.. plan.Sources.Select(source => plan.ModelsOn(source)
            .Select(model => new Model(model, plan.ServicesOn(source).ToList().IndexOf(model.Service))).ToArray())];
    }

    /// <summary>Whether what is written shows in the metrics.</summary>
    public bool Counts { get; init; } = true;

    /// <summary>Writes what a batch gives.</summary>
    /// <param name="batch">Applied, its vectors filled.</param>
    /// <param name="records">Where the batch's records came from.</param>
    /// <param name="outgoing">Empty.</param>
    public void Write(PipelineBatch batch, IEventSource records, OutgoingBatch outgoing)
    {
        foreach (var refused in batch.Refused)
            AddDeadLetter(batch.Source, records, refused, null, outgoing);
        Score(batch.Source, batch.Events, batch.Vectors, records, outgoing);
        foreach (var joined in batch.Joined)
            Score(joined.Source, joined.Events, joined.Vectors, records, outgoing);
    }

    private void Score(SourcePlan source, EventBatch events, VectorBatch[] vectors, IEventSource records, OutgoingBatch outgoing)
    {
        if (events.Count == 0)
            return;
        foreach (var model in _models[source.Index])
            Score(model, source, events, vectors[model.Vector], records, outgoing);
    }

    private void Score(Model model, SourcePlan source, EventBatch events, VectorBatch vectors, IEventSource records, OutgoingBatch outgoing)
    {
        if (!_catalog.TryGet(model.Plan.Definition.Name, out var scorer))
            throw new InvalidOperationException($"Model \"{model.Plan.Definition.Name}\" is not loaded.");
        if (model.Scorer != scorer)
            (model.Scorer, model.Encoder) = (scorer, new PredictionEncoder(model.Plan, source, scorer.Version, scorer.Outputs));
        scorer.Score(vectors, _scores);
        var sink = model.Plan.Definition.Sink!;
        var predictions = 0;
        for (var row = 0; row < events.Count; row++)
        {
            if (events[row].IsRetraction)
                continue;
            if (_scores.Failures.Count > 0 && _scores.Failures.TryGetValue(row, out var failure))
            {
                var rejection = new Rejection { Reason = RejectionReason.ModelFailure };
                AddDeadLetter(source, records, new RefusedRecord(events[row], rejection), (model.Plan.Definition.Name, failure), outgoing);
                continue;
            }

            var encoder = model.Encoder!;
            var room = outgoing.Reserve(encoder.ValueBytesMax(events, row, vectors, row) + PredictionEncoder.KeyBytesMax);
            var valueLength = encoder.TryWriteValue(room, events, row, _scores.Row(row), vectors, row);
            var keyLength = encoder.TryWriteKey(room[valueLength..], events, row);
            outgoing.Add(sink.Topic, valueLength, keyLength);
            predictions++;
        }

        if (Counts)
            IngestInstruments.Predictions.Add(predictions, new KeyValuePair<string, object?>("model", model.Plan.Definition.Name));
    }

    private void AddDeadLetter(SourcePlan source, IEventSource records, in RefusedRecord refused, (string Model, string Reason)? failure, OutgoingBatch outgoing)
    {
        var header = refused.Header;
        var position = $"{records.Topic}/{header.Partition}/{header.Offset}";
        if (source.Join is not null)
        {
            source = header.Origin == source.Join.Left.Index ? source.Join.Left : source.Join.Right;
            position = string.Create(CultureInfo.InvariantCulture, $"{source.Definition.Kafka!.Topic}/{header.Partition}/{header.Offset}#{(header.Ordinal == 0 ? "u" : header.Ordinal)}");
        }

        var (reason, rule) = DeadLetterText.Of(source, refused.Rejection, failure);
        var key = HasKey(header) ? header.RawKey.ToArray() : null;
        var value = HasValue(header) ? header.RawValue.ToArray() : null;
        outgoing.AddDeadLetter(source.Definition.DeadLetterTopic, new DeadLetterRecord(key, value, [
            .. header.Handle == 0 ? [] : records.Headers(header.Handle),
            new("source-position", System.Text.Encoding.UTF8.GetBytes(position)),
            new("reason", System.Text.Encoding.UTF8.GetBytes(reason)),
            new("rule", System.Text.Encoding.UTF8.GetBytes(rule)),
        ]));
        _log.Add(new DeadLetter
        {
            TimeMs = _time.GetUtcNow().ToUnixTimeMilliseconds(),
            Source = source.Definition.Name,
            Position = position,
            Reason = reason,
            Rule = rule,
            Key = key,
            Value = value,
            ValueLength = header.ValueLength,
        });
        if (Counts)
            IngestInstruments.DeadLetters.Add(
            1, new KeyValuePair<string, object?>("source", source.Definition.Name), new KeyValuePair<string, object?>("reason", refused.Rejection.Reason.ToString()));
    }

    private static unsafe bool HasKey(in EventHeader header) => header.Key != null;

    private static unsafe bool HasValue(in EventHeader header) => header.Value != null;

    private sealed class Model(ModelPlan plan, int vector)
    {
        public ModelPlan Plan => plan;

        /// <summary>Index of its service's vectors in a batch.</summary>
        public int Vector => vector;

        public IServedModel? Scorer { get; set; }

        public PredictionEncoder? Encoder { get; set; }
    }
}
