using System.Text.RegularExpressions;

namespace FeatureStore.Api.Tests;

[TestClass]
public sealed partial class ConsoleTests
{
    [TestMethod]
    public async Task IsServedUnderAPolicyThatLetsNothingElseIn()
    {
        await using var host = await ApiHost.StartAsync();

        var page = await host.GetAsync("/");

        Assert.AreEqual("text/html; charset=utf-8", page.ContentType);
        StringAssert.Contains(page.Headers["Content-Security-Policy"], "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'", StringComparison.Ordinal);
        Assert.IsFalse(page.Headers["Content-Security-Policy"].Contains("unsafe", StringComparison.Ordinal));
        Assert.AreEqual("DENY", page.Headers["X-Frame-Options"]);
        Assert.AreEqual("no-referrer", page.Headers["Referrer-Policy"]);
    }

    [TestMethod]
    public async Task LoadsItsOwnFilesOnlyAndNoInlineCode()
    {
        await using var host = await ApiHost.StartAsync();
        var page = (await host.GetAsync("/")).Text;
        var references = Reference().Matches(page).Select(match => match.Groups[1].Value).Where(reference => !reference.StartsWith('#')).ToList();

        Assert.IsNotEmpty(references);
        foreach (var reference in references)
            Assert.AreEqual(200, (int)(await host.GetAsync(reference)).Status, reference);
        Assert.IsFalse(Inline().IsMatch(page), "inline code or style, which the policy would block");
    }

    [TestMethod]
    public async Task NeverMakesMarkupOfData()
    {
        await using var host = await ApiHost.StartAsync();
        var code = (await host.GetAsync("/console.js")).Text;

        foreach (var danger in new[] { "innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function", "DOMParser", "createContextualFragment", "http://", "https://" })
            Assert.IsFalse(code.Replace("http://www.w3.org/2000/svg", "", StringComparison.Ordinal).Contains(danger, StringComparison.Ordinal), danger);
    }

    [GeneratedRegex("(?:src|href)=\"([^\"]*)\"")]
    private static partial Regex Reference();

    [GeneratedRegex("<script(?![^>]*src=)|<style|\\sstyle=|\\son[a-z]+=|javascript:", RegexOptions.IgnoreCase)]
    private static partial Regex Inline();
}
