"""Pictures of answers: contact sheets, heat maps, and people on frames."""
