"""The command line: options in, one call, what comes back shown."""
