"""From the boxes of one frame after another to people: who is who, who is no person, and how each is seen best."""
