using System.Text;

namespace FeatureStore.Ingest.Predictions;

/// <summary>A part of a record that never changes, padded to whole blocks so that it is copied block by block.</summary>
internal readonly struct JsonPart
{
    public const int BlockBytes = 32;

    public JsonPart(string text)
    {
        var utf8 = Encoding.UTF8.GetBytes(text);
        Length = utf8.Length;
        Padded = new byte[(Length + BlockBytes - 1) / BlockBytes * BlockBytes];
        utf8.CopyTo(Padded, 0);
    }

    public byte[] Padded { get; }

    public int Length { get; }
}
