using FeatureStore.Api.Http;
using FeatureStore.Core.Definitions;
using FeatureStore.Core.Plans;
using FeatureStore.Runtime;
using Microsoft.AspNetCore.Http;

namespace FeatureStore.Api.Operations;

/// <summary>What operators and the console look at: status, definitions, dead letters.</summary>
internal sealed class OperationsEndpoints(ProjectPlan plan, StatusJson status, IDeadLetterLog deadLetters)
{
    private const int DeadLettersDefault = 50;

    private readonly byte[] _definitions = DefinitionsJson.Write(plan.Definition);

    public Task DefinitionsAsync(HttpContext context) => JsonAnswer.SendAsync(context, _definitions);

    public Task StatusAsync(HttpContext context) => JsonAnswer.SendAsync(context, writer => status.Write(writer, status.Current));

    public Task DeadLettersAsync(HttpContext context)
    {
        var limit = DeadLettersDefault;
        if (context.Request.Query.TryGetValue("limit", out var text)
            && (!int.TryParse(text, System.Globalization.NumberStyles.None, System.Globalization.CultureInfo.InvariantCulture, out limit) || limit is < 1 or > 1000))
        {
            throw ApiException.BadRequest("bad-request", $"\"limit\" is {DefinitionText.Quote(text.ToString())}. Give an integer from 1 to 1,000.");
        }

        return JsonAnswer.SendAsync(context, writer => DeadLettersJson.Write(writer, deadLetters, limit));
    }
}
