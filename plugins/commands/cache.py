"""``fib cache list|verify|prune``."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import typer

from fib_plugins.commands.kept import Cache, Kept, superfluous
from fib_plugins.terminal_tables import Column, print_table
from fibcore.cli import echo, write_json
from fibcore.errors import UsageError, sized
from fibcore.text import shown

UNITS_S = {"h": 3600.0, "d": 86400.0, "w": 604800.0}
UNITS_BYTES = {"": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12}
KEY_SHOWN = 12


def list_command(cache: Path, out: Path, as_json: bool) -> None:
    """List the steps in a cache, the most recently used last."""
    found = Cache(cache, [out]).kept()
    if as_json:
        write_json([_json(item) for item in found])
        return
    _print(found)
    echo(f"{_counted(found)} in {cache}")


def verify_command(cache: Path, as_json: bool) -> None:
    """Check all hashes; exit with code 1 if a file has changed since it was written."""
    found = list(Cache(cache).damaged())
    wrong = [(item, problem) for item, problem in found if problem]
    if as_json:
        write_json([{**_json(item), "problem": problem} for item, problem in found])
    else:
        for item, problem in wrong:
            echo(f"{item.folder} ({item.plugin or 'unknown'}): {problem}")
        if wrong:
            echo(
                f"{len(wrong)} of {len(found)} finished steps are damaged; they are computed again "
                f"when needed"
            )
        else:
            echo(f"{_counted([item for item, _ in found])} in {cache}: all as they were written")
    if wrong:
        raise typer.Exit(1)


def prune_command(
    cache: Path,
    out: Path,
    older_than: str | None,
    to_size: str | None,
    unused: bool,
    dry_run: bool,
) -> None:
    """Remove the steps that the options select from a cache."""
    if older_than is None and to_size is None and not unused:
        raise UsageError(
            "select what to remove: --older-than 30d (not used for this time), --to-size 20GB "
            "(least recently used, until the rest has this size), --unused (used by no run)"
        )
    chosen = {
        "older_than_s": None if older_than is None else seconds_of(older_than),
        "to_bytes": None if to_size is None else bytes_of(to_size),
    }
    store = Cache(cache, [out])
    kept = store.kept()
    items = superfluous(kept, unused=unused, **chosen)  # type: ignore[arg-type]
    if dry_run:
        _print(items)
        echo(f"{_counted(items)} of {_counted(kept)} would be removed")
        return
    removed, left = store.prune(items)
    for item in left:
        echo(f"kept {item.folder}: a run is using it")
    echo(f"removed {_counted(removed)}; {_counted([i for i in kept if i not in removed])} are left")


def seconds_of(text: str) -> float:
    """Return an age such as ``30d``, ``12h`` or ``2w`` in seconds.

    Raises:
        UsageError: the text is not an age.
    """
    found = re.fullmatch(r"(\d{1,6}(?:\.\d+)?)\s*([hdw])", text.strip())
    if not found:
        raise UsageError(
            f"--older-than {shown(text, 60)}: write a number of hours, days or weeks, as 12h, 30d "
            f"or 8w"
        )
    return float(found[1]) * UNITS_S[found[2]]


def bytes_of(text: str) -> int:
    """Return a size such as ``500MB`` or ``20 GB`` in bytes.

    Raises:
        UsageError: the text is not a size.
    """
    found = re.fullmatch(r"(\d{1,18}(?:\.\d+)?)\s*([kmgt]b|)", text.strip().lower())
    if not found:
        raise UsageError(
            f"--to-size {shown(text, 60)}: write a size in kB, MB, GB or TB, as 500MB or 20GB"
        )
    return int(float(found[1]) * UNITS_BYTES[found[2]])


def _print(items: Sequence[Kept]) -> None:
    columns = [
        Column("key"),
        Column("plugin"),
        Column("size", right=True),
        Column("last used"),
        Column("runs", right=True),
        Column(""),
    ]
    rows = [
        [
            item.key[:KEY_SHOWN],
            item.plugin,
            sized(item.nbytes),
            f"{datetime.fromtimestamp(item.used):%Y-%m-%d %H:%M}",
            str(len(item.runs)),
            "" if item.finished else "unfinished",
        ]
        for item in items
    ]
    if rows:
        print_table(columns, rows)


def _counted(items: Sequence[Kept]) -> str:
    size = sized(sum(item.nbytes for item in items))
    return f"{len(items)} step{'' if len(items) == 1 else 's'} ({size})"


def _json(item: Kept) -> dict[str, object]:
    return {
        "key": item.key,
        "folder": str(item.folder),
        "plugin": item.plugin,
        "finished": item.finished,
        "bytes": item.nbytes,
        "last_used": datetime.fromtimestamp(item.used).astimezone().isoformat(timespec="seconds"),
        "runs": [str(run) for run in item.runs],
    }
