"""Pictures of answers: contact sheets and heat maps."""
