namespace FeatureStore.Registry.Tests;

/// <summary>Each kind of error: the edit that makes it, with a mark where it must be told, and the exact text.</summary>
[TestClass]
public sealed class DefinitionErrorTests
{
    [TestMethod]
    [DynamicData(nameof(ErrorRows.All), typeof(ErrorRows))]
    public void ErrorIsToldAtItsPlace(string[] edits, string[] messages)
    {
        var (text, places) = Definitions.TakeMarks(Definitions.Edit(Definitions.Sound, edits));
        Assert.HasCount(messages.Length, places);

        var result = Definitions.Load(text);

        var expected = places.Zip(messages, (place, message) => $"f:{place}: {message}");
        Assert.AreEqual(string.Join('\n', expected), string.Join('\n', result.Errors));
        Assert.IsNull(result.Project);
    }

    [TestMethod]
    public void SoundDefinitionsHaveNoErrors()
    {
        var result = Definitions.Load(Definitions.Sound);
        Assert.AreEqual("project \"shop\": 3 sources, 1 entity, 1 feature view with 11 features, 1 feature service, 1 model.", result.ToString());
    }
}
