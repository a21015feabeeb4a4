"""Arrays in files that are made again if they are damaged."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from fibcore.files import write_whole


def save_arrays(path: Path, **arrays: np.ndarray) -> None:
    """Write arrays to an .npz file; a kill leaves the old file or the new one."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type]  # as its stub has it
    write_whole(path, buffer.getvalue(), lasting=False)


def saved_arrays(path: Path, names: Sequence[str]) -> dict[str, np.ndarray] | None:
    """Return saved arrays; None if there is no file, or it is damaged."""
    if not path.exists():
        return None
    try:
        with zipfile.ZipFile(path) as container:
            if container.testzip() is not None:  # compares all content with its checksums
                return None
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in names}
    except Exception:  # a damaged container can raise anything
        return None
