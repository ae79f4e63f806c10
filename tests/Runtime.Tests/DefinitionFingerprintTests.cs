using FeatureStore.Core.Definitions;

namespace FeatureStore.Runtime.Tests;

[TestClass]
public sealed class DefinitionFingerprintTests
{
    private static readonly ProjectDefinition _definition = TestProject.Definition with
    {
        FeatureServices = [.. TestProject.Definition.FeatureServices.Select(service => service with
        {
            Features = [.. service.Features.Select(feature => feature with { Transforms = [new TransformDefinition.Standardize(1, 2)] })],
        })],
    };

    private const string Expected = "0c9fa971b002f0e0";

    /// <summary>The same in every process, and so a constant: a change of it makes silos of two versions of the server differ though their definitions do not.</summary>
    [TestMethod]
    public void IsTheSameForEqualDefinitions()
    {
        var copy = _definition with
        {
            Sources = [.. _definition.Sources.Select(source => source with { Fields = [.. source.Fields.Select(field => field with { })] })],
        };
        Assert.AreNotSame(_definition.Sources[0], copy.Sources[0]);
        Assert.AreEqual(DefinitionFingerprint.Of(_definition), DefinitionFingerprint.Of(copy));
        Assert.AreEqual(Expected, DefinitionFingerprint.Of(_definition).ToString("x16", System.Globalization.CultureInfo.InvariantCulture));
    }

    [TestMethod]
    public void IsAnotherForWhateverDiffers()
    {
        var view = _definition.FeatureViews[0];
        var service = _definition.FeatureServices[0];
        ProjectDefinition[] others =
        [
            _definition,
            _definition with { Project = "other" },
            _definition with { Sources = [_definition.Sources[1], _definition.Sources[0]] },
            _definition with { Sources = [_definition.Sources[0] with { Lateness = TimeSpan.FromSeconds(11) }, _definition.Sources[1]] },
            _definition with { FeatureViews = [view with { Ttl = TimeSpan.FromDays(1) }, _definition.FeatureViews[1]] },
            _definition with { FeatureViews = [WithFirst(feature => feature with { Default = 1 }), _definition.FeatureViews[1]] },
            _definition with { FeatureViews = [WithFirst(feature => feature with { Bounds = [1, 2] }), _definition.FeatureViews[1]] },
            _definition with { FeatureViews = [WithFirst(feature => feature with { Bounds = [1, 3] }), _definition.FeatureViews[1]] },
            _definition with { FeatureViews = [WithFirst(feature => feature with { Window = new WindowDefinition.Sliding(TimeSpan.FromSeconds(60)) { Limit = 999 } }), _definition.FeatureViews[1]] },
            _definition with { FeatureViews = [WithFirst(feature => feature with { Window = new WindowDefinition.Tumbling(TimeSpan.FromSeconds(60)) }), _definition.FeatureViews[1]] },
            _definition with { FeatureServices = [service with { Features = [service.Features[0] with { Transforms = [new TransformDefinition.Standardize(1, 3)] }] }] },
            _definition with { FeatureServices = [service with { Features = [service.Features[0] with { Transforms = [new TransformDefinition.MinMax(1, 2)] }] }] },
            _definition with { Models = [_definition.Models[0] with { Outputs = new Dictionary<string, string> { ["score"] = "p[1]" } }] },
            _definition with { Models = [_definition.Models[0] with { Outputs = new Dictionary<string, string> { ["score"] = "p[0]" } }] },
            // Texts that run into each other.
            _definition with { Entities = [new EntityDefinition { Name = "a", Keys = ["b;", "c"] }] },
            _definition with { Entities = [new EntityDefinition { Name = "a", Keys = ["b", ";c"] }] },
        ];
        Assert.HasCount(others.Length, others.Select(DefinitionFingerprint.Of).Distinct());

        FeatureViewDefinition WithFirst(Func<FeatureDefinition, FeatureDefinition> change) => view with { Features = [change(view.Features[0]), .. view.Features.Skip(1)] };
    }
}
