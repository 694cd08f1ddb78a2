"""An index in memory: the shortest one that keeps the contract, gone when it is closed."""
