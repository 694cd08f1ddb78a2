"""Index runs that others ask a service for: which folders may be indexed, whose turn it is, how far each is, and what became of it."""
