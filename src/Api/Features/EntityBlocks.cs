using FeatureStore.Runtime;

namespace FeatureStore.Api.Features;

/// <summary>Keys to look up, and the block of each, wherever it came from.</summary>
internal sealed class EntityBlocks
{
    private const int KeptBytesMax = 1 << 20;

    private int[] _runtimeIndexes = [];

    public BlockSet Keys { get; } = new();

    public BlockSet FromHotStore { get; } = new();

    /// <summary>Keys that the hot store has no usable block of.</summary>
    public BlockSet Missing { get; } = new();

    public BlockSet FromRuntime { get; } = new();

    /// <summary>The block of a key; empty: never seen.</summary>
    public ReadOnlySpan<byte> this[int index] => _runtimeIndexes[index] < 0 ? FromHotStore[index] : FromRuntime[_runtimeIndexes[index]];

    /// <summary>Every block is the runtime's, in the order of the keys.</summary>
    public void UseRuntime()
    {
        Prepare();
        for (var index = 0; index < Keys.Count; index++)
            _runtimeIndexes[index] = index;
    }

    /// <summary>Every block is the hot store's, until <see cref="Miss"/> says otherwise.</summary>
    public void UseHotStore()
    {
        Prepare();
        Missing.Clear();
        _runtimeIndexes.AsSpan(0, Keys.Count).Fill(-1);
    }

    /// <summary>A key's block is to come from the runtime.</summary>
    public void Miss(int index)
    {
        _runtimeIndexes[index] = Missing.Count;
        Missing.Add(Keys[index]);
    }

    /// <returns>Whether the memory is small enough to be kept.</returns>
    public bool Reset()
    {
        var bytes = Size(FromHotStore) + Size(FromRuntime);
        Keys.Clear();
        FromHotStore.Clear();
        Missing.Clear();
        FromRuntime.Clear();
        return bytes <= KeptBytesMax;

        static long Size(BlockSet blocks)
        {
            var size = 0L;
            for (var index = 0; index < blocks.Count; index++)
                size += blocks[index].Length;
            return size;
        }
    }

    private void Prepare()
    {
        if (_runtimeIndexes.Length < Keys.Count)
            _runtimeIndexes = new int[Math.Max(16, Keys.Count)];
    }
}
