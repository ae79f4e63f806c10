using System.Globalization;
using System.Text;
using FeatureStore.Core.Blocks.Containers;

namespace FeatureStore.Core.Plans;

/// <summary>
/// How the blocks of an entity were laid out: which slots the fixed section has, and where each finds its data. Stored with blocks, it lets a later layout take over
/// from them every slot that it has too.
/// </summary>
public sealed class BlockLayout
{
    private const string Title = "block layout 1";
    private const int SlotsMax = 20_000;
    private const int SizeMax = 16 << 20;
    private const int StoresMax = 2;

    internal BlockLayout(int fixedSize, IReadOnlyList<LayoutSlot> slots)
    {
        FixedSize = fixedSize;
        Slots = slots;
        Fingerprint = Container.FingerprintOf(ToText());
    }

    /// <summary>Hash of the layout: what a block's header says.</summary>
    public ulong Fingerprint { get; }

    /// <summary>Bytes of the fixed section.</summary>
    public int FixedSize { get; }

    /// <summary>In the order of their offsets.</summary>
    public IReadOnlyList<LayoutSlot> Slots { get; }

    /// <summary>Reads what <see cref="ToText"/> wrote.</summary>
    /// <exception cref="FormatException">It is something else; the message says what.</exception>
    public static BlockLayout Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        var lines = text.Split('\n');
        if (lines.Length is < 2 or > SlotsMax + 2 || lines[0] != Title || lines[^1].Length > 0)
            throw new FormatException($"A block layout does not begin with \"{Title}\", or has more than {SlotsMax:N0} slots.");
        var (offset, slots) = (0, new List<LayoutSlot>());
        foreach (var line in lines.AsSpan(1, lines.Length - 2))
        {
            var fields = line.Split(' ');
            if (fields.Length is < 2 or > 2 + StoresMax || fields[0].Length != 16 ||
                !ulong.TryParse(fields[0], NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var fingerprint) ||
                !TryNumber(fields[1], SizeMax - offset, out var size))
                throw new FormatException($"A block layout has a slot {slots.Count} that is none. It reads \"<16 hex digits> <bytes> <offsets of its data's heads>\".");
            var heads = new int[fields.Length - 2];
            for (var head = 0; head < heads.Length; head++)
            {
                if (!TryNumber(fields[head + 2], size - StoreHead.Size, out heads[head]) || heads[head] != head * StoreHead.Size)
                    throw new FormatException($"A block layout has a slot {slots.Count} whose data are outside it.");
            }

            slots.Add(new LayoutSlot(fingerprint, offset, size, heads));
            offset += size;
        }

        return new BlockLayout(offset, slots);

        static bool TryNumber(string field, int max, out int number) =>
            int.TryParse(field, NumberStyles.None, CultureInfo.InvariantCulture, out number) && number <= max && number % 8 == 0;
    }

    /// <summary>The layout as lines of text, one a slot.</summary>
    public string ToText()
    {
        var text = new StringBuilder(Title).Append('\n');
        foreach (var slot in Slots)
        {
            text.Append(CultureInfo.InvariantCulture, $"{slot.Fingerprint:x16} {slot.Size}");
            foreach (var head in slot.Heads)
                text.Append(CultureInfo.InvariantCulture, $" {head}");
            text.Append('\n');
        }

        return text.ToString();
    }

    /// <summary>The slot of a fingerprint; null where there is none.</summary>
    internal LayoutSlot? Find(ulong fingerprint) => Slots.FirstOrDefault(slot => slot.Fingerprint == fingerprint);
}

/// <summary>A part of the fixed section, with the data that it points to.</summary>
/// <param name="Fingerprint">Of what it holds and how: equal where the bytes mean the same.</param>
/// <param name="Offset">Within the fixed section.</param>
/// <param name="Size">Bytes.</param>
/// <param name="Heads">Where, from its beginning, it says where its data are.</param>
public sealed record LayoutSlot(ulong Fingerprint, int Offset, int Size, IReadOnlyList<int> Heads)
{
    internal LayoutSlot(string description, int offset, int size, IReadOnlyList<int> heads)
        : this(Container.FingerprintOf(description), offset, size, heads)
    {
    }
}
