"""`python -m console` is `drydock`."""

from console.cli.main import entry

entry()
