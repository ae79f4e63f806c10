using System.Globalization;
using System.Text;
using FeatureStore.Core.Definitions;
using FeatureStore.Core.Events;
using FeatureStore.Registry.Yaml;

namespace FeatureStore.Registry;

/// <summary>Turns YAML into definitions.</summary>
internal sealed class DefinitionReader(List<DefinitionFileError> errors)
{
    /// <summary>What a joined source has from its sides.</summary>
    private static readonly string[] _derived = ["lateness", "align", "fields"];

    private readonly ReadContext _context = new(errors);

    /// <param name="roots">One a file.</param>
    /// <param name="areAllRead">Whether every file could be read; only then references can be checked.</param>
    /// <returns>The project; to be used only where there are no errors.</returns>
    public ProjectDefinition Read(IReadOnlyList<YamlNode> roots, bool areAllRead)
    {
        _context.Locate("", roots[0]);
        var files = roots.Select(root => new MappingReader(_context, DefinitionShape.Root, root, "", "")).ToArray();
        var project = new ProjectDefinition
        {
            Project = Project(files, roots, areAllRead),
            Sources = Section(files, "sources", Source),
            Entities = Section(files, "entities", Entity),
            FeatureViews = Section(files, "feature_views", FeatureView),
            FeatureServices = Section(files, "feature_services", FeatureService),
            Models = Section(files, "models", Model),
        };
        if (areAllRead && !DefinitionShape.Root.Keys.Skip(1).Any(_context.IsUnreadable) && !_context.IsUnreadable(""))
        {
            foreach (var error in DefinitionValidator.Validate(project))
                _context.AddSemantic(error);
        }

        return project;
    }

    private string Project(MappingReader[] files, IReadOnlyList<YamlNode> roots, bool areAllRead)
    {
        string? project = null;
        foreach (var file in files)
        {
            if (file.OptionalText("project") is not { Length: > 0 } name)
                continue;
            project ??= name;
            if (name != project)
                _context.Add(file.Find("project")!, "", $"project {DefinitionText.Quote(name)} is {DefinitionText.Quote(project)} in another file. One project is loaded at a time.");
        }

        if (project is null)
        {
            if (areAllRead && !_context.IsUnreadable("project"))
                _context.Add(roots[0], "", "the project has no name. Add project: <name>.");
            _context.MarkUnreadable("project");
        }

        return project ?? "";
    }

    /// <summary>A section's items from all files.</summary>
    private static List<T> Section<T>(MappingReader[] files, string key, Func<YamlNode, string, T> read)
    {
        var items = new List<T>();
        foreach (var file in files)
        {
            foreach (var (node, path) in file.List(key, isRequired: false, first: items.Count))
                items.Add(read(node, path));
        }

        return items;
    }

    private MappingReader Item(DefinitionShape shape, string kind, YamlNode node, string path)
    {
        var name = node.Kind == YamlKind.Mapping && node.Find("name") is { Kind: YamlKind.Text, IsNull: false } text ? text.Text : "";
        return new(_context, shape, node, path, DefinitionText.Subject(kind, name, path));
    }

    private SourceDefinition Source(YamlNode node, string path)
    {
        var source = Item(DefinitionShape.Source, "source", node, path);
        var join = source.OptionalMapping("join", DefinitionShape.Join);
        // A joined source has what its sides have; what it says besides is refused as a whole later.
        var isRead = join is null;
        var kafka = isRead || source.Has("kafka") ? source.Mapping("kafka", DefinitionShape.Kafka) : null;
        var fields = source.Fields("fields", isRequired: isRead);
        foreach (var key in _derived.Where(key => !isRead && source.Has(key)))
            source.Unreadable(source.Find(key)!, source.PathOf(key), $"a joined source takes no {key}: it has what its sides have. Remove it.");
        var standard = new SourceDefinition { Name = "", Timestamp = "", Fields = [] };
        return standard with
        {
            Name = source.Text("name"),
            Kafka = kafka is null ? null : new() { Topic = kafka.Text("topic"), Format = kafka.EnumValue<EventFormat>("format") ?? default },
            Join = join is null ? null : new()
            {
                Left = join.Text("left"),
                Right = join.Text("right"),
                On = join.Texts("on"),
                Within = join.Duration("within", "within", isRequired: true) ?? TimeSpan.Zero,
                Unmatched = join.EnumValue<JoinUnmatched>("unmatched") ?? default,
                Limit = join.OptionalInteger("limit") ?? JoinDefinition.LimitDefault,
            },
            Timestamp = isRead ? source.Text("timestamp") : source.OptionalText("timestamp") ?? "",
            Clock = source.EnumValue<SourceClock>("clock") ?? standard.Clock,
            Lateness = source.Duration("lateness", "lateness") ?? standard.Lateness,
            Ahead = source.Duration("ahead", "ahead") ?? standard.Ahead,
            Align = source.Duration("align", "align") ?? standard.Align,
            DeadLetters = source.OptionalText("dead_letters"),
            Id = source.OptionalText("id"),
            Envelope = source.EnumValue<EventEnvelope>("envelope") ?? standard.Envelope,
            Fields = fields,
            Clean = [.. source.List("clean", isRequired: false).Select(item => CleanRule(item.Node, item.Path, source.Subject, fields))],
            Enrich = [.. source.List("enrich", isRequired: false).Select(item => Enrich(item.Node, item.Path, source.Subject))],
        };
    }

