"""A first subject: put your own package beside it, and name that in plan.toml and pack.toml."""
