"""What indexes in databases have in common."""
