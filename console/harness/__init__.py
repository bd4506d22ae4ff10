"""The program that runs scenarios beside the database; what a pack may import is exported here.

Imports the standard library and psycopg only, and travels as one archive.
"""

from console.harness import migrations
from console.harness.context import Context
from console.harness.faults import InducedFault
from console.harness.registry import scenario
from console.harness.report import Outcome

__all__ = ["Context", "InducedFault", "Outcome", "migrations", "scenario"]
