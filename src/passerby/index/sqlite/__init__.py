"""An index in a folder: one SQLite file that is the truth, and a copy of its vectors to scan."""
