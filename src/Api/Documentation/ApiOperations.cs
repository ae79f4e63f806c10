namespace FeatureStore.Api.Documentation;

/// <summary>The endpoints, as the OpenAPI document describes them. Examples are of the card-fraud project.</summary>
internal static class ApiOperations
{
    public const string Features = "Features";
    public const string Scoring = "Scoring";
    public const string Inference = "Open Inference Protocol";
    public const string Operating = "Operations";

    private const string InferExample = """{"inputs":[{"name":"X","datatype":"FP32","shape":[1,2],"data":[[57.16,0]]}]}""";

    private const string InferAnswer =
        """{"model_name":"fraud","model_version":"1","outputs":[{"name":"probabilities","datatype":"FP32","shape":[1,2],"data":[0.9877,0.0123]}]}""";

    public static readonly ApiOperation OnlineFeatures = new("getOnlineFeatures", Features, "Reads features of many entities")
    {
        Description = "Feast's request and answer. The answer is column-major: one result a feature, join keys first. Statuses: PRESENT, NULL_VALUE, NOT_FOUND, OUTSIDE_MAX_AGE.",
        Request = typeof(OnlineFeaturesRequest),
        RequestExample = """{"features":["customer_spending:nb_tx_7d"],"entities":{"CUSTOMER_ID":[596,1]}}""",
        Response = typeof(OnlineFeaturesResponse),
        ResponseExample = """
            {"metadata":{"feature_names":["CUSTOMER_ID","nb_tx_7d"]},"results":[
              {"values":[596,1],"statuses":["PRESENT","PRESENT"],"event_timestamps":["1970-01-01T00:00:00Z","1970-01-01T00:00:00Z"]},
              {"values":[21,null],"statuses":["PRESENT","NOT_FOUND"],"event_timestamps":["2018-06-01T00:00:07Z","1970-01-01T00:00:00Z"]}]}
            """,
    };

    public static readonly ApiOperation Changes = new("streamChanges", Features, "Streams the features of entities that change, as server-sent events")
    {
        Description =
            "Events: \"open\" first; \"change\" with the newest values of entities that changed, in the JSON that /get-online-features answers with; \"snapshot\" with the values of the " +
            "entities that are named, at the beginning and after a miss; \"missed\" where changes may have been missed; \"end\" when the server stops. The header Last-Event-ID goes on " +
            "after an event, where its changes are still kept. Name the features by one of features, feature_view and feature_service.",
        Query =
        [
            ("features", "Features, each view:feature, separated by commas."),
            ("feature_view", "All features of a view."),
            ("feature_service", "The features of a service that are entities' own."),
            ("full_feature_names", "true: features are called view__feature."),
            ("entity", "Only entities of this type. Needed beside join keys where the features are of several types."),
            ("{join key}", "Only entities with this value of their join key, under the key's own name; may be repeated. Of several join keys, each is given equally often."),
            ("on_change", "Only where the value of one of these features is another than was sent last: names as in the answer, separated by commas."),
            ("where", "Only where this CEL expression over the features is true."),
            ("min_interval_ms", "Shortest time between two events of an entity: 10 to 3,600,000; default 100."),
        ],
        ResponseContentType = "text/event-stream",
    };

    public static readonly ApiOperation Push = new("push", Features, "Pushes events to a source's topic")
    {
        Description = "Feast's request. Answers when the broker has acknowledged every row; features change as soon as ingest has applied them.",
        Request = typeof(PushRequest),
        RequestExample = """
            {"push_source_name":"transactions","df":{"TX_DATETIME":["2018-06-01T00:00:07Z"],"CUSTOMER_ID":[596],"TERMINAL_ID":[3156],"TX_AMOUNT":[57.16]},"to":"online"}
            """,
        ResponseContentType = null,
    };

    public static readonly ApiOperation Score = new("score", Scoring, "Scores rows: join keys and request fields in, features and outputs out")
    {
        Description = "One row as an object, or many under \"rows\". Features are read as of now. A row that the model fails on has \"error\" instead of \"outputs\".",
        Request = typeof(ScoreRequest),
        RequestExample = """{"rows":[{"CUSTOMER_ID":596,"TERMINAL_ID":3156,"TX_AMOUNT":57.16,"TX_DATETIME":"2018-06-01T00:00:07Z"}]}""",
        Response = typeof(ScoreResponse),
        ResponseExample = """
            {"model":"fraud","version":"1","service":"fraud_v1","rows":[{"entity":{"CUSTOMER_ID":596},"outputs":{"score":0.0123},"features":{"TX_AMOUNT":57.16,"nb_tx_7d":21}}]}
            """,
    };

    public static readonly ApiOperation Entity = new("getEntity", Features, "Shows every feature of an entity")
    {
        Description = "For entities with one join key.",
        Response = typeof(EntityResponse),
        ResponseExample = """
            {"entity":"customer","key":{"CUSTOMER_ID":596},"found":true,"views":[{"view":"customer_spending","source":"transactions","as_of":"2018-06-01T00:00:07.000Z",
             "event_timestamp":"2018-06-01T00:00:07.000Z","age_ms":0,"features":[{"name":"nb_tx_7d","value":21,"status":"PRESENT"}]}]}
            """,
    };

    public static readonly ApiOperation EntityByQuery = Entity with
    {
        Id = "getEntityByKeys",
        Description = "With each join key as a parameter of the query: for entities with several join keys, and for texts with slashes.",
        Query = [("{join key}", "Value of each of the entity's join keys, under the key's own name.")],
    };

