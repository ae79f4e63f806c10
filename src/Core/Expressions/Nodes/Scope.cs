using FeatureStore.Core.Vectors;

namespace FeatureStore.Core.Expressions;

/// <summary>What an evaluation needs beside its row: slots for the variables of comprehensions, the vector, and the steps left. One a thread, reused.</summary>
internal sealed class Scope
{
    [ThreadStatic]
    private static Scope? _ofThread;

    private Value[] _slots;
    private int _stepsLeft;
    private VectorBatch? _vectors;
    private int _vectorRow;

    public Scope(int slots)
    {
        _slots = new Value[slots];
        _stepsLeft = ExpressionLimits.StepsMax;
    }

    public ref Value this[int slot] => ref _slots[slot];

    /// <summary>The thread's scope, with all steps left. An evaluation never starts another, so one is enough.</summary>
    public static Scope Rent(int slots)
    {
        var scope = _ofThread ??= new Scope(slots);
        scope.Reserve(slots);
        scope._stepsLeft = ExpressionLimits.StepsMax;
        return scope;
    }

    public void Reserve(int slots)
    {
        if (_slots.Length < slots)
            Array.Resize(ref _slots, slots);
    }

    /// <summary>Lets go of what it holds.</summary>
    public void Return(int slots)
    {
        Array.Clear(_slots, 0, slots);
        _vectors = null;
    }

    public void SetVector(VectorBatch? vectors, int row) => (_vectors, _vectorRow) = (vectors, row);

    /// <summary>A number of the vector.</summary>
    /// <returns>False where it is null, or there is no vector.</returns>
    public bool TryNumber(int position, out double value)
    {
        value = _vectors is null ? double.NaN : _vectors[_vectorRow, position];
        return !double.IsNaN(value);
    }

    /// <summary>A text of the vector.</summary>
    /// <returns>False where it is null, or there is no vector.</returns>
    public bool TryText(int position, out ReadOnlySpan<byte> value)
    {
        value = default;
        return _vectors is not null && _vectors.TryGetText(_vectorRow, position, out value);
    }

    /// <returns>False, for the rest of the evaluation, where the steps ran out.</returns>
    public bool Charge(int steps)
    {
        if (steps > _stepsLeft)
        {
            _stepsLeft = -1;
            return false;
        }
        _stepsLeft -= steps;
        return true;
    }
}
