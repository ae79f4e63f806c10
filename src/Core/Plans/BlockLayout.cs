using System.Buffers.Binary;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using FeatureStore.Core.Blocks.Containers;

namespace FeatureStore.Core.Plans;

/// <summary>
/// How the blocks of an entity were laid out: which slots the fixed section has, and of each container what it keeps, down to its columns and cells. Stored with blocks, it lets a later
/// layout take over from them whatever it has too: see <see cref="BlockMigration"/>.
/// </summary>
public sealed class BlockLayout
{
    private const string Title = "block layout";
    private const string Version = "2";
    private const int SlotsMax = 20_000;
    private const int SizeMax = 16 << 20;
    private const int ListMax = 4000;

    private static readonly string[] _kinds = [.. Enum.GetNames<ContainerKind>().Select(name => name.ToLowerInvariant())];

    internal BlockLayout(int fixedSize, IReadOnlyList<LayoutSlot> slots)
    {
        FixedSize = fixedSize;
        Slots = slots;
        Fingerprint = FingerprintOf(ToText());
    }

    /// <summary>Hash of the layout: what a block's header says.</summary>
    public ulong Fingerprint { get; }

    /// <summary>Bytes of the fixed section.</summary>
    public int FixedSize { get; }

    /// <summary>In the order of their offsets.</summary>
    internal IReadOnlyList<LayoutSlot> Slots { get; }

    internal static ulong FingerprintOf(string description) => BinaryPrimitives.ReadUInt64LittleEndian(SHA256.HashData(Encoding.UTF8.GetBytes(description)));

    /// <summary>Reads what <see cref="ToText"/> wrote.</summary>
    /// <exception cref="FormatException">It is something else; the message says what.</exception>
    /// <exception cref="NotSupportedException">It is of another version.</exception>
    public static BlockLayout Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        var lines = text.Split('\n');
        if (lines.Length is < 2 or > SlotsMax + 2 || !lines[0].StartsWith(Title + " ", StringComparison.Ordinal) || lines[^1].Length > 0)
            throw new FormatException($"A block layout does not begin with \"{Title} {Version}\", or has more than {SlotsMax:N0} slots.");
        if (lines[0] != $"{Title} {Version}")
            throw new NotSupportedException($"A block layout is of version {Shown(lines[0][(Title.Length + 1)..])}, and this program reads version {Version}.");
        var (offset, slots) = (0, new List<LayoutSlot>());
        foreach (var line in lines.AsSpan(1, lines.Length - 2))
        {
            if (ParseSlot(line, offset) is not { } slot)
                throw new FormatException($"A block layout has a slot {slots.Count} that is none: \"{Shown(line)}\".");
            slots.Add(slot);
            offset += slot.Size;
        }

