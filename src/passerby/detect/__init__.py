"""From pictures to the people in them: boxes, how sure the detector is of each, and who is who over time."""
