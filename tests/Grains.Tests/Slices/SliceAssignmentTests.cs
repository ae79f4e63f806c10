using FeatureStore.Grains.Slices;

namespace FeatureStore.Grains.Tests.Slices;

[TestClass]
public sealed class SliceAssignmentTests
{
    /// <summary>Silos come and go: slices stay even, and no more of them move than evenness takes.</summary>
    [TestMethod]
    public void Slices_are_even_and_stay_where_they_are()
    {
        for (var seed = 0; seed < 500; seed++)
        {
            var random = new Random(seed);
            var slices = 1 + random.Next(20);
            List<string> silos = ["a"];
            var owners = SliceAssignment.Assign(slices, silos, []);
            for (var (step, next) = (0, 'b'); step < 10; step++)
            {
                if (silos.Count > 1 && random.Next(2) == 0)
                    silos.RemoveAt(random.Next(silos.Count));
                else
                    silos.Add((next++).ToString());
                var before = owners;
                owners = SliceAssignment.Assign(slices, silos, before);
                Assert.HasCount(slices, owners);
                var counts = silos.Select(silo => owners.Count(silo.Equals)).ToList();
                Assert.AreEqual(slices, counts.Sum(), $"seed {seed}");
                Assert.IsLessThanOrEqualTo(1, counts.Max() - counts.Min(), $"seed {seed}");
                // Kept at most: of each silo, as many as it had, up to what is even; the rest of the division goes to those that have most.
                var had = silos.Select(silo => before.Count(silo.Equals)).OrderDescending().ToList();
                var kept = had.Select((count, index) => Math.Min(count, slices / silos.Count + (index < slices % silos.Count ? 1 : 0))).Sum();
                Assert.AreEqual(kept, Enumerable.Range(0, slices).Count(slice => owners[slice] == before[slice]), $"seed {seed}");
            }
        }
    }

    [TestMethod]
    public void Without_silos_there_are_no_owners() => Assert.IsEmpty(SliceAssignment.Assign<string>(4, [], ["a", "a"]));
}
