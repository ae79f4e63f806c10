// Helm and the API server have two cores between them.
[assembly: DoNotParallelize]
