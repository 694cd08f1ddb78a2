"""Teaching a person detector: from photos with boxes, and from what another detector says of them."""
