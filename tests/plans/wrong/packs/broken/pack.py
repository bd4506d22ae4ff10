"""Scenarios of a pack with problems; never run."""
