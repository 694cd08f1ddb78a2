"""From files to people in an index."""
