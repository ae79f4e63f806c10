using System.Security.Cryptography;
using System.Text;
using System.Text.RegularExpressions;

namespace FeatureStore.Silo;

/// <summary>Names the container of blobs that a project's grains keep their state in.</summary>
internal static partial class AzureContainer
{
    private const string Prefix = "featurestore-";

    /// <summary>Of a project whose name Azure does not take, as it has capitals, underscores or is long, the hash.</summary>
    public static string Of(string project) =>
        Prefix + (Plain().IsMatch(project) ? project : Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(project)))[..40]);

    /// <summary>Lower-case letters, digits and single hyphens; 63 characters with the prefix. None is as long as a hash.</summary>
    [GeneratedRegex("^(?=.{1,39}$)[a-z0-9]+(-[a-z0-9]+)*$")]
    private static partial Regex Plain();
}
