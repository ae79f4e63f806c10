using FeatureStore.Core.Definitions;
using FeatureStore.Core.Events;
using FeatureStore.Core.Expressions;

namespace FeatureStore.Core.Vectors;

/// <summary>
/// The request fields and expressions of a service, compiled. An expression names request fields, and other entries by their plain names; where both
/// have a name, it is the field's. An entry's value is a double (a bool as 0 or 1, a time as Unix milliseconds), or a string.
/// </summary>
internal sealed class ServiceExpressions
{
    private const int NamesShownMax = 8;

    private readonly IReadOnlyList<ServiceFeatureDefinition> _entries;
    private readonly RowSchema _request;
    private readonly VectorNames _names = [];
    private readonly IReadOnlyDictionary<string, int>[] _uses;

    private ServiceExpressions(IReadOnlyList<ServiceFeatureDefinition> entries, RowSchema request)
    {
        _entries = entries;
        _request = request;
        Compiled = new CompiledExpression?[entries.Count];
        Errors = new ExpressionError?[entries.Count];
        for (var index = 0; index < entries.Count; index++)
        {
            if (request.IndexOf(entries[index].Name) < 0)
                _names.TryAdd(entries[index].Name, new VectorName(index, IsText: false));
        }

        _uses = [.. entries.Select(entry => TextOf(entry) is { } text ? FreeNames.Of(text) : new Dictionary<string, int>())];
    }

    /// <summary>Of each entry; null for a view's feature, and where it is wrong.</summary>
    public CompiledExpression?[] Compiled { get; }

    /// <summary>Of each entry what is wrong with its expression, or null.</summary>
    public ExpressionError?[] Errors { get; }

    /// <summary>The entries that are compiled, each behind those that it names.</summary>
    public List<int> Order { get; } = [];

    /// <param name="entries">Of the service.</param>
    /// <param name="request">Its request's fields.</param>
    public static ServiceExpressions Compile(IReadOnlyList<ServiceFeatureDefinition> entries, RowSchema request)
    {
        var expressions = new ServiceExpressions(entries, request);
        var states = new State[entries.Count];
        for (var index = 0; index < entries.Count; index++)
            expressions.Visit(index, states);
        return expressions;
    }

    /// <summary>What the expressions of a compiled service may name.</summary>
    public static VectorNames NamesOf(ServicePlan service)
    {
        var names = new VectorNames();
        for (var position = 0; position < service.Features.Count; position++)
        {
            if (service.Request.IndexOf(service.Features[position].Name) < 0)
                names.TryAdd(service.Features[position].Name, new VectorName(position, service.Features[position].IsText));
        }

        return names;
    }

    private static string? TextOf(ServiceFeatureDefinition entry) => entry.Feature is null ? entry.Expression ?? entry.RequestField : null;

    /// <summary>Depth first, without recursion: a chain of expressions is as long as the service.</summary>
    private void Visit(int start, State[] states)
    {
        var path = new Stack<(int Entry, IEnumerator<KeyValuePair<string, int>> Uses)>();
        Enter(start);
        while (path.TryPeek(out var top))
        {
            if (!top.Uses.MoveNext())
            {
                path.Pop();
                states[top.Entry] = State.Done;
                CompileEntry(top.Entry);
            }
            else if (_names.TryGetValue(top.Uses.Current.Key, out var used))
            {
                if (states[used.Position] == State.Open)
                    Errors[top.Entry] ??= Circle(path.Select(step => step.Entry), used.Position, top.Uses.Current.Value);
                else
                    Enter(used.Position);
            }
        }

        void Enter(int entry)
        {
            if (states[entry] != State.New)
                return;
            states[entry] = State.Open;
            path.Push((entry, _uses[entry].GetEnumerator()));
        }
    }

    /// <param name="path">From the entry that closes the circle back to where the search began.</param>
    /// <param name="end">The entry that it uses.</param>
    /// <param name="position">Where it does.</param>
    private ExpressionError Circle(IEnumerable<int> path, int end, int position)
    {
        var circle = path.TakeWhile(entry => entry != end).Append(end).Reverse().Select(entry => DefinitionText.Quote(_entries[entry].Name)).ToArray();
        var name = circle[0];
        if (circle.Length == 1)
            return new ExpressionError(position, $"{name} uses itself. A value cannot be made of itself.");
        var steps = circle.Length > NamesShownMax ? [.. circle[..(NamesShownMax - 1)], "…", circle[^1]] : circle;
        return new ExpressionError(position, $"{string.Join(" uses ", steps)} uses {name}. A value cannot be made of itself.");
    }

    private void CompileEntry(int index)
    {
        if (TextOf(_entries[index]) is not { } text || Errors[index] is not null)
            return;
        Compiled[index] = CompiledExpression.Compile(text, _request, _names, out Errors[index]);
        if (Compiled[index] is not { } compiled)
            return;
        Order.Add(index);
        if (_names.TryGetValue(_entries[index].Name, out var name) && name.Position == index)
            _names[_entries[index].Name] = new VectorName(index, compiled.Type == ExpressionType.String);
    }

    private enum State : byte
    {
        New,
        Open,
        Done,
    }
}