        var layout = new BlockLayout(offset, slots);
        layout.Containers();
        return layout;
    }

    /// <summary>The layout as lines of text, one a slot.</summary>
    public string ToText()
    {
        var text = new StringBuilder($"{Title} {Version}\n");
        foreach (var slot in Slots)
        {
            text.Append(CultureInfo.InvariantCulture, $"{slot.Fingerprint:x16} {slot.Size}");
            if (slot.Shape is { } shape)
                Append(text, shape);
            else if (slot.Kind != SlotKind.Plain)
                text.Append(' ').Append(slot.Kind.ToString().ToLowerInvariant());
            text.Append('\n');
        }

        return text.ToString();
    }

    /// <summary>Its containers, in order: they find everything, and know the sizes of their cells alone.</summary>
    /// <exception cref="FormatException">There is no such container.</exception>
    internal Container[] Containers()
    {
        List<Container> containers = [];
        var newestOffset = -1;
        for (var index = 0; index < Slots.Count; index++)
        {
            var slot = Slots[index];
            newestOffset = slot.Kind == SlotKind.Newest ? slot.Offset : newestOffset;
            if (slot.Shape is null)
                continue;
            var unknownOffset = index > 0 && Slots[index - 1].Kind == SlotKind.Unknown ? Slots[index - 1].Offset : -1;
            var container = newestOffset < 0 ? null : ContainerKinds.Make(new ContainerPlace(slot.Offset, newestOffset, unknownOffset), slot.Shape);
            if (container?.FixedSize != slot.Size)
                throw new FormatException($"A block layout has a slot {index} whose parts do not fit together.");
            containers.Add(container);
        }

        return [.. containers];
    }

    private static string Shown(string text) => text.Length <= 80 ? text : text[..80] + "…";

    private static void Append(StringBuilder text, ContainerShape shape)
    {
        text.Append(' ').Append(_kinds[(int)shape.Kind]).Append(' ').AppendJoin(',', shape.Numbers)
            .Append(' ').AppendJoin(',', shape.Columns.Select(column => string.Create(CultureInfo.InvariantCulture, $"{column.Fingerprint:x16}/{column.Width}")))
            .Append(' ').AppendJoin(',', shape.Cells.Select(cell => string.Create(CultureInfo.InvariantCulture, $"{cell.Fingerprint:x16}/{cell.Size}/{cell.SizeMax}")));
    }

    /// <summary>Reads <c>FINGERPRINT BYTES [KIND]</c>, or of a container <c>FAMILY BYTES KIND NUMBERS COLUMNS CELLS</c>.</summary>
    private static LayoutSlot? ParseSlot(string line, int offset)
    {
        var fields = line.Split(' ');
        if (fields.Length is not (2 or 3 or 6) || !TryFingerprint(fields[0], out var fingerprint) || !TryNumber(fields[1], out var size) || size % 8 != 0 || size > SizeMax - offset)
            return null;
        if (fields.Length == 6)
            return ParseShape(fingerprint, fields) is { } shape ? new LayoutSlot(SlotKind.Container, fingerprint, offset, (int)size, shape) : null;
        if (fields.Length == 2)
            return new LayoutSlot(SlotKind.Plain, fingerprint, offset, (int)size, null);
        SlotKind? kind = fields[2] switch { "time" => SlotKind.Time, "newest" => SlotKind.Newest, "unknown" => SlotKind.Unknown, _ => null };
        return kind is null || size != sizeof(long) ? null : new LayoutSlot(kind.Value, fingerprint, offset, (int)size, null);
    }

    private static ContainerShape? ParseShape(ulong family, string[] fields)
    {
        var kind = Array.IndexOf(_kinds, fields[2]);
        var lists = fields[3..].Select(list => list.Length == 0 ? [] : list.Split(',', ListMax + 1)).ToArray();
        if (kind < 0 || lists.Any(list => list.Length > ListMax))
            return null;
        List<long> numbers = [];
        foreach (var number in lists[0])
        {
            if (!TryNumber(number, out var parsed))
                return null;
            numbers.Add(parsed);
        }

        List<ColumnShape> columns = [];
        foreach (var column in lists[1].Select(column => column.Split('/')))
        {
            if (column.Length != 2 || !TryFingerprint(column[0], out var fingerprint) || !TryNumber(column[1], out var width) || width > SizeMax)
                return null;
            columns.Add(new ColumnShape(fingerprint, (int)width));
        }

        List<CellShape> cells = [];
        foreach (var cell in lists[2].Select(cell => cell.Split('/')))
        {
            if (cell.Length != 3 || !TryFingerprint(cell[0], out var fingerprint) || !TryNumber(cell[1], out var size) || !TryNumber(cell[2], out var sizeMax) || size > SizeMax || sizeMax > SizeMax)
                return null;
            cells.Add(new CellShape(fingerprint, (int)size, (int)sizeMax));
        }

        return new ContainerShape((ContainerKind)kind, family, numbers, columns, cells);
    }

    private static bool TryNumber(string text, out long number) => long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out number);

    private static bool TryFingerprint(string text, out ulong fingerprint)
    {
        fingerprint = 0;
        return text.Length == 16 && ulong.TryParse(text, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out fingerprint);
    }
}

/// <summary>A part of the fixed section.</summary>
/// <param name="Kind">What it is.</param>
/// <param name="Fingerprint">Of what it holds; of a container, of its family.</param>
/// <param name="Offset">Within the fixed section.</param>
/// <param name="Size">Bytes.</param>
/// <param name="Shape">Of a container.</param>
internal sealed record LayoutSlot(SlotKind Kind, ulong Fingerprint, int Offset, int Size, ContainerShape? Shape);

internal enum SlotKind
{
    /// <summary>Bytes that are the same wherever the fingerprint is.</summary>
    Plain,

    /// <summary>An event time (Unix ms).</summary>
    Time,

    /// <summary>The time of the newest event of a condition, whose containers follow.</summary>
    Newest,

    /// <summary>The time up to which events may be missing from the container that follows.</summary>
    Unknown,

    Container,
}
