using System.Security.Cryptography;
using FeatureStore.Core.Plans;
using FeatureStore.Runtime;

namespace FeatureStore.Grains;

/// <summary>
/// The key of an entity's grain: the entity's name, a slash, and its encoded key in hexadecimal; of a long key the SHA-256, after a tilde. So that it fits
/// every directory and store, however long a key is.
/// </summary>
internal static class EntityAddress
{
    public const int PlainKeyBytesMax = 64;
    private const char HashMark = '~';

    /// <summary>Whether the address holds the whole key, so that a call need not carry it.</summary>
    public static bool HoldsKey(ReadOnlySpan<byte> key) => key.Length <= PlainKeyBytesMax;

    public static string Of(EntityPlan entity, ReadOnlySpan<byte> key) => HoldsKey(key)
        ? $"{entity.Name}/{Convert.ToHexStringLower(key)}"
        : $"{entity.Name}/{HashMark}{Convert.ToHexStringLower(SHA256.HashData(key))}";

    /// <summary>Takes an address apart.</summary>
    /// <returns>The entity and, where the address holds it, the key.</returns>
    /// <exception cref="ArgumentException">It is no address.</exception>
    /// <exception cref="OtherDefinitionsException">The definitions have no such entity.</exception>
    public static (EntityPlan Entity, byte[]? Key) Parse(ClusterPlan plan, string address)
    {
        var slash = address.IndexOf('/', StringComparison.Ordinal);
        var text = address.AsSpan(slash + 1);
        if (slash <= 0 || text.IsEmpty)
            throw new ArgumentException($"\"{address}\" is not the address of an entity. It is an entity's name, a slash, and its encoded key in hexadecimal.");
        var entity = plan.Entity(address[..slash])
            ?? throw new OtherDefinitionsException($"The silo on which entity \"{address}\" was placed runs other definitions, without \"{address[..slash]}\". Roll the same definitions out to all silos.");
        if (text[0] == HashMark)
            return (entity, null);
        try
        {
            return (entity, Convert.FromHexString(text));
        }
        catch (FormatException exception)
        {
            throw new ArgumentException($"\"{address}\" is not the address of an entity: its key is not hexadecimal.", exception);
        }
    }
}
