"""cutter_agent: the ledger writer that marks, reviews, cuts and verifies information units.

It writes through two least-privilege principals only, never deletes, and reads before it writes.
"""
