"""Sample people, drawn: known attributes, pictures like a street camera's, true captions.

They are the demo's gallery, the tests' fixtures and practice for binding colours to garments. They never count as accuracy.
"""

from passerby.data.synthetic.captions import captions
from passerby.data.synthetic.gallery import DEMO_QUESTIONS, demo_people, write_gallery
from passerby.data.synthetic.people import PALETTE, DrawnPerson, Garment, Pose, sample_person, swap_colours
from passerby.data.synthetic.picture import draw

__all__ = [
    "DEMO_QUESTIONS",
    "PALETTE",
    "DrawnPerson",
    "Garment",
    "Pose",
    "captions",
    "demo_people",
    "draw",
    "sample_person",
    "swap_colours",
    "write_gallery",
]
