using FeatureStore.Core.Definitions;

namespace FeatureStore.Registry.Tests;

/// <summary>What the validator refuses in records built in C#, which YAML cannot express.</summary>
[TestClass]
public sealed class ValidatorTests
{
    private static string Aggregates => string.Join(", ", DefinitionText.Names<Aggregate>());
    private static readonly ProjectDefinition _sound = Definitions.Load(Definitions.Sound).Project!;

    [TestMethod]
    public void SoundRecordsHaveNoErrors() => Assert.IsEmpty(DefinitionValidator.Validate(_sound));

    [TestMethod]
    public void EveryErrorHasItsPath() => Expect(
        With(
            source: source => source with { Clock = (SourceClock)9, Kafka = source.Kafka! with { Format = (EventFormat)9 }, Fields = [.. source.Fields, new("ID", FieldType.Int64), new("X", (FieldType)9)] },
            feature: feature => feature with { Aggregate = (Aggregate)99 }),
        "sources[0].kafka.format: source \"orders\": format is not known. Use json.",
        "sources[0].clock: source \"orders\": clock is not known. Use wall, stream.",
        "sources[0].fields.ID: source \"orders\": field \"ID\" is declared twice.",
        "sources[0].fields.X: source \"orders\": type of field \"X\" is not known. Use int64, double, bool, string, timestamp.",
        $"feature_views[0].features[0].aggregate: feature view \"spend\": feature \"total\": aggregate is not known. Use {Aggregates}.");

    [TestMethod]
    public void OffsetsPointIntoExpressions()
    {
        var error = Assert.ContainsSingle(DefinitionValidator.Validate(With(feature: feature => feature with { Where = "AMOUNT > 1.0 && NOPE" })));
        Assert.AreEqual(("feature_views[0].features[0].where", 16), (error.Path, error.Offset));
    }

    [TestMethod]
    public void DurationsAreWholeMilliseconds() => Expect(
        With(
            source: source => source with { Lateness = TimeSpan.FromSeconds(-1), Align = TimeSpan.FromTicks(1) },
            feature: feature => feature with { Window = new WindowDefinition.Sliding(TimeSpan.FromTicks(10_001)) { Delay = TimeSpan.FromDays(3650) + TimeSpan.FromMilliseconds(1) } }),
        "sources[0].lateness: source \"orders\": lateness is not 0 or more.",
        "sources[0].align: source \"orders\": align is not a whole number of milliseconds.",
        "feature_views[0].features[0].window.sliding: feature view \"spend\": feature \"total\": window is not a whole number of milliseconds.",
        "feature_views[0].features[0].window.delay: feature view \"spend\": feature \"total\": delay is longer than 3650d, the longest allowed.");

    [TestMethod]
    [DataRow("USER", 1, "fill is a Int32, which \"USER\" cannot take. It takes a long.")]
    [DataRow("AMOUNT", 1L, "fill is a Int64, which \"AMOUNT\" cannot take. It takes a double.")]
    [DataRow("AMOUNT", double.NaN, "fill is not a finite number.")]
    [DataRow("FIRST", "true", "fill is a String, which \"FIRST\" cannot take. It takes a bool.")]
    [DataRow("CHANNEL", false, "fill is a Boolean, which \"CHANNEL\" cannot take. It takes a string.")]
    [DataRow("SEEN", "2020-01-01T00:00:00Z", "fill is a String, which \"SEEN\" cannot take. It takes a long of Unix milliseconds.")]
    [DataRow("SEEN", long.MaxValue, "fill is outside the years 0001 to 9999.")]
    public void FillIsOfTheFieldsType(string field, object fill, string message) => Expect(
        With(source: source => source with
        {
            Fields = [.. source.Fields, new("SEEN", FieldType.Timestamp)],
            Clean = [new() { Field = field, Missing = MissingAction.Fill, Fill = fill }],
        }),
        $"sources[0].clean[0].fill: source \"orders\": {message}");

