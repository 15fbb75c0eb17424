"""`python -m bridle.cli`, and the way in when another `bridle` hides ours: `python …/bridle/cli/__main__.py`.

Run by its path, this file needs nothing of `bridle`, so it can still name the file that is in the way.
"""

from __future__ import annotations

import sys
from pathlib import Path
from runpy import run_path


def _run() -> int:
    try:
        from bridle.cli import main
    except ModuleNotFoundError as error:
        hidden = (error.name or "").partition(".")[0] == "bridle"
        if not hidden or not _name_foreign():
            raise
        return 1
    return main()


def _name_foreign() -> bool:
    """Write who hides our parts; False when nobody does."""
    shadow = run_path(str(Path(__file__).with_name("shadow.py")))
    foreign = shadow["find_foreign"]()
    for file in foreign:
        sys.stderr.write(f"error: {file} hides the parts of this program\nhint: {shadow['remedy'](file)}\n")
    return bool(foreign)


if __name__ == "__main__":
    sys.exit(_run())
