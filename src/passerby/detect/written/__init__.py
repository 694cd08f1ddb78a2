"""What `detect` writes: people in photos as COCO has them, people in videos as tracking tools have them, and pictures of both."""