    [TestMethod]
    public void LongTextIsNoFill() => Expect(
        With(source: source => source with { Clean = [new() { Field = "CHANNEL", Missing = MissingAction.Fill, Fill = new string('é', 2049) }] }),
        "sources[0].clean[0].fill: source \"orders\": fill is longer than 4096 bytes, the longest text of a field.");

    [TestMethod]
    public void EntryTakesExactlyOne() => Expect(
        With(service: service => service with { Features = [new() { Name = "a" }, new() { Name = "b", Feature = "spend:total", Expression = "1" }, .. service.Features] }),
        "feature_services[0].features[0]: feature service \"buy\": an entry takes exactly one of a view's feature, a request field and an expression.",
        "feature_services[0].features[1]: feature service \"buy\": an entry takes exactly one of a view's feature, a request field and an expression.");

    [TestMethod]
    public void NumbersAreFinite() => Expect(
        With(
            source: source => source with { Clean = [new() { Field = "AMOUNT", Below = double.NaN, Above = double.PositiveInfinity }] },
            feature: feature => feature with { Default = double.NaN },
            service: service => service with
            {
                Features =
                [
                    .. service.Features,
                    new()
                    {
                        Name = "x",
                        Expression = "1.0",
                        Transforms =
                        [
                            new TransformDefinition.Standardize(double.NaN, double.NaN), new TransformDefinition.Clip(double.NaN, 0),
                            new TransformDefinition.Impute(double.NaN), new TransformDefinition.Bucketize([double.NaN, 1]),
                        ],
                    },
                ],
            }),
        "sources[0].clean[0].below: source \"orders\": below is not a finite number.",
        "sources[0].clean[0].above: source \"orders\": above is not a finite number.",
        "feature_views[0].features[0].default: feature view \"spend\": feature \"total\": default is not a finite number.",
        "feature_services[0].features[6].transform[0].standardize.mean: feature service \"buy\": mean is not a finite number.",
        "feature_services[0].features[6].transform[0].standardize.std: feature service \"buy\": std is not a finite number.",
        "feature_services[0].features[6].transform[1].clip.min: feature service \"buy\": min is not a finite number.",
        "feature_services[0].features[6].transform[2].impute: feature service \"buy\": impute is not a finite number.",
        "feature_services[0].features[6].transform[3].bucketize[0]: feature service \"buy\": bound is not a finite number.");

    [TestMethod]
    [DataRow("[1]", "list")]
    [DataRow("{'a': 1}", "map")]
    [DataRow("null", "null")]
    [DataRow("b'a'", "bytes")]
    public void ExpressionsThatNoVectorHolds(string expression, string type)
    {
        Expect(
            With(service: service => service with { Features = [.. service.Features, new() { Name = "x", Expression = expression }] }),
            $"feature_services[0].features[6].expression: feature service \"buy\": the expression is of type {type}. A feature is a number, a bool, a timestamp or a string.");
        Expect(
            With(feature: feature => feature with { Of = expression }),
            $"feature_views[0].features[0].of: feature view \"spend\": feature \"total\": sum takes a number, a bool or a timestamp; of is of type {type}. Only count takes anything.");
        Assert.IsEmpty(DefinitionValidator.Validate(With(feature: feature => feature with { Aggregate = Aggregate.Count, Of = expression })));
    }

    [TestMethod]
    [DataRow("AMOUNT")]
    [DataRow("USER + 1")]
    [DataRow("AT")]
    [DataRow("FIRST || AMOUNT > 5.0")]
    [DataRow("AT - timestamp(0)")]
    public void NumbersTimesAndBoolsAreInputs(string expression) =>
        Assert.IsEmpty(DefinitionValidator.Validate(With(feature: feature => feature with { Of = expression })));

    [TestMethod]
    public void KeysAreTheSameInAllSourcesOfAnEntity() => Expect(
        _sound with
        {
            Sources =
            [
                .. _sound.Sources,
                Click("clicks", new("AT", FieldType.Timestamp), new("USER", FieldType.String)),
                Click("views", new FieldDefinition("AT", FieldType.Timestamp)),
            ],
            FeatureViews = [.. _sound.FeatureViews, View("a", "clicks"), View("b", "clicks"), View("c", "views")],
        },
        "feature_views[1].source: feature view \"a\": \"USER\", a key of entity \"user\", is a string in source \"clicks\" and an int64 in source \"orders\". Declare one type.",
        "feature_views[3].source: feature view \"c\": source \"views\" has no field \"USER\", a key of entity \"user\". There is \"AT\".");

