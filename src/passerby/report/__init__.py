"""The look at a dataset before anything is trained on it: records to figures, figures to findings, one page from both."""

import logging

logging.getLogger("matplotlib").setLevel(logging.ERROR)  # before it is loaded: it then says where it keeps its fonts
