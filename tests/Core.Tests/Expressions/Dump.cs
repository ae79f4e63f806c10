namespace FeatureStore.Core.Tests.Expressions;
[TestClass]
public class Dump
{
    [TestMethod]
    public void Write()
    {
        var w = new System.Text.StringBuilder();
        foreach (var t in new[] { ErrorTests.Syntax, ErrorTests.Names, ErrorTests.Types, ErrorTests.Constants })
            foreach (var row in t)
        {
            var e = FeatureStore.Core.Expressions.CompiledExpression.Compile((string)row[0], Bench.Schema, out var error);
            w.AppendLine(e is null ? $"{row[0]} → {error!.Position}: {error.Message}" : $"{row[0]} → COMPILES as {e.Type}");
        }
        File.WriteAllText("/tmp/exprbench/dump.txt", w.ToString());
    }
}
