"""Files that become results by a rename, and are found again if the step is interrupted.

A large result is a file of the scratch folder. While it is moved into the result and changed at its
ends, a note in the scratch folder keeps what is needed to bring it back.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path

from fibcore.files import have_on_disk, write_whole

NOTE = ".moved"
"""Suffix of a note."""


def move_out(file: Path, path: Path, head: bytes, tail: bytes) -> None:
    """Rename a file of a scratch folder, replace its first bytes, and append others.

    Arrays that map the file stay valid.

    Args:
        file: the file, in a folder beside or above which the result is.
        path: its new name, within the parent of its folder.
        head: bytes that replace the same number of bytes at its start.
        tail: bytes that are appended.

    Raises:
        OSError: it cannot be written; it is then what it was, under its old name.
    """
    folder = file.parent.parent
    with file.open("rb") as content:
        before = content.read(len(head))
    facts = {"to": path.relative_to(folder).as_posix(), "head": before.hex()}
    note = file.with_name(file.name + NOTE)
    write_whole(note, json.dumps({**facts, "bytes": file.stat().st_size}))
    have_on_disk(file.parent)
    try:
        file.rename(path)
        with path.open("r+b") as content:
            content.write(head)
            content.seek(0, os.SEEK_END)
            content.write(tail)
    except OSError:
        bring_back(folder)
        raise


def bring_back(folder: Path) -> None:
    """Undo the moves out of ``folder/scratch``; the caller has checked that there are no links."""
    for note in (folder / "scratch").glob(f"*{NOTE}"):
        file = note.with_name(note.name.removesuffix(NOTE))
        with suppress(OSError, ValueError, KeyError, TypeError):  # damaged: the file stays lost
            facts = json.loads(note.read_text(encoding="utf-8"))
            place, head = Path(facts["to"]), bytes.fromhex(facts["head"])
            if not file.exists() and not place.is_absolute() and ".." not in place.parts:
                with (folder / place).open("r+b") as content:
                    content.write(head)
                    content.truncate(int(facts["bytes"]))
                (folder / place).rename(file)
        note.unlink()
