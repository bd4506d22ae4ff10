"""Drydock: a terminal console for supervised rehearsals of database code."""

__version__ = "0.1.0"
