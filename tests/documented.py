"""The programs that pages of the documentation show."""

from __future__ import annotations

import re

from project import ROOT

__all__ = ["programs"]


def programs(page: str) -> list[str]:
    """The Python programs of a page, in their order."""
    return re.findall(r"^```python\n(.*?)^```", (ROOT / page).read_text("utf-8"), re.DOTALL | re.MULTILINE)
