using FeatureStore.Grains.Entities;
using FeatureStore.Grains.Payloads;
using FeatureStore.Grains.Persistence;
using FeatureStore.Runtime.Tests;
using Orleans.Runtime.Placement;

namespace FeatureStore.Grains.Tests.Slices;

/// <summary>One entity that two slices call, step by step.</summary>
[TestClass]
public sealed class SharedCellTests
{
    private readonly SharedStorage _storage = new();
    private readonly ClusterPlan _plan = new(SlicedProject.Plan, slices: 2);
    private Cluster _cluster = null!;
    private EntityCell _cell = null!;
    private IEntityGrain _grain = null!;
    private string _address = "";
    private long _term = 1;
    private long _number;

    [TestInitialize]
    public void Start()
    {
        _cluster = Cluster.Start(1, _storage, null, SlicedProject.Plan, slices: 2);
        _address = EntityAddress.Of(SlicedProject.Plan.Entities[SlicedProject.Device], SlicedProject.KeyOf(SlicedProject.Device, Pay(0, 0, 0)));
        _grain = _cluster.Service<IGrainFactory>(0).GetGrain<IEntityGrain>(_address);
        _grain.ReadAsync().AsTask().GetAwaiter().GetResult();
    }

    [TestCleanup]
    public void Stop() => _cluster.Dispose();

    [TestMethod]
    public void A_slice_that_is_new_to_the_entity_does_not_undo_the_others()
    {
        Apply(1, 0, 5, Pay(0, 0, 1));
        Apply(2, 0, 5, Pay(1, 0, 10));
        Assert.AreEqual(11, Live());
    }

    [TestMethod]
    public void After_one_went_back_the_other_sends_again_and_does_not_go_back_itself()
    {
        var first = Apply(1, 0, 5, Pay(0, 0, 1));
        Apply(2, first.Epoch, 5, Pay(1, 0, 10));
        var back = _grain.RollBackAsync(Call(2, first.Epoch)).AsTask().GetAwaiter().GetResult();
        Assert.AreNotEqual(first.Epoch, back.Epoch);
        Apply(2, back.Epoch, 5, Pay(1, 0, 10));
        var behind = Apply(1, first.Epoch, 5, Pay(0, 1, 2));
        Assert.AreEqual(ApplyStatus.Behind, behind.Status);
        Assert.AreEqual(back.Epoch, behind.Epoch, "It says which state there is to go on from.");
        Apply(1, behind.Epoch, 5, Pay(0, 0, 1));
        Apply(1, behind.Epoch, 5, Pay(0, 1, 2));
        Apply(1, behind.Epoch, 5, Pay(0, 1, 2));
        Assert.AreEqual(13, Live());
    }

    [TestMethod]
    public void What_is_sent_again_from_before_a_cut_goes_into_both_blocks()
    {
        var epoch = Apply(1, 0, 5, Pay(0, 0, 1)).Epoch;
        Apply(1, epoch, 6, Pay(0, 1, 2));
        Assert.AreEqual(epoch, Apply(2, epoch, 5, Pay(1, 0, 10)).Epoch, "It need not go back.");
        Apply(2, epoch, 6, Pay(1, 1, 20));
        Assert.AreEqual(FlushStatus.Durable, Flush(5, epoch));
        Assert.AreEqual(11, Stored());
        Assert.AreEqual(33, Live());
        Assert.AreEqual(FlushStatus.Durable, Flush(6, epoch));
        Assert.AreEqual(33, Stored());
    }

    [TestMethod]
    public void Where_no_block_is_as_of_the_cut_it_goes_back_for_what_is_sent_again()
    {
        var epoch = Apply(1, 0, 5, Pay(0, 0, 1)).Epoch;
        Assert.AreEqual(FlushStatus.Durable, Flush(5, epoch));
        Apply(1, epoch, 6, Pay(0, 1, 2));
        // By a message, as a call in place does not go back.
        var reply = _grain.ApplyAsync(Call(2, epoch), SlicedProject.Request(_plan, 5, Pay(1, 0, 10))).AsTask().GetAwaiter().GetResult();
        Assert.AreEqual(ApplyStatus.Behind, reply.Status);
        Apply(2, reply.Epoch, 5, Pay(1, 0, 10));
        Assert.AreEqual(11, Live());
        Apply(1, reply.Epoch, 6, Pay(0, 1, 2));
        Assert.AreEqual(FlushStatus.Durable, Flush(5, reply.Epoch));
        Assert.AreEqual(11, Stored());
        Assert.AreEqual(13, Live());
    }