    public static readonly ApiOperation EraseEntity = new("eraseEntity", Features, "Erases an entity")
    {
        Description = "For entities with one join key. Removes its state everywhere, and keeps events that were read before out for good. Answers when that is durable; repeating it does no harm. " +
            "Events that come later start the entity anew.",
        ResponseContentType = null,
        Status = 204,
    };

    public static readonly ApiOperation EraseEntityByQuery = EraseEntity with
    {
        Id = "eraseEntityByKeys",
        Description = "With each join key as a parameter of the query: for entities with several join keys, and for texts with slashes. Otherwise as with the key in the path.",
        Query = EntityByQuery.Query,
    };

    public static readonly ApiOperation Server = new("getServer", Inference, "Describes the server")
    {
        Response = typeof(ServerMetadata),
        ResponseExample = """{"name":"orleans-featurestore","version":"0.1.0","extensions":[]}""",
    };

    public static readonly ApiOperation ServerLive = new("isServerLive", Inference, "Whether the process answers")
    {
        Response = typeof(ServerLive),
        ResponseExample = """{"live":true}""",
    };

    public static readonly ApiOperation ServerReady = new("isServerReady", Inference, "Whether the pipeline runs and every model is loaded")
    {
        Response = typeof(ServerReady),
        ResponseExample = """{"ready":true}""",
    };

    public static readonly ApiOperation Model = new("getModel", Inference, "Describes a model's inputs and outputs")
    {
        Response = typeof(ModelDescription),
        ResponseExample = """
            {"name":"fraud","versions":["1"],"platform":"onnx","inputs":[{"name":"X","datatype":"FP32","shape":[-1,15]}],
             "outputs":[{"name":"probabilities","datatype":"FP32","shape":[-1,2]}]}
            """,
    };

    public static readonly ApiOperation ModelVersion = Model with { Id = "getModelVersion" };

    public static readonly ApiOperation ModelReady = new("isModelReady", Inference, "Whether a model is loaded")
    {
        Response = typeof(ModelReady),
        ResponseExample = """{"name":"fraud","ready":true}""",
    };

    public static readonly ApiOperation ModelVersionReady = ModelReady with { Id = "isModelVersionReady" };

    public static readonly ApiOperation Infer = new("infer", Inference, "Runs a model over tensors")
    {
        Description = "Past the feature service: the tensors are the model's own. Data may be flat or nested. NaN and infinities come back as null.",
        Request = typeof(InferRequest),
        RequestExample = InferExample,
        Response = typeof(InferResponse),
        ResponseExample = InferAnswer,
    };

    public static readonly ApiOperation VersionInfer = Infer with { Id = "inferVersion" };

    public static readonly ApiOperation Definitions = new("getDefinitions", Operating, "The project's definitions, in the shape of their YAML")
    {
        Response = typeof(DefinitionsResponse),
    };

    public static readonly ApiOperation Status = new("getStatus", Operating, "How the pipeline is doing, by source and partition")
    {
        Response = typeof(StatusResponse),
    };

    public static readonly ApiOperation Silos = new("getSilos", Operating, "What each silo of the cluster runs")
    {
        Description =
            "Any silo answers for all. Each is given a second to say what it runs; of one that does not, \"problem\" says so, and the rest, if there is any, is what it said last, \"age_ms\" ago. " +
            "\"differs\" names what is not as on the silo that answers: version, definitions, calls (what silos must share to call each other), models. A process without a cluster is one row.",
        Response = typeof(SilosResponse),
        ResponseExample = """
            {"silos":[{"address":"10.0.0.7:11111@152323200","self":true,"problem":null,"time":"2018-06-01T00:00:07.000Z","age_ms":3,"name":"featurestore-serve-0","roles":["serve"],"version":"0.1.0",
             "start":"2018-05-31T22:10:00.000Z","phase":"running","ready":true,"ingests":[],"definitions":"1f6e0c52a9b3d487","calls":"93b05d1c7fe2a640",
             "feature_services":[{"name":"fraud_v1","models":[{"name":"fraud","version":"3","sha256":"9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"}]}],
             "entities":[{"entity":"customer","active":4973,"size_bytes":9151232},{"entity":"terminal","active":10000,"size_bytes":16240000}],
             "memory":{"used_bytes":412090368,"limit_bytes":2147483648,"managed_bytes":83886080,"shedding":false},"differs":[]}]}
            """,
    };

    public static readonly ApiOperation Stream = new("streamStatus", Operating, "The status every second, as server-sent events")
    {
        Description = "The first event, \"history\", has a sample for each of the last 300 seconds; then a \"status\" event follows every second. The number of clients is bounded.",
        ResponseContentType = "text/event-stream",
    };

    public static readonly ApiOperation DeadLetters = new("getDeadLetters", Operating, "The newest dead letters, newest first")
    {
        Description = "From memory, since the process started; all of them are in the dead-letter topics. Keys and values are cut at 4,096 bytes.",
        Query = [("limit", "How many: 1 to 1,000; default 50.")],
        Response = typeof(DeadLettersResponse),
    };

    public static readonly ApiOperation Metrics = new("getMetrics", Operating, "Metrics in Prometheus text format, or OpenMetrics where Accept prefers it")
    {
        ResponseContentType = "text/plain",
    };

    public static readonly ApiOperation Live = new("isLive", Operating, "Whether the process answers")
    {
        Response = typeof(HealthResponse),
        ResponseExample = """{"status":"live"}""",
    };

    public static readonly ApiOperation Ready = new("isReady", Operating, "Whether the pipeline applies and publishes; 503 before that")
    {
        Response = typeof(HealthResponse),
        ResponseExample = """{"status":"ready"}""",
    };
}
