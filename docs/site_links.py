"""Makes a link of each page that another one names, such as docs/trust.md, when the site is built.

The pages themselves read as plain text in a terminal, where a link would only be in the way.
"""

from __future__ import annotations

import re
from typing import Any

_FENCE = re.compile(r"(^```.*?^```$)", re.MULTILINE | re.DOTALL)
_NAMED = re.compile(r"(?<![\w`/\[])(?<!\]\()docs/([a-z-]+)\.md(?![\w`])|`docs/([a-z-]+)\.md`")


def on_page_markdown(markdown: str, **_others: Any) -> str:
    """Return a page's text with links; blocks of code stay as they are."""
    parts = _FENCE.split(markdown)
    return "".join(part if part.startswith("```") else _NAMED.sub(_link, part) for part in parts)


def _link(found: re.Match[str]) -> str:
    name = found[1] or found[2]
    return f"[{name}]({name}.md)"