    /// <summary>An event from before the cut finds no block as of then, and needs none: it is in what is durable.</summary>
    [TestMethod]
    public void What_is_in_the_block_is_passed_over()
    {
        var epoch = Apply(1, 0, 5, Pay(0, 0, 1)).Epoch;
        Assert.AreEqual(FlushStatus.Durable, Flush(5, epoch));
        Apply(2, epoch, 6, Pay(1, 0, 10));
        var reply = Apply(1, epoch, 5, Pay(0, 0, 1));
        Assert.AreEqual((ApplyStatus.Applied, epoch), (reply.Status, reply.Epoch));
        Assert.AreEqual(11, Live());
    }

    [TestMethod]
    public void A_lost_answer_to_one_event_is_had_again_from_the_block_as_it_is()
    {
        var epoch = Apply(1, 0, 5, Pay(0, 0, 1)).Epoch;
        Apply(2, epoch, 5, Pay(1, 0, 10));
        var again = Cell().Apply(Call(1, epoch) with { IsRepeated = true }, SlicedProject.Request(_plan, 5, Pay(0, 0, 1)))!;
        Assert.AreEqual((ApplyStatus.Applied, epoch), (again.Status, again.Epoch));
        Assert.AreEqual(11, Live());
    }

    [TestMethod]
    public void A_lost_answer_to_several_events_takes_a_block_that_goes_back_if_they_are_in_it()
    {
        var events = SlicedProject.Request(_plan, 5, Pay(0, 0, 1), Pay(0, 1, 2));
        var epoch = Apply(2, 0, 5, Pay(1, 0, 10)).Epoch;
        Assert.AreEqual(ApplyStatus.Applied, Cell().Apply(Call(1, epoch) with { IsRepeated = true }, events)!.Status, "They had not arrived.");
        Assert.AreEqual(ApplyStatus.Repeated, Cell().Apply(Call(1, epoch) with { IsRepeated = true }, events)!.Status);
        Assert.AreEqual(13, Live());
    }

    [TestMethod]
    public void What_is_not_durable_goes_to_another_silo_when_its_own_leaves()
    {
        var epoch = Apply(1, 0, 5, Pay(0, 0, 1)).Epoch;
        Apply(2, epoch, 6, Pay(1, 0, 10));
        var left = _cluster.Silos[0];
        _cluster.Add();
        _cluster.Stop(left);
        _cell = null!;
        Assert.AreEqual(11, Live(), "Nobody has called it there.");
        var behind = Cell().Apply(Call(1, epoch), SlicedProject.Request(_plan, 6, Pay(0, 1, 2)))!;
        Assert.AreEqual(ApplyStatus.Behind, behind.Status, "Its caller is told where it is now.");
        Apply(1, behind.Epoch, 5, Pay(0, 0, 1));
        Apply(1, behind.Epoch, 6, Pay(0, 1, 2));
        Apply(2, behind.Epoch, 6, Pay(1, 0, 10));
        Assert.AreEqual(FlushStatus.Durable, Flush(5, behind.Epoch));
        Assert.AreEqual(1, Stored());
        Assert.AreEqual(FlushStatus.Durable, Flush(6, behind.Epoch));
        Assert.AreEqual(13, Stored());
        Assert.AreEqual(13, Live());
    }

    [TestMethod]
    public void What_arrives_after_another_activation_has_written_is_dropped()
    {
        var epoch = Apply(1, 0, 5, Pay(0, 0, 1)).Epoch;
        Assert.AreEqual(FlushStatus.Durable, Flush(5, epoch));
        Apply(2, epoch, 6, Pay(1, 0, 10));
        var left = _cluster.Silos[0];
        _cluster.Add();
        _storage.BeforeRead = id =>
        {
            _storage.BeforeRead = null;
            _storage.Replace(ClusterNames.EntityState, id, _storage.Records(ClusterNames.EntityState).Single().Bytes);
            return Task.CompletedTask;
        };
        _cluster.Stop(left);
        _cell = null!;
        Assert.IsNull(_storage.BeforeRead);
        Assert.AreEqual(1, Live());
    }

    [TestMethod]
    public void What_is_sent_again_during_a_write_is_not_taken_for_durable()
    {
        var epoch = Apply(1, 0, 5, Pay(0, 0, 1)).Epoch;
        _storage.BeforeWrite = (_, _, _) =>
        {
            _storage.BeforeWrite = null;
            Apply(2, epoch, 5, Pay(1, 0, 10));
        };
        Assert.AreEqual(FlushStatus.Durable, Flush(5, epoch));
        Assert.AreEqual(1, Stored());
        Apply(1, epoch, 6, Pay(0, 1, 2));
        Assert.AreEqual(FlushStatus.Durable, Flush(5, epoch));
        Assert.AreEqual(11, Stored());
        Assert.AreEqual(13, Live());
    }

