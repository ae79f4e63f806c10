Console.Error.WriteLine("Usage: measure");
return 2;
