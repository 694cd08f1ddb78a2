"""From the index of a device to that of a centre: everybody, once, over links that break."""