    [TestMethod]
    public void TopicsAreApart()
    {
        var longTopic = new string('t', 245);
        Expect(
            _sound with
            {
                Sources =
                [
                    .. _sound.Sources,
                    Click("again") with { Kafka = new() { Topic = "orders" } },
                    Click("long") with { Kafka = new() { Topic = longTopic } },
                    Click("loop") with { DeadLetters = "long" },
                    Click("short") with { Kafka = new() { Topic = "long" }, DeadLetters = "orders.bad" },
                ],
            },
            "sources[3].kafka.topic: source \"again\": topic \"orders\" is read by source \"orders\" already. One source reads a topic.",
            "sources[4].kafka.topic: source \"long\": the dead-letter topic's name, the topic's and \".dead-letter\", is longer than 249. Name one with dead_letters.",
            "sources[5].dead_letters: source \"loop\": dead-letter topic \"long\" is what source \"short\" reads. Dead letters would come back as events.");
    }

    [TestMethod]
    public void ModelsMayShareASink() =>
        Assert.IsEmpty(DefinitionValidator.Validate(_sound with { Models = [.. _sound.Models, _sound.Models[0] with { Name = "churn_2" }] }));

    [TestMethod]
    public void EventsCarryTheKeysOfAllEntitiesOfTheService() => Expect(
        _sound with
        {
            Sources = [.. _sound.Sources, Click("clicks", new("AT", FieldType.Timestamp), new("PAGE", FieldType.Int64)), Click("pages", new("AT", FieldType.Timestamp), new("PAGE", FieldType.String), new("AMOUNT", FieldType.Double), new("CHANNEL", FieldType.String))],
            Entities = [.. _sound.Entities, new() { Name = "page", Keys = ["PAGE"] }],
            FeatureViews = [.. _sound.FeatureViews, View("hits", "clicks") with { Entity = "page" }],
            FeatureServices = [_sound.FeatureServices[0] with { Features = [.. _sound.FeatureServices[0].Features, new() { Name = "n", Feature = "hits:n" }] }],
            Models = [_sound.Models[0], _sound.Models[0] with { Name = "other", On = "pages" }],
        },
        "models[0].on: model \"churn\": source \"orders\" has no field \"PAGE\", a key of entity \"page\". There are \"ID\", \"AT\", \"USER\", \"AMOUNT\", \"CHANNEL\", \"FIRST\", \"PAST\".",
        "models[1].on: model \"other\": source \"pages\" has no field \"USER\", a key of entity \"user\". There are \"AT\", \"PAGE\", \"AMOUNT\", \"CHANNEL\".",
        "models[1].on: model \"other\": \"PAGE\", a key of entity \"page\", is an int64, and a string in source \"pages\". Declare one type.");

    [TestMethod]
    public void ServiceWithoutAViewHasNoEntity() => Expect(
        With(service: service => service with { Features = [new() { Name = "AMOUNT", RequestField = "AMOUNT" }] }),
        "models[0].service: model \"churn\": feature service \"buy\" has no feature of a view, so predictions have no entity. Add one.");

    [TestMethod]
    public void CountsAreBounded() => Expect(
        _sound with
        {
            Sources = [_sound.Sources[0] with { Fields = [.. Enumerable.Range(0, 65).Select(index => new FieldDefinition($"F{index}", FieldType.Int64))], Timestamp = "F0", Id = "F1", Clean = [], Enrich = [] }],
            Entities = [new() { Name = "user", Keys = [.. Enumerable.Range(0, 9).Select(index => $"F{index}")] }],
            FeatureViews = [View("wide", "orders") with { Features = [.. Enumerable.Range(0, 1001).Select(index => new FeatureDefinition { Name = $"f{index}", Aggregate = Aggregate.Count })] }],
            FeatureServices = [],
            Models = [.. Enumerable.Range(0, 257).Select(index => new ModelDefinition { Name = "m", Service = "s" })],
        },
        "sources[0].timestamp: source \"orders\": timestamp \"F0\" is an int64. Declare the field as timestamp.",
        "sources[0].fields: source \"orders\": 65 fields are too many. At most 64 are allowed.",
        "entities[0].keys: entity \"user\": has 9 keys. An entity has 1 to 8.",
        "feature_views[0].features: feature view \"wide\": entity \"user\" has 1001 features up to here. At most 1000 are allowed.",
        "models: project: 257 models are too many. At most 256 are allowed.");

