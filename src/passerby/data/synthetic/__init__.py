"""Sample people, drawn: known attributes, pictures like a street camera's, true captions; and streets with several of them, truly boxed.

They are the demo's gallery, the tests' fixtures and practice for binding colours to garments. They never count as accuracy.
"""

from passerby.data.synthetic.captions import captions
from passerby.data.synthetic.gallery import DEMO_QUESTIONS, demo_people, write_gallery
from passerby.data.synthetic.people import PALETTE, DrawnPerson, Garment, Pose, sample_person, swap_colours
from passerby.data.synthetic.picture import draw
from passerby.data.synthetic.street import Passer, Street, draw_street
from passerby.data.synthetic.street_folders import demo_streets, write_demo_streets, write_scenes

__all__ = [
    "DEMO_QUESTIONS",
    "PALETTE",
    "DrawnPerson",
    "Garment",
    "Passer",
    "Pose",
    "Street",
    "captions",
    "demo_people",
    "demo_streets",
    "draw",
    "draw_street",
    "sample_person",
    "swap_colours",
    "write_demo_streets",
    "write_gallery",
    "write_scenes",
]
