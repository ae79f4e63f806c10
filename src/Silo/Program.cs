using FeatureStore.Silo;

SiloOptions options;
try
{
    var configuration = new ConfigurationBuilder().AddJsonFile(Path.Combine(AppContext.BaseDirectory, "appsettings.json"), optional: true).Build();
    options = SiloOptions.Read(args, Environment.GetEnvironmentVariable, configuration);
}
catch (Exception exception) when (exception is StartException or InvalidDataException)
{
    Console.Error.WriteLine(exception.InnerException is null ? exception.Message : $"{exception.Message} {exception.InnerException.Message}");
    return 2;
}

if (options.Help)
{
    Console.Out.Write(SiloOptions.HelpText);
    return 0;
}

return await SiloServer.RunAsync(options).ConfigureAwait(false);
