"""Core memory: labelled blocks of text that stand in every prompt, edited by exact, atomic operations.

An edit returns a new `Core` or raises `EditError` with what would be right; nothing is ever half done. A
block is a few lines of text; limits are in characters.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from bridle.errors import InputError

__all__ = ["Block", "Core", "EditError"]


class EditError(InputError):
    """An edit of core memory that cannot be done. The message is meant for the model."""


@dataclass(frozen=True, slots=True)
class Block:
    """One labelled piece of core memory, at most `limit` characters long."""

    label: str
    value: str = ""
    limit: int = 2000

    @property
    def lines(self) -> tuple[str, ...]:
        """The lines that are not blank."""
        return tuple(line for line in self.value.splitlines() if line.strip())


@dataclass(frozen=True, slots=True)
class Core:
    """All blocks, in the order in which they are shown."""

    blocks: tuple[Block, ...]

    @property
    def labels(self) -> tuple[str, ...]:
        """The blocks' names."""
        return tuple(block.label for block in self.blocks)

    def block(self, label: str) -> Block:
        """The block of that name.

        Raises:
            EditError: with the names that exist.
        """
        for block in self.blocks:
            if block.label == label:
                return block
        raise EditError(f"there is no block {label!r}; the blocks are {', '.join(self.labels)}")

    def append(self, label: str, content: str) -> Core:
        """Add `content` as a new line (or several) at the end of a block.

        Raises:
            EditError: for an unknown block, an empty content, a line that is there already, or too long a
            result.

        >>> Core((Block("human", "Name: Ada"),)).append("human", "City: Bonn").block("human").lines
        ('Name: Ada', 'City: Bonn')
        """
        block = self.block(label)
        line = content.strip()
        if not line:
            raise EditError("the content is empty; write what should be remembered")
        if line in block.lines:
            raise EditError(f"{line!r} is in the block {label!r} already")
        return self._with(block, f"{block.value.rstrip()}\n{line}" if block.value.strip() else line)

    def replace(self, label: str, old: str, new: str) -> Core:
        """Put `new` in the place of `old`: of the line that equals it, else of its only occurrence.

        An empty `new` deletes; a line that becomes blank goes.

        Raises:
            EditError: if `old` is empty, is not there, or is there more than once, or the result is too long.
        """
        block = self.block(label)
        if not old.strip():
            raise EditError("old_content is empty; give the line that should be changed")
        lines = block.value.splitlines()
        if lines.count(old.strip()) == 1:
            lines[lines.index(old.strip())] = new.strip()
            value = "\n".join(lines)
        else:
            found = block.value.count(old)
            if found != 1:
                shown = "; ".join(repr(line) for line in block.lines) or "none"
                raise EditError(
                    f"{old!r} is {'not' if not found else f'{found} times'} in the block {label!r};"
                    f" its lines are {shown}"
                )
            value = block.value.replace(old, new)
        kept = [line for line in value.splitlines() if line.strip()]
        return self._with(block, "\n".join(kept))

    def _with(self, block: Block, value: str) -> Core:
        if len(value) > block.limit:
            raise EditError(
                f"the block {block.label!r} would have {len(value)} characters, its limit is {block.limit};"
                " shorten a line with core_memory_replace, or use archival_memory_insert"
            )
        changed = replace(block, value=value)
        return Core(tuple(changed if one is block else one for one in self.blocks))
