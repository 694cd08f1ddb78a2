"""A sentence about a person and its structure: pure, with no model."""
