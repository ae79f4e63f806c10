using System.Buffers.Binary;

namespace FeatureStore.Core.Events;

/// <summary>
/// The ids of one partition's events within the lateness, so that a repeat is known. An id is remembered while its event's time is at least newest − lateness;
/// int64 ids exactly, text ids by a keyed 128-bit hash. Bounded: when it is full, the id that was added first goes. Allocates only when it grows. One thread at a time.
/// </summary>
/// <remarks>
/// Ids stand in a ring in order of arrival; a hash table points into it. An id whose time has passed takes room until those added before it have passed, too.
/// </remarks>
public sealed class SeenIds
{
    public const int IdsMaxDefault = 1_000_000;

    /// <summary>Upper bound of the option.</summary>
    public const int IdsMaxLimit = 1 << 26;

    private const int CapacityMin = 256;
    private const byte FormatVersion = 1;

    /// <summary>Bytes before the ids: version, seed, newest time, number of ids. After them: a hash of all before it.</summary>
    private const int PrefixBytes = 1 + 16 + 8 + 4;
    private const int SuffixBytes = 8;

    /// <summary>Most bytes of an id: two words and a time, each in at most 10 groups of 7 bits.</summary>
    private const int IdBytesMax = 30;

    private readonly long _latenessMs;
    private readonly int _idsMax;
    private readonly UInt128 _seed;
    private Entry[] _ring = new Entry[CapacityMin];

    /// <summary>High half: 32 bits of the id's hash; low half: its place in the ring plus one. 0: free. Never more than half full.</summary>
    private ulong[] _table = new ulong[2 * CapacityMin];
    private int _first;

