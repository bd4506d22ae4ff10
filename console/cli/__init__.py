"""The command line: reads words, calls the engine, prints; the only place that ends a process."""
