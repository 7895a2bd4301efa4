"""Gridlore: the book of record for grid data."""

__version__ = "0.1.0"