    /// <param name="lateness">How far behind the newest event an id is remembered; not negative.</param>
    /// <param name="seed">Key of the hash; from a cryptographic generator, so that nobody can choose ids that collide.</param>
    /// <param name="idsMax">Most ids remembered; 1 to <see cref="IdsMaxLimit"/>.</param>
    public SeenIds(TimeSpan lateness, UInt128 seed, int idsMax = IdsMaxDefault)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(lateness, TimeSpan.Zero);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(idsMax);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(idsMax, IdsMaxLimit);
        _latenessMs = (long)lateness.TotalMilliseconds;
        _idsMax = idsMax;
        _seed = seed;
    }

    /// <summary>Ids that take room now.</summary>
    public int Count { get; private set; }

    /// <summary>Ids forgotten before their time because there was no room for them.</summary>
    public long EvictedCount { get; private set; }

    /// <summary>Greatest event time seen, Unix ms; <see cref="long.MinValue"/> before the first.</summary>
    public long NewestMs { get; private set; } = long.MinValue;

    /// <summary>Remembers an id.</summary>
    /// <param name="id">The id.</param>
    /// <param name="timeMs">Time of its event, Unix ms.</param>
    /// <returns>False where it was remembered already; its time stays then.</returns>
    public bool Add(long id, long timeMs) => Add(new UInt128(0, (ulong)id), timeMs);

    /// <summary>Remembers a text id.</summary>
    /// <inheritdoc cref="Add(long, long)"/>
    public bool Add(ReadOnlySpan<byte> id, long timeMs) => Add(Hash(id, _seed), timeMs);

    /// <summary>The ids, for a checkpoint.</summary>
    public byte[] Serialize()
    {
        var bytes = new byte[PrefixBytes + Count * 8L + IdBytesMax + SuffixBytes];
        bytes[0] = FormatVersion;
        BinaryPrimitives.WriteUInt128LittleEndian(bytes.AsSpan(1), _seed);
        BinaryPrimitives.WriteInt64LittleEndian(bytes.AsSpan(17), NewestMs);
        BinaryPrimitives.WriteInt32LittleEndian(bytes.AsSpan(25), Count);
        var length = PrefixBytes;
        var last = default(Entry);
        for (var i = 0; i < Count; i++)
        {
            if (bytes.Length - length < IdBytesMax + SuffixBytes)
                Array.Resize(ref bytes, bytes.Length * 2);
            // Neighbours are alike, so the differences are short. Their sum wraps around.
            ref readonly var entry = ref _ring[Place(i)];
            WriteDifference(bytes, ref length, (long)(entry.Low - last.Low));
            WriteDifference(bytes, ref length, (long)(entry.High - last.High));
            WriteDifference(bytes, ref length, entry.TimeMs - last.TimeMs);
            last = entry;
        }

        BinaryPrimitives.WriteUInt64LittleEndian(bytes.AsSpan(length), Checksum(bytes.AsSpan(0, length)));
        Array.Resize(ref bytes, length + SuffixBytes);
        return bytes;
    }

    /// <summary>Reads what <see cref="Serialize"/> wrote. Lateness and bound are those of now; of more ids than the bound the newest stay.</summary>
    /// <exception cref="InvalidDataException">The bytes are not what it wrote.</exception>
    public static SeenIds Deserialize(ReadOnlySpan<byte> bytes, TimeSpan lateness, int idsMax = IdsMaxDefault)
    {
        if (bytes.Length < PrefixBytes + SuffixBytes)
            throw Corrupt($"{bytes.Length} bytes are too few");
        if (bytes[0] != FormatVersion)
            throw Corrupt($"its version is {bytes[0]}, and this program knows version {FormatVersion}");
        var end = bytes.Length - SuffixBytes;
        if (Checksum(bytes[..end]) != BinaryPrimitives.ReadUInt64LittleEndian(bytes[end..]))
            throw Corrupt("its checksum does not match");
        var count = BinaryPrimitives.ReadInt32LittleEndian(bytes[25..]);
        if (count < 0 || count > (end - PrefixBytes) / 3)
            throw Corrupt($"{bytes.Length} bytes cannot hold its {count} ids");
        var ids = new SeenIds(lateness, BinaryPrimitives.ReadUInt128LittleEndian(bytes[1..]), idsMax) { NewestMs = BinaryPrimitives.ReadInt64LittleEndian(bytes[17..]) };
        bytes = bytes[PrefixBytes..end];
        var last = default(Entry);
        for (var i = 0; i < count; i++)
        {
            last.Low += (ulong)ReadDifference(ref bytes);
            last.High += (ulong)ReadDifference(ref bytes);
            last.TimeMs += ReadDifference(ref bytes);
            if (count - i > idsMax)
                continue;
            var id = new UInt128(last.High, last.Low);
            if (ids.Find(id, HashOf(id, ids._seed), out _) >= 0)
                throw Corrupt($"it has the id at {i} twice");
            ids.Append(last, HashOf(id, ids._seed));
        }

        return bytes.IsEmpty ? ids : throw Corrupt($"{bytes.Length} bytes follow its last id");
    }

    private static InvalidDataException Corrupt(string detail) =>
        new($"Remembered ids cannot be read: {detail}. Restore the checkpoint, or start without it.");

    private bool Add(UInt128 id, long timeMs)
    {
        NewestMs = Math.Max(NewestMs, timeMs);
        var oldestMs = NewestMs - _latenessMs > NewestMs ? long.MinValue : NewestMs - _latenessMs;
        while (Count > 0 && _ring[_first].TimeMs < oldestMs)
            RemoveFirst();

        var hash = HashOf(id, _seed);
        var place = Find(id, hash, out _);
        if (place >= 0)
        {
            // One whose time has passed is remembered anew, where it stands.
            ref var found = ref _ring[place];
            if (found.TimeMs >= oldestMs)
                return false;
            found.TimeMs = timeMs;
            return true;
        }

        if (timeMs < oldestMs)
            return true;
        if (Count == _idsMax)
        {
            RemoveFirst();
            EvictedCount++;
            CoreInstruments.IdsEvicted.Add(1);
        }

        Append(new Entry { Low = (ulong)id, High = (ulong)(id >> 64), TimeMs = timeMs }, hash);
        return true;
    }

    private void Append(in Entry entry, uint hash)
    {
        if (Count == _ring.Length)
            Grow();
        var place = Place(Count++);
        _ring[place] = entry;
        Insert(_table, hash, place);
    }

    private void RemoveFirst()
    {
        ref readonly var entry = ref _ring[_first];
        var id = new UInt128(entry.High, entry.Low);
        Find(id, HashOf(id, _seed), out var free);
        _first = Place(1);
        Count--;

        // Close the gap: an entry behind it that may stand there, because its own slot is not after the gap, moves up.
        var mask = _table.Length - 1;
        for (var slot = free + 1 & mask; _table[slot] != 0; slot = slot + 1 & mask)
        {
            var home = (int)(_table[slot] >> 32) & mask;
            if ((slot - home & mask) < (slot - free & mask))
                continue;
            _table[free] = _table[slot];
            free = slot;
        }

        _table[free] = 0;
    }

    /// <returns>The id's place in the ring, or −1.</returns>
    private int Find(UInt128 id, uint hash, out int slot)
    {
        var mask = _table.Length - 1;
        for (slot = (int)hash & mask; _table[slot] != 0; slot = slot + 1 & mask)
        {
            if ((uint)(_table[slot] >> 32) != hash)
                continue;
            var place = (int)(uint)_table[slot] - 1;
            if (_ring[place].Low == (ulong)id && _ring[place].High == (ulong)(id >> 64))
                return place;
        }

        return -1;
    }

    private void Grow()
    {
        var ring = new Entry[_ring.Length * 2];
        var table = new ulong[ring.Length * 2];
        for (var i = 0; i < Count; i++)
        {
            ring[i] = _ring[Place(i)];
            Insert(table, HashOf(new UInt128(ring[i].High, ring[i].Low), _seed), i);
        }

        (_ring, _table, _first) = (ring, table, 0);
    }

    private static void Insert(ulong[] table, uint hash, int place)
    {
        var mask = table.Length - 1;
        var slot = (int)hash & mask;
        while (table[slot] != 0)
            slot = slot + 1 & mask;
        table[slot] = (ulong)hash << 32 | (uint)(place + 1);
    }

    /// <summary>Where in the ring the id stands that was added after a number of those that are left.</summary>
    private int Place(int index) => _first + index & _ring.Length - 1;

    private static uint HashOf(UInt128 id, UInt128 seed) =>
        (uint)(Fold((ulong)id ^ (ulong)seed, (ulong)(id >> 64) ^ (ulong)(seed >> 64) ^ 0x9e37_79b9_7f4a_7c15) >> 16);

    private static ulong Checksum(ReadOnlySpan<byte> bytes) => (ulong)Hash(bytes, new UInt128(0x5851_f42d_4c95_7f2d, 0x1405_7b7e_f767_814f));

    /// <summary>Two lanes, each a chain of folded products over 16 bytes at a time with keys of its own; the length begins and ends it.</summary>
    private static UInt128 Hash(ReadOnlySpan<byte> text, UInt128 seed)
    {
        var length = (ulong)text.Length;
        var key1 = (ulong)seed;
        var key2 = (ulong)(seed >> 64);
        var low = key1 + length * 0x9e37_79b9_7f4a_7c15;
        var high = key2 + length * 0xd6e8_feb8_6659_fd93;
        for (; text.Length > 16; text = text[16..])
            Mix(ref low, ref high, key1, key2, BinaryPrimitives.ReadUInt64LittleEndian(text), BinaryPrimitives.ReadUInt64LittleEndian(text[8..]));
        // The rest, 16 bytes at most, read from both ends: of one length, different bytes give different words.
        ulong left = 0, right = 0;
        switch (text.Length)
        {
            case >= 8:
                left = BinaryPrimitives.ReadUInt64LittleEndian(text);
                right = BinaryPrimitives.ReadUInt64LittleEndian(text[^8..]);
                break;
            case >= 4:
                left = BinaryPrimitives.ReadUInt32LittleEndian(text);
                right = BinaryPrimitives.ReadUInt32LittleEndian(text[^4..]);
                break;
            case > 0:
                left = text[0] | (ulong)text[text.Length / 2] << 8 | (ulong)text[^1] << 16;
                break;
        }

        Mix(ref low, ref high, key1, key2, left, right);
        return new UInt128(Fold(high ^ key1, length ^ key2), Fold(low ^ key2, length ^ key1));
    }

    private static void Mix(ref ulong low, ref ulong high, ulong key1, ulong key2, ulong left, ulong right)
    {
        low = Fold(left ^ low, right ^ key2 ^ 0xa076_1d64_78bd_642f);
        high = Fold(left ^ high, right ^ key1 ^ 0xe703_7ed1_a0b4_28db);
    }

    /// <summary>High and low half of the product, one over the other: every bit of the factors reaches every bit of it.</summary>
    private static ulong Fold(ulong left, ulong right) => Math.BigMul(left, right, out var low) ^ low;

    private static void WriteDifference(byte[] bytes, ref int length, long value)
    {
        var rest = (ulong)(value << 1 ^ value >> 63);
        for (; rest > 0x7f; rest >>= 7)
            bytes[length++] = (byte)(rest | 0x80);
        bytes[length++] = (byte)rest;
    }

    private static long ReadDifference(ref ReadOnlySpan<byte> bytes)
    {
        var value = 0UL;
        for (var i = 0; i < bytes.Length && i < 10; i++)
        {
            value |= (ulong)(bytes[i] & 0x7f) << 7 * i;
            if (bytes[i] > 0x7f)
                continue;
            bytes = bytes[(i + 1)..];
            return (long)(value >> 1) ^ -(long)(value & 1);
        }

        throw Corrupt("it ends inside an id");
    }

    private struct Entry
    {
        public ulong Low;
        public ulong High;
        public long TimeMs;
    }
}
