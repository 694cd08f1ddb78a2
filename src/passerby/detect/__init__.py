"""From a picture to the people in it: boxes, and how sure the detector is of each."""
