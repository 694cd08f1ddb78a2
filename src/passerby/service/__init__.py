"""A service: what `passerby.find` answers, by HTTP, and a page to look at it."""
