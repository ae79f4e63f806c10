using System.Text.RegularExpressions;

namespace FeatureStore.Architecture.Tests;

/// <summary>Core computes: no packages, no input or output, no clock, no chance.</summary>
[TestClass]
public sealed partial class CoreTests
{
    [TestMethod]
    public void HasNoPackages()
    {
        Rule.Holds("Core has no packages", Repository.Sources["Core"].PackageReferences.Select(reference => reference.ToString()));
        Rule.Holds("Core refers to the base library only", Repository.Sources["Core"].Compiled().References.Where(name => !name.StartsWith("System.", StringComparison.Ordinal)));
    }

    [TestMethod]
    public void NamesNoTypeThatReachesOutside() =>
        Rule.Holds("Core must not use", Repository.Sources["Core"].Compiled().Types.Where(type => OutsideType().IsMatch(type)));

    [TestMethod]
    public void CallsNoMemberThatDependsOnTheMoment() =>
        Rule.Holds("Core must not use", Repository.Sources["Core"].Compiled().Members.Where(member => MomentMember().IsMatch(member)));

    [TestMethod]
    public void CallsNoNativeLibrary() => Rule.Holds("Core must not call", Repository.Sources["Core"].Compiled().NativeModules);

    [TestMethod]
    public void TheRulesCatchWhatTheyAreFor()
    {
        // This assembly reads files and, just below, the clock.
        var own = new CompiledAssembly(typeof(CoreTests).Assembly.Location);
        Assert.IsTrue(DateTime.UtcNow.Year > 2000);
        CollectionAssert.Contains(own.Types.Where(type => OutsideType().IsMatch(type)).ToList(), "System.IO.File");
        CollectionAssert.Contains(own.Members.Where(member => MomentMember().IsMatch(member)).ToList(), "System.DateTime.get_UtcNow");
    }

    // Metrics only count. Exceptions and in-memory readers and writers of System.IO are no input or output.
    [GeneratedRegex(@"^System\.(IO\.(?!\w+Exception$|MemoryStream$|StringReader$|StringWriter$|TextReader$|TextWriter$)|Net\.|Console$|Diagnostics\.(Stopwatch|Process|Activity)|Threading\.(Timer|PeriodicTimer|Thread|ThreadPool)$|Threading\.Tasks\.|TimeProvider$|Timers\.|Data\.|Security\.Cryptography\.RandomNumberGenerator$)")]
    private static partial Regex OutsideType();

    [GeneratedRegex(@"^System\.(DateTime(Offset)?\.get_(Now|UtcNow|Today)|Environment\.(?!FailFast$|get_NewLine$|get_CurrentManagedThreadId$)\w+|Guid\.(NewGuid|CreateVersion7)|Random\.get_Shared|TimeZoneInfo\.get_Local|Globalization\.CultureInfo\.get_Current(UI)?Culture)$")]
    private static partial Regex MomentMember();
}
