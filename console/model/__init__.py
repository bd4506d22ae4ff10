"""Values only: steps, gates, events, decisions, plans and the fold. No I/O anywhere below."""
