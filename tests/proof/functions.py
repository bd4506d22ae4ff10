"""fn_iu_create with something planted in it: what its owner could have changed in production meanwhile."""

from __future__ import annotations

from console.settings import data_folder

SOURCE = (data_folder("scenarios") / "rollback_proof" / "demo" / "030_functions.sql").read_text("utf-8")
_BEGINS = SOURCE.index("CREATE FUNCTION public.fn_iu_create")
CREATE = SOURCE[_BEGINS : SOURCE.index("CREATE FUNCTION public.fn_iu_stamp")].replace(
    "CREATE FUNCTION", "CREATE OR REPLACE FUNCTION"
)
LAST = "    RETURN v_iu_id;\n"
SEQUENCE = "CREATE SEQUENCE public.unit_number; GRANT USAGE ON SEQUENCE public.unit_number TO cutter_exec"

__all__ = ["SEQUENCE", "planted"]


def planted(line: str) -> str:
    """Return the function with one more line before its RETURN."""
    assert CREATE.count(LAST) == 1
    return CREATE.replace(LAST, f"    {line}\n{LAST}")
