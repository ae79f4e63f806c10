// The tests share a broker and two cores.
[assembly: DoNotParallelize]
