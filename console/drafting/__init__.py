"""Drafts of a plan and a pack, read from a source that is only read; `drydock init` asks and writes."""
