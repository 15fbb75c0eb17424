"""Personas, humans and system texts: which a person wrote, and which came with MemGPT.

What was shipped is told by its hash: an unchanged text is left where it is, and an edited one is taken.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

__all__ = ["FOLDERS", "own_texts", "shipped_name"]

FOLDERS = ("personas", "humans")
MOST_BYTES = 1_000_000

_SHIPPED: Mapping[str, str] = {
    "d701b5a01b01e995": "basic",
    "29209e5f578951ef": "cs_phd",
    "eee58870b6425a6c": "anna_pa",
    "e14979e9ff7dd026": "google_search_persona",
    "9e7af441732ec67f": "memgpt_doc",
    "0118be5d2eca7bcd": "memgpt_starter",
    "9c0196a3b640e128": "sam",
    "c98eae8a4c04b408": "sam_pov",
    "93efb846f441d5f1": "sam_simple_pov_gpt35",
    "ac429226963ae4df": "memgpt_base",
    "95ca6ed26449b612": "memgpt_base",
    "5dbe9ec8529bb4f4": "memgpt_base",
    "44cc4c5601b3eb18": "memgpt_chat",
    "d1c968b44b130092": "memgpt_chat",
    "ddacf8380b359b2d": "memgpt_chat_compressed",
    "124d787cd8f14848": "memgpt_chat_fstring",
    "2fd348164bb7877d": "memgpt_doc",
    "27af0cea1377b51d": "memgpt_doc",
    "f12e8d5541b21483": "memgpt_gpt35_extralong",
    "724789e24f21f329": "memgpt_gpt35_extralong",
    "c7c9d34f23e0b371": "memgpt_intuitive_knowledge",
    "0a0fef570bbe2f85": "memgpt_modified_chat",
}
"""The beginning of the SHA-256 of each text file of pymemgpt 0.1.15, 0.2.11 and 0.3.25, without blanks at its
ends."""


def shipped_name(text: str) -> str:
    """The name under which MemGPT shipped this very text; empty for a text of somebody's own."""
    clean = text.replace("\r\n", "\n").strip()
    return _SHIPPED.get(hashlib.sha256(clean.encode("utf-8", "replace")).hexdigest()[:16], "")


def own_texts(
    folder: Path, stored: Sequence[tuple[str, str, str]] = ()
) -> tuple[dict[tuple[str, str], str], list[str]]:
    """Texts of a person's own, by folder and name, and what was left where it is.

    `stored` are folder, name and text of those that lie in a database; files win over them.
    """
    found: dict[tuple[str, str], str] = {}
    left_out: list[str] = []
    shipped: list[str] = []
    for kind, name, text in (*stored, *_files(folder, left_out)):
        if shipped_name(text):
            shipped.append(f"{kind}/{name}")
        elif text.strip():
            found[kind, name] = text.strip()
    if shipped:
        left_out.append(f"texts as MemGPT shipped them: {', '.join(sorted(set(shipped)))}")
    return found, left_out


def _files(folder: Path, left_out: list[str]) -> list[tuple[str, str, str]]:
    found: list[tuple[str, str, str]] = []
    for kind in FOLDERS:
        for file in sorted((folder / kind).glob("*.txt")):
            try:
                with file.open("rb") as stream:
                    text = stream.read(MOST_BYTES).decode("utf-8-sig")
            except (OSError, UnicodeDecodeError) as error:
                left_out.append(f"{kind}/{file.name}: it cannot be read as text: {error}")
            else:
                found.append((kind, file.stem, text.replace("\r\n", "\n")))
    return found
