using System.Text;

namespace FeatureStore.Registry.Tests;

/// <summary>Whatever a file holds, loading answers with a project or with errors, and never throws.</summary>
[TestClass]
public sealed class FuzzTests
{
    private const int Cases = 5_000;
    private static readonly string[] _pieces =
    [
        "[", "]", "{", "}", ":", ": ", "- ", ",", "\n", "\n  ", "\r\n", "\t", "#", "'", "\"", "|", ">-", "&a ", "*a", "!!int ", "? ", "%YAML 9999999999.1\n", "---\n", "...\n",
        "null", "~", "true", "-1", "1e999", ".nan", "7d", "\0", "\u2028", "\ud83d\ude00", "\ud800", "\\", "\\u12", "<<", "AMOUNT", "spend:", "(", "==", "@", "`", "sliding: 1h", "tumbling: 1d", "session: 5m", "last: 9", "tile: 1ms", "by: ", "closed: 2", "debezium",
    ];

    public TestContext TestContext { get; set; } = null!;

    [TestMethod]
    public void LoadingNeverThrows()
    {
        const int Seed = 1;
        TestContext.WriteLine($"seed {Seed}");
        var random = new Random(Seed);
        var loaded = 0;
        for (var index = 0; index < Cases; index++)
        {
            var text = Mutate(Definitions.Sound, random);
            try
            {
                var result = Definitions.Load(text);
                Assert.AreNotEqual(result.Project is null, result.Errors.Count == 0);
                foreach (var error in result.Errors)
                    Assert.IsTrue(error.Line >= 1 && error.Column >= 1 && error.Line <= text.Split('\n', '\r', '\u2028', '\u2029', '\u0085').Length + 1, error.ToString());
                loaded += result.Errors.Count == 0 ? 1 : 0;
            }
            catch (Exception exception) when (exception is not AssertFailedException)
            {
                Assert.Fail($"seed {Seed}, case {index}: {exception}\n{text}");
            }
        }

        // Mutations that change nothing that matters, and many that do.
        Assert.IsTrue(loaded is > 0 and < Cases / 2, $"{loaded} loaded");
    }

    private static string Mutate(string text, Random random)
    {
        var mutant = new StringBuilder(text);
        for (var changes = random.Next(1, 6); changes > 0; changes--)
        {
            var at = random.Next(mutant.Length);
            var length = Math.Min(random.Next(1, 20), mutant.Length - at);
            switch (random.Next(5))
            {
                case 0:
                    mutant.Remove(at, length);
                    break;
                case 1:
                    mutant.Insert(at, _pieces[random.Next(_pieces.Length)]);
                    break;
                case 2:
                    mutant.Insert(random.Next(mutant.Length), mutant.ToString(at, length));
                    break;
                case 3:
                    mutant[at] = (char)random.Next(0x20, 0x7F);
                    break;
                default:
                    mutant.Length = Math.Max(1, mutant.Length - random.Next(40));
                    break;
            }
        }

        return mutant.ToString();
    }
}
