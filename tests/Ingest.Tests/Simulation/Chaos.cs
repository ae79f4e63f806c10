namespace FeatureStore.Ingest.Tests.Simulation;

/// <summary>What goes wrong, and when: drawn from one seed. The fakes ask at each point where a process can die or a server can fail.</summary>
internal sealed class Chaos(int seed)
{
    private int _pointsToCrash = int.MaxValue;

    public Random Random { get; } = new(seed);

    /// <summary>Off: nothing goes wrong any more.</summary>
    public bool IsOn { get; set; } = true;

    public int Crashes { get; private set; }

    /// <summary>Lets the process die at one of the next points.</summary>
    public void Arm(int pointsMax) => _pointsToCrash = 1 + Random.Next(pointsMax);

    /// <summary>A point at which the process can die.</summary>
    public void Point()
    {
        if (!IsOn || --_pointsToCrash > 0)
            return;
        _pointsToCrash = int.MaxValue;
        Crashes++;
        throw new SimulatedCrashException();
    }

    /// <summary>Whether something goes wrong that does so one time in a number.</summary>
    public bool OneIn(int times) => IsOn && Random.Next(times) == 0;
}

/// <summary>The process is gone: nothing after this takes effect.</summary>
internal sealed class SimulatedCrashException : Exception;
