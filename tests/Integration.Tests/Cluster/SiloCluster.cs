using System.Collections.Concurrent;
using System.Globalization;
using FeatureStore.Harness;

namespace FeatureStore.Integration;

/// <summary>Silos of one project, each a process of its own on loopback, started again on the ports that it had.</summary>
internal sealed class SiloCluster(Func<string[], int, SiloProcess> start, string[] arguments)
{
    private readonly ConcurrentDictionary<string, Member> _members = [];

    /// <summary>Of the first silo, in which the others find each other where they are on one machine.</summary>
    private int? _primaryPort;

    /// <summary>Silos that run, or did until they were killed.</summary>
    public IReadOnlyList<Member> Members => [.. _members.Values.OrderBy(member => member.Name, StringComparer.Ordinal)];

    /// <summary>Those that own the stream: one, or several that share its slices.</summary>
    public IReadOnlyList<Member> Owners => [.. Members.Where(member => member.Role == "all")];

    public IReadOnlyList<Member> Serving => [.. Members.Where(member => member.Role == "serve")];

    /// <summary>Starts a silo; it is not ready yet.</summary>
    public Member Add(string role)
    {
        var name = string.Create(CultureInfo.InvariantCulture, $"{role}-{_members.Count}");
        var member = new Member(name, role, SiloProcess.FreePort(), SiloProcess.FreePort());
        Start(member);
        _members[name] = member;
        return member;
    }

    /// <summary>Starts a silo that ended, as a supervisor does.</summary>
    public void Start(Member member) => member.Process = start(
        [.. arguments, "--runtime", "orleans", "--roles", member.Role, "--silo-address", "127.0.0.1", "--silo-port", $"{member.SiloPort}", "--primary-port", $"{_primaryPort ??= member.SiloPort}"],
        member.HttpPort);

    internal sealed class Member(string name, string role, int siloPort, int httpPort)
    {
        private volatile SiloProcess? _process;

        public string Name { get; } = name;

        public string Role { get; } = role;

        public int SiloPort { get; } = siloPort;

        public int HttpPort { get; } = httpPort;

        public Uri Address { get; } = new($"http://127.0.0.1:{httpPort}");

        /// <summary>The newest process.</summary>
        public SiloProcess Process
        {
            get => _process!;
            set => _process = value;
        }
    }
}
