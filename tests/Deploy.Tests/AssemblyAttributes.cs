// Most of the time they wait, for Helm and the API server.
[assembly: Parallelize(Workers = 3, Scope = ExecutionScope.MethodLevel)]