    [TestMethod]
    public void FieldsThatEnrichAreBoundedWithTheOthers() => Expect(
        _sound with
        {
            Sources = [_sound.Sources[0] with { Enrich = [.. Enumerable.Range(0, 59).Select(index => new EnrichDefinition { Feature = "spend:ever", As = $"E{index}" })] }],
        },
        "sources[0].enrich: source \"orders\": 65 fields with those that enrich it are too many. At most 64 are allowed.");

    [TestMethod]
    public void VectorsAreBounded()
    {
        var categories = new TransformDefinition.OneHot([.. Enumerable.Range(0, 1000).Select(index => $"{index}")]);
        ServiceFeatureDefinition Wide(int index) => new() { Name = $"x{index}", Expression = "1", Transforms = [categories] };
        Expect(
            With(service: service => service with { Features = [.. service.Features, .. Enumerable.Range(0, 10).Select(Wide)] }),
            "feature_services[0].features: feature service \"buy\": the vector has 10007 columns. At most 10000 are allowed.");
        Expect(
            With(service: service => service with { Features = [.. service.Features, new() { Name = "x", Expression = "1", Transforms = [.. Enumerable.Repeat(new TransformDefinition.Log1p(), 17)] }] }),
            "feature_services[0].features[6].transform: feature service \"buy\": 17 transforms are too many. At most 16 are allowed.");
    }

    [TestMethod]
    public void NamesAreBoundedAndQuotedShort()
    {
        var name = new string('n', 129);
        var errors = DefinitionValidator.Validate(_sound with { Project = new string('p', 65), Models = [_sound.Models[0] with { Name = name }] });
        Assert.AreEqual(
            $"project: \"{new string('p', 65)}\" is not a project's name. Use lower-case letters, digits, '_' and '-', starting with a letter or a digit, at most 64.\n"
            + $"model \"{name[..80]}…\": name \"{name[..80]}…\" is not an identifier. Use letters, digits and '_', not a digit first, at most 128.",
            string.Join('\n', errors.Select(error => error.Message)));
    }

    private static ProjectDefinition With(
        Func<SourceDefinition, SourceDefinition>? source = null,
        Func<FeatureDefinition, FeatureDefinition>? feature = null,
        Func<FeatureServiceDefinition, FeatureServiceDefinition>? service = null)
    {
        var view = _sound.FeatureViews[0];
        return _sound with
        {
            Sources = [source is null ? _sound.Sources[0] : source(_sound.Sources[0])],
            FeatureViews = [view with { Features = [feature is null ? view.Features[0] : feature(view.Features[0]), .. view.Features.Skip(1)] }],
            FeatureServices = [service is null ? _sound.FeatureServices[0] : service(_sound.FeatureServices[0])],
        };
    }

    private static SourceDefinition Click(string name, params IReadOnlyList<FieldDefinition> fields) => new()
    {
        Name = name,
        Kafka = new() { Topic = name },
        Timestamp = "AT",
        Fields = fields.Count > 0 ? fields : [new("AT", FieldType.Timestamp)],
    };

    private static FeatureViewDefinition View(string name, string source) => new()
    {
        Name = name,
        Entity = "user",
        Source = source,
        Features = [new() { Name = "n", Aggregate = Aggregate.Count }],
    };

    private static void Expect(ProjectDefinition project, params IEnumerable<string> errors) =>
        Assert.AreEqual(string.Join('\n', errors), string.Join('\n', DefinitionValidator.Validate(project).Select(error => $"{error.Path}: {error.Message}")));
}