    [TestMethod]
    public void A_call_that_was_overtaken_is_turned_away_by_the_numbers_of_its_own_slice()
    {
        var old = Call(1, 0);
        var epoch = Apply(2, 0, 5, Pay(1, 0, 10)).Epoch;
        Assert.AreEqual(ApplyStatus.Applied, Cell().Apply(old, SlicedProject.Request(_plan, 5, Pay(0, 0, 1)))!.Status, "Another slice's calls do not count.");
        Assert.AreEqual(ApplyStatus.Behind, Cell().Apply(old, SlicedProject.Request(_plan, 5, Pay(0, 1, 2)))!.Status);
        Assert.AreEqual(epoch, Apply(2, epoch, 5, Pay(1, 1, 20)).Epoch);
        Assert.AreEqual(31, Live());
    }

    /// <summary>All slices would have the entity; in one term it goes once, to the first.</summary>
    [TestMethod]
    public void It_moves_once_in_a_term()
    {
        Apply(1, 0, 5, Pay(0, 0, 1));
        _term++;
        var first = _cluster.Add().SiloAddress;
        var second = _cluster.Add().SiloAddress;
        Assert.AreEqual(ApplyStatus.Moves, ApplyFrom(first, 1, Pay(0, 0, 1)).Status);
        var reply = ApplyFrom(second, 2, Pay(1, 0, 10));
        Assert.AreEqual((ApplyStatus.Applied, first), (reply.Status, reply.Silo));
        reply = ApplyFrom(first, 1, Pay(0, 0, 1));
        Assert.AreEqual((ApplyStatus.Applied, first), (reply.Status, reply.Silo));
        Assert.AreEqual(11, Sum(_grain.ReadAsync().AsTask().GetAwaiter().GetResult().Value));
    }

    [TestMethod]
    public void Where_several_slices_call_it_it_stays()
    {
        var epoch = Apply(1, 0, 5, Pay(0, 0, 1)).Epoch;
        Apply(2, epoch, 5, Pay(1, 0, 10));
        _term++;
        Assert.AreEqual(ApplyStatus.Applied, ApplyFrom(_cluster.Add().SiloAddress, 1, Pay(0, 0, 1)).Status);
    }

    [TestMethod]
    public void What_has_ended_does_not_pass_for_never_seen()
    {
        Apply(1, 0, 5, Pay(0, 0, 1));
        Cell().Dispose();
        Assert.IsNull(_grain.ReadAsync().AsTask().GetAwaiter().GetResult().Value);
    }

    private static Payment Pay(int partition, long offset, double amount) => new(partition, offset, TestProject.StartMs + offset, partition, "device 1", amount);

    private OwnerCall Call(int slice, long epoch) => new() { Term = _term, Number = ++_number, Epoch = epoch, Slice = slice };

    private EntityCell Cell() => _cell ??= _cluster.Service<EntityCells>(0).Find(_address)!;

    private ApplyReply Apply(int slice, long epoch, long interval, Payment payment)
    {
        if (_cell is null)
            return First(slice, epoch, interval, payment);
        return Cell().Apply(Call(slice, epoch), SlicedProject.Request(_plan, interval, payment)) ?? throw new AssertFailedException("The block would go back.");
    }

    private ApplyReply First(int slice, long epoch, long interval, Payment payment)
    {
        var reply = _grain.ApplyAsync(Call(slice, epoch), SlicedProject.Request(_plan, interval, payment)).AsTask().GetAwaiter().GetResult();
        _cell = Cell();
        return reply;
    }

    private ApplyReply ApplyFrom(SiloAddress silo, int slice, Payment payment)
    {
        RequestContext.Set(IPlacementDirector.PlacementHintKey, silo);
        return _grain.ApplyAsync(Call(slice, 0), SlicedProject.Request(_plan, 6, payment)).AsTask().GetAwaiter().GetResult();
    }

    private FlushStatus Flush(long interval, long epoch) => Cell().FlushAsync(1, interval, epoch).GetAwaiter().GetResult();

    private double Live() => Sum(Cell().Read());

    private double Stored() => Sum(EntityRecord.Read(_storage.Records(ClusterNames.EntityState).Single().Bytes).Block);

    private static double Sum(ReadOnlySpan<byte> block)
    {
        var plan = SlicedProject.Plan.Entities[SlicedProject.Device];
        var values = new double[plan.Features.Count];
        plan.Read(block, TestProject.StartMs, [.. Enumerable.Range(0, values.Length)], values);
        return values[^1];
    }
}
