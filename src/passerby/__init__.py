"""Find people in photos and video by what they wear."""
