namespace FeatureStore.Grains.Entities;

/// <summary>The newest call of each caller. Nearly always there is one; of an entity that several slices call, a few.</summary>
[GenerateSerializer]
[Alias("featurestore.call-numbers")]
internal struct CallNumbers
{
    [Id(0)]
    private (int Slice, long Number)[]? _others;

    [Id(1)]
    private int _slice;

    [Id(2)]
    private long _number;

    /// <summary>Whether there is more than one caller.</summary>
    public readonly bool AreSeveral => _others is not null;

    /// <summary>Whether slices call, and no owner of the whole stream.</summary>
    public readonly bool AreOfSlices => _slice > 0;

    public readonly long Of(int slice)
    {
        if (slice == _slice)
            return _number;
        foreach (var (other, number) in _others ?? [])
        {
            if (other == slice)
                return number;
        }

        return 0;
    }

    public void Set(int slice, long number)
    {
        if (_number == 0 || slice == _slice)
        {
            (_slice, _number) = (slice, number);
            return;
        }

        for (var index = 0; index < _others?.Length; index++)
        {
            if (_others[index].Slice == slice)
            {
                _others[index].Number = number;
                return;
            }
        }

        _others = [.. _others ?? [], (slice, number)];
    }
}
