using System.Reflection.Metadata;
using System.Reflection.PortableExecutable;

namespace FeatureStore.Architecture.Tests;

/// <summary>What a compiled assembly refers to outside itself, read from its metadata without loading it.</summary>
internal sealed class CompiledAssembly
{
    public CompiledAssembly(string path)
    {
        using var file = new PEReader(File.OpenRead(path));
        var metadata = file.GetMetadataReader();
        References = [.. metadata.AssemblyReferences.Select(handle => metadata.GetString(metadata.GetAssemblyReference(handle).Name))];
        Types = [.. metadata.TypeReferences.Select(handle => FullName(metadata, handle))];
        Members = [.. metadata.MemberReferences.Select(handle => FullName(metadata, metadata.GetMemberReference(handle)))];
        NativeModules =
        [
            .. metadata.MethodDefinitions.Select(handle => metadata.GetMethodDefinition(handle).GetImport().Module)
                .Where(module => !module.IsNil)
                .Select(module => metadata.GetString(metadata.GetModuleReference(module).Name)),
        ];
    }

    /// <summary>Simple names of the assemblies it refers to.</summary>
    public IReadOnlyList<string> References { get; }

    /// <summary>Types of other assemblies that it names: <c>System.IO.File</c>.</summary>
    public IReadOnlyList<string> Types { get; }

    /// <summary>Members of other assemblies' types that it calls or reads: <c>System.DateTime.get_UtcNow</c>.</summary>
    public IReadOnlyList<string> Members { get; }

    /// <summary>Libraries that it calls by platform invocation.</summary>
    public IReadOnlyList<string> NativeModules { get; }

    private static string FullName(MetadataReader metadata, TypeReferenceHandle handle)
    {
        var type = metadata.GetTypeReference(handle);
        var name = metadata.GetString(type.Name);
        if (type.ResolutionScope.Kind == HandleKind.TypeReference)
            return $"{FullName(metadata, (TypeReferenceHandle)type.ResolutionScope)}.{name}";
        return type.Namespace.IsNil ? name : $"{metadata.GetString(type.Namespace)}.{name}";
    }

    private static string FullName(MetadataReader metadata, MemberReference member)
    {
        // Members of generic types hang on a type specification: no clock and no file is generic, so the member's name does.
        var owner = member.Parent.Kind == HandleKind.TypeReference ? FullName(metadata, (TypeReferenceHandle)member.Parent) : "?";
        return $"{owner}.{metadata.GetString(member.Name)}";
    }
}
