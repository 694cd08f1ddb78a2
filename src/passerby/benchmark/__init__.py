"""How fast models are: time, memory, energy, and the limit on paper."""
