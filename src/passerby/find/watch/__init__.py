"""Recorders' folders and live cameras, indexed as they come."""
