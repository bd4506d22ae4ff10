"""Starts the harness; its protocol is in `program`."""

from console.harness.program import main

main()
