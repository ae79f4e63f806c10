namespace FeatureStore.Scoring.Tests;

/// <summary>Entry point of a child process: loads a model over a number of features and says how that went.</summary>
internal static class Program
{
    public static int Main(string[] arguments)
    {
        if (arguments is not [var path, var columns])
            return 1;
        var service = Shared.Service([.. Enumerable.Range(0, int.Parse(columns, System.Globalization.CultureInfo.InvariantCulture)).Select(column => $"x{column}")]);
        try
        {
            using var scorer = Scorers.Load(path, service);
            Console.WriteLine("loaded");
        }
        catch (ModelLoadException exception)
        {
            Console.WriteLine(exception.Message);
        }

        return 0;
    }
}
