using System.Runtime.InteropServices;
using FeatureStore.Scoring.Files;

namespace FeatureStore.Scoring.Native;

/// <summary>A model in ONNX Runtime, with what it takes and gives. A dispose takes effect when the last run has ended.</summary>
internal sealed unsafe class ModelSession : SafeHandle
{
    private ModelSession(OnnxRuntime runtime)
        : base(0, ownsHandle: true) => Runtime = runtime;

    public OnnxRuntime Runtime { get; }

    public OnnxApi Api => Runtime.Api;

    public IReadOnlyList<Port> Inputs { get; private set; } = [];

    public IReadOnlyList<Port> Outputs { get; private set; } = [];

    public override bool IsInvalid => handle == 0;

    /// <exception cref="OnnxException">ONNX Runtime refuses the model.</exception>
    public static ModelSession Create(OnnxRuntime runtime, ModelFile file)
    {
        var api = runtime.Api;
        var session = new ModelSession(runtime);
        var options = api.CreateSessionOptions();
        try
        {
            api.AddSessionConfig(options, "session.use_env_allocators\0"u8, "1\0"u8);
            // The other format would not have been checked.
            api.AddSessionConfig(options, "session.load_model_format\0"u8, "ONNX\0"u8);
            // Folding runs before any deadline or memory bound; what is larger is computed when the model runs.
            api.AddSessionConfig(options, "optimization.constant_folding_max_output_size_in_bytes\0"u8, "67108864\0"u8);
            session.SetHandle(file.HasExternalData
                ? api.CreateSession(runtime.Environment, Path.GetFullPath(file.Path), options)
                : api.CreateSession(runtime.Environment, file.Bytes, file.Length, options));
            session.Inputs = session.Ports(outputs: false);
            session.Outputs = session.Ports(outputs: true);
            return session;
        }
        catch
        {
            session.Dispose();
            throw;
        }
        finally
        {
            api.ReleaseSessionOptions(options);
        }
    }

    /// <summary>Runs the model. Where it works, the outputs are the caller's to release.</summary>
    /// <returns>What went wrong, or null.</returns>
    public string? Run(nint options, nint* inputNames, nint* inputs, int inputCount, nint* outputNames, int outputCount, nint* outputs)
    {
        var held = false;
        try
        {
            DangerousAddRef(ref held);
            new Span<nint>(outputs, outputCount).Clear();
            var status = Api.Run(handle, options, inputNames, inputs, inputCount, outputNames, outputCount, outputs);
            return status == 0 ? null : Api.Message(status);
        }
        finally
        {
            if (held)
                DangerousRelease();
        }
    }

    protected override bool ReleaseHandle()
    {
        Api.ReleaseSession(handle);
        foreach (var port in Inputs.Concat(Outputs))
            Marshal.FreeCoTaskMem(port.NativeName);
        return true;
    }

    private Port[] Ports(bool outputs)
    {
        var ports = new Port[Api.PortCount(handle, outputs)];
        for (var i = 0; i < ports.Length; i++)
        {
            var type = Api.PortType(handle, outputs, i);
            try
            {
                ports[i] = PortOf(Api.PortName(handle, outputs, i, Runtime.Allocator), type);
            }
            finally
            {
                Api.ReleaseTypeInfo(type);
            }
        }

        return ports;
    }

    private Port PortOf(string name, nint type)
    {
        var port = new Port { Name = name, NativeName = Marshal.StringToCoTaskMemUTF8(name), Kind = PortKind.Other };
        switch (Api.Kind(type))
        {
            case OnnxKind.Tensor:
                var tensor = Api.TensorInfo(type);
                var shape = new long[Api.Rank(tensor)];
                Api.Dimensions(tensor, shape);
                return port with { Kind = PortKind.Tensor, Type = Api.ElementType(tensor), Shape = [.. shape.Select(dimension => Math.Max(dimension, -1))] };
            case OnnxKind.Sequence:
                var element = Api.SequenceElement(type);
                try
                {
                    return Api.Kind(element) == OnnxKind.Map ? MapPort(port, element) : port;
                }
                finally
                {
                    Api.ReleaseTypeInfo(element);
                }

            default:
                return port;
        }
    }

    private Port MapPort(Port port, nint map)
    {
        var (key, value) = Api.MapTypes(map);
        try
        {
            return Api.Kind(value) == OnnxKind.Tensor
                ? port with { Kind = PortKind.Maps, KeyType = key, Type = Api.ElementType(Api.TensorInfo(value)), Shape = [-1, -1] }
                : port;
        }
        finally
        {
            Api.ReleaseTypeInfo(value);
        }
    }
}