    private EnrichDefinition Enrich(YamlNode node, string path, string subject)
    {
        var field = new MappingReader(_context, DefinitionShape.Enrich, node, path, subject);
        return new() { Feature = field.Text("feature"), As = field.Text("as") };
    }

    private CleanRule CleanRule(YamlNode node, string path, string subject, IReadOnlyList<FieldDefinition> fields)
    {
        var rule = new MappingReader(_context, DefinitionShape.CleanRule, node, path, subject);
        var name = rule.Text("field");
        return new()
        {
            Field = name,
            Missing = rule.EnumValue<MissingAction>("missing") ?? default,
            Fill = rule.Find("fill") is { } fill ? Fill(rule, fill, fields.FirstOrDefault(field => field.Name == name)) : null,
            Below = rule.OptionalNumber("below"),
            Above = rule.OptionalNumber("above"),
            Outside = rule.EnumValue<OutsideAction>("outside") ?? OutsideAction.DeadLetter,
        };
    }

    /// <summary>A value of the field's type.</summary>
    private object Fill(MappingReader rule, YamlNode node, FieldDefinition? field)
    {
        var text = rule.TextOf(node, rule.PathOf("fill"), "fill");
        if (field is null || _context.IsUnreadable(rule.PathOf("fill")))
            return text;
        object? value = field.Type switch
        {
            FieldType.Int64 when node.IsPlain && long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var number) => number,
            FieldType.Double when node.IsPlain && double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var number) => number,
            FieldType.Bool when node.IsPlain && bool.TryParse(text, out var boolean) => boolean,
            FieldType.Timestamp when TryTimestampMs(text, out var milliseconds) => milliseconds,
            FieldType.String => text,
            _ => null,
        };
        if (value is null && Enum.IsDefined(field.Type))
            rule.Unreadable(node, rule.PathOf("fill"), $"fill {DefinitionText.Quote(text)} is not {DefinitionText.AValueOf(field.Type)}, as {DefinitionText.Quote(field.Name)} is.");
        return value ?? text;
    }

    /// <summary>RFC 3339, or Unix milliseconds.</summary>
    private static bool TryTimestampMs(string text, out long milliseconds)
    {
        if (long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out milliseconds))
            return milliseconds is >= Rfc3339.MinMs and <= Rfc3339.MaxMs;
        return Rfc3339.TryParse(Encoding.UTF8.GetBytes(text), out milliseconds);
    }

    private EntityDefinition Entity(YamlNode node, string path)
    {
        var entity = Item(DefinitionShape.Entity, "entity", node, path);
        return new() { Name = entity.Text("name"), Keys = entity.Texts("keys") };
    }

    private FeatureViewDefinition FeatureView(YamlNode node, string path)
    {
        var view = Item(DefinitionShape.FeatureView, "feature view", node, path);
        return new()
        {
            Name = view.Text("name"),
            Entity = view.Text("entity"),
            Source = view.Text("source"),
            Ttl = view.Duration("ttl", "ttl"),
            Features = [.. view.List("features", isRequired: true).Select(item => Feature(item.Node, item.Path, view.Subject))],
        };
    }

    private FeatureDefinition Feature(YamlNode node, string path, string subject)
    {
        var feature = new MappingReader(_context, DefinitionShape.Feature, node, path, subject);
        return new()
        {
            Name = feature.Text("name"),
            Aggregate = feature.EnumValue<Aggregate>("aggregate", isRequired: true) ?? default,
            Of = feature.OptionalText("of"),
            Where = feature.OptionalText("where"),
            By = feature.OptionalText("by"),
            Limit = feature.OptionalInteger("limit"),
            N = feature.OptionalInteger("n"),
            K = feature.OptionalInteger("k"),
            Q = feature.OptionalNumber("q"),
            HalfLife = feature.Duration("half_life", "half_life"),
            Bounds = feature.Has("bounds") ? feature.Numbers("bounds") : null,
            Sample = feature.OptionalBool("sample") ?? false,
            Window = feature.Find("window") is { } window ? Window(window, feature.PathOf("window"), subject) : null,
            Default = feature.OptionalNumber("default"),
        };
    }

    /// <summary>The first key of each kind of window tells it from the others.</summary>
    private WindowDefinition? Window(YamlNode node, string path, string subject)
    {
        var kinds = DefinitionShape.Windows.Where(shape => node.Find(shape.Keys[0]) is not null).ToList();
        if (kinds.Count == 0 && node.Entries.Select(entry => _context.Nearest(entry.Key.Text, DefinitionShape.Windows.Select(shape => shape.Keys[0]))).FirstOrDefault(key => key is not null) is { } nearest)
            kinds.Add(DefinitionShape.Windows.First(shape => shape.Keys[0] == nearest));
        if (kinds.Count != 1)
        {
            _context.Add(node, subject, kinds.Count > 1
                ? $"a window is one of {DefinitionShape.WindowKinds}; this one is {string.Join(" and ", kinds.Select(kind => kind.Keys[0]))}. Make a feature of each."
                : node.Kind == YamlKind.Mapping
                    ? $"a window needs one of {DefinitionShape.WindowKinds}."
                    : $"a window is a mapping with one of {DefinitionShape.WindowKinds}, not {MappingReader.Kind(node)}.");
            _context.MarkUnreadable(path);
            return null;
        }

        var window = new MappingReader(_context, kinds[0], node, path, subject);
        return kinds[0].Keys[0] switch
        {
            "sliding" => new WindowDefinition.Sliding(window.Duration("sliding", "window", isRequired: true) ?? TimeSpan.Zero)
            {
                Delay = window.Duration("delay", "delay") ?? TimeSpan.Zero,
                Tile = window.Duration("tile", "tile"),
                Limit = window.OptionalInteger("limit") ?? WindowDefinition.LimitDefault,
            },
            "tumbling" => new WindowDefinition.Tumbling(window.Duration("tumbling", "window", isRequired: true) ?? TimeSpan.Zero)
            {
                Offset = window.Duration("offset", "offset") ?? TimeSpan.Zero,
                Closed = window.OptionalBool("closed") ?? false,
                TimeZone = window.OptionalText("time_zone") ?? "UTC",
            },
            "session" => new WindowDefinition.Session(window.Duration("session", "gap", isRequired: true) ?? TimeSpan.Zero)
            {
                Max = window.Duration("max", "max"),
                Closed = window.OptionalInteger("closed") ?? 0,
                Limit = window.OptionalInteger("limit") ?? WindowDefinition.LimitDefault,
            },
            _ => new WindowDefinition.Last(window.Integer("last")),
        };
    }

    private FeatureServiceDefinition FeatureService(YamlNode node, string path)
    {
        var service = Item(DefinitionShape.FeatureService, "feature service", node, path);
        return new()
        {
            Name = service.Text("name"),
            Request = service.Fields("request", isRequired: false),
            Features = [.. service.List("features", isRequired: true).Select(item => ServiceFeature(item.Node, item.Path, service.Subject))],
        };
    }

    private ServiceFeatureDefinition ServiceFeature(YamlNode node, string path, string subject)
    {
        if (node is { Kind: YamlKind.Text, IsNull: false })
        {
            _context.Locate($"{path}.feature", node);
            return Reference(node.Text, null);
        }

        if (node is { Kind: YamlKind.Mapping, Entries: [var (key, value)] } && value.IsPlain && !DefinitionShape.ServiceFeature.Keys.Contains(key.Text))
        {
            _context.Add(node, subject, $"{DefinitionText.Quote($"{key.Text}: {value.Text}")} is a mapping. Did you mean {DefinitionText.Quote($"{key.Text}:{value.Text}")}, without the blank?");
            _context.MarkUnreadable(path);
            return Reference($"{key.Text}:{value.Text}", null);
        }

        var entry = new MappingReader(_context, DefinitionShape.ServiceFeature, node, path, subject);
        var transforms = entry.Find("transform") is { } transform ? Transforms(entry, transform) : [];
        if (entry.Has("expression"))
        {
            if (entry.Has("feature"))
                entry.Unreadable(node, path, "an entry has either feature or expression. Remove one.");
            return new() { Name = entry.Text("name"), Expression = entry.Text("expression"), Transforms = transforms };
        }

        if (!entry.Has("feature") && node.Kind == YamlKind.Mapping)
            entry.Unreadable(node, path, "an entry needs feature or expression.");
        return Reference(entry.OptionalText("feature") ?? "", entry.OptionalText("name")) with { Transforms = transforms };
    }

    /// <summary>A text with a colon is a view's feature, another a field of the request.</summary>
    private static ServiceFeatureDefinition Reference(string text, string? name)
    {
        var colon = text.LastIndexOf(':');
        return colon < 0
            ? new() { Name = name ?? text, RequestField = text }
            : new() { Name = name ?? text[(colon + 1)..], Feature = text };
    }

    private List<TransformDefinition> Transforms(MappingReader entry, YamlNode node)
    {
        var path = entry.PathOf("transform");
        var steps = node.Kind == YamlKind.List ? node.Items : [node];
        var transforms = new List<TransformDefinition>();
        foreach (var step in steps)
        {
            var stepPath = $"{path}[{transforms.Count}]";
            _context.Locate(stepPath, step);
            transforms.Add(Transform(step, stepPath, entry));
        }

        return transforms;
    }

    /// <summary>A mapping of one key; a text where the transform has nothing to set.</summary>
    private TransformDefinition Transform(YamlNode node, string path, MappingReader entry)
    {
        if (node is { Kind: YamlKind.Text, Text: "log1p" })
            return new TransformDefinition.Log1p();
        var step = new MappingReader(_context, DefinitionShape.Transform, node, path, entry.Subject);
        if (node is { Kind: YamlKind.Mapping, Entries.Count: not 1 })
        {
            entry.Unreadable(node, path, $"a transform is one of {string.Join(", ", DefinitionShape.Transform.Keys)}. Write several as a list, in their order.");
            return new TransformDefinition.Log1p();
        }

        if (step.OptionalMapping("standardize", DefinitionShape.Standardize) is { } standardize)
            return new TransformDefinition.Standardize(standardize.Number("mean"), standardize.Number("std"));
        if (step.OptionalMapping("minmax", DefinitionShape.Minmax) is { } minMax)
            return new TransformDefinition.MinMax(minMax.Number("min"), minMax.Number("max"));
        if (step.OptionalMapping("clip", DefinitionShape.Clip) is { } clip)
            return new TransformDefinition.Clip(clip.Number("min"), clip.Number("max"));
        if (step.OptionalNumber("impute") is { } impute)
            return new TransformDefinition.Impute(impute);
        if (step.Has("one_hot"))
            return new TransformDefinition.OneHot(step.Texts("one_hot"));
        if (step.Has("bucketize"))
            return new TransformDefinition.Bucketize(step.Numbers("bucketize"));
        if (!step.Has("log1p"))
            _context.MarkUnreadable(path);
        else
            _ = step.OptionalMapping("log1p", DefinitionShape.Log1p);
        return new TransformDefinition.Log1p();
    }

    private ModelDefinition Model(YamlNode node, string path)
    {
        var model = Item(DefinitionShape.Model, "model", node, path);
        var outputs = model.Named("outputs", isRequired: false, atKey: false);
        return new()
        {
            Name = model.Text("name"),
            Service = model.Text("service"),
            Entity = model.OptionalText("entity"),
            On = model.OptionalText("on"),
            Outputs = outputs.ToDictionary(output => output.Name, output => model.TextOf(output.Value, output.Path, $"output {DefinitionText.Quote(output.Name)}"), StringComparer.Ordinal),
            Sink = model.OptionalMapping("sink", DefinitionShape.Sink) is { } sink ? new() { Topic = sink.Text("topic"), Vector = sink.OptionalBool("vector") ?? false } : null,
        };
    }
}
