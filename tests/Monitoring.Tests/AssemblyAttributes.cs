// Each test has meters of its own, but the listener hears of all of the process's.
[assembly: Parallelize(Scope = ExecutionScope.MethodLevel)]
