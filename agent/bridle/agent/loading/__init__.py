"""Loading documents into sources, which agents search when they are attached.

>>> from pathlib import Path
>>> from tempfile import TemporaryDirectory
>>> from bridle.agent import Store
>>> from bridle.agent.archival.archive import Archive
>>> with TemporaryDirectory() as folder, Store(Path(folder, "home")) as store, Archive(store) as archive:
...     file = Path(folder, "cats.md")
...     _ = file.write_text("# Cats\\n\\nCats purr when they are content.")
...     report = load_directory(archive, "animals", [file])
>>> report.passages, report.documents, report.is_complete
(1, 1, True)
"""

from __future__ import annotations

from bridle.agent.loading.chunks import CHUNK_CHARS
from bridle.agent.loading.listing import SourceFile, source_files
from bridle.agent.loading.loads import load_database, load_directory, load_text, load_webpages
from bridle.agent.loading.report import LoadProgress, LoadReport, OnProgress, Outcome

__all__ = [
    "CHUNK_CHARS",
    "LoadProgress",
    "LoadReport",
    "OnProgress",
    "Outcome",
    "SourceFile",
    "load_database",
    "load_directory",
    "load_text",
    "load_webpages",
    "source_files",
]
