"""Hashes of large files are taken once, and again as soon as a file may have changed."""

from __future__ import annotations

import hashlib
import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from fib_plugins.readers.slices import known_hashes
from fib_plugins.readers.slices.known_hashes import hashes_of
from fibcore import FibError


@pytest.fixture
def notes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Note hashes of files of any size and age, in a file of the test."""
    path = tmp_path / "notes" / "hashes.sqlite"
    monkeypatch.setattr(known_hashes, "notes_file", lambda: path)
    monkeypatch.setattr(known_hashes, "WORTH_NOTING_BYTES", 1)
    monkeypatch.setattr(known_hashes, "SETTLED_S", -1e9)
    return path


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the names of the files that were read."""
    names: list[str] = []
    real = known_hashes._hash

    def reading(path: Path) -> bytes:
        names.append(path.name)
        return real(path)

    monkeypatch.setattr(known_hashes, "_hash", reading)
    return names


def files(folder: Path, count: int = 3) -> list[Path]:
    paths = [folder / f"{number}.raw" for number in range(count)]
    for number, path in enumerate(paths):
        path.write_bytes(str(number).encode() * 100)
    return paths


def true(paths: list[Path]) -> list[bytes]:
    return [hashlib.sha256(path.read_bytes()).digest() for path in paths]


@pytest.mark.usefixtures("notes")
def test_files_that_do_not_change_are_read_once(tmp_path: Path, taken: list[str]) -> None:
    paths = files(tmp_path, 600)
    assert hashes_of(paths) == true(paths)
    assert len(taken) == 600
    assert hashes_of(paths[::-1]) == true(paths)[::-1]
    assert len(taken) == 600


@pytest.mark.usefixtures("notes")
def test_a_changed_file_is_read_again_whatever_its_times_say(
    tmp_path: Path, taken: list[str]
) -> None:
    paths = files(tmp_path)
    hashes_of(paths)
    before = paths[1].stat()
    paths[1].write_bytes(b"x" * 100)  # of the same size
    os.utime(paths[1], ns=(before.st_atime_ns, before.st_mtime_ns))
    other = tmp_path / "other"
    other.write_bytes(b"y" * 100)
    other.replace(paths[2])
    taken.clear()
    assert hashes_of(paths) == true(paths)
    assert sorted(taken) == ["1.raw", "2.raw"]


@pytest.mark.usefixtures("notes")
def test_the_target_of_a_link_counts(tmp_path: Path) -> None:
    first, second, _ = files(tmp_path)
    link = tmp_path / "link.raw"
    link.symlink_to(first)
    assert hashes_of([link]) == true([first])
    link.unlink()
    link.symlink_to(second)
    assert hashes_of([link]) == true([second])


@pytest.mark.usefixtures("notes")
def test_a_file_that_has_just_changed_is_not_noted(
    tmp_path: Path, taken: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(known_hashes, "SETTLED_S", 3600.0)
    paths = files(tmp_path)
    for _ in range(2):
        assert hashes_of(paths) == true(paths)
    assert len(taken) == 6


def test_small_files_leave_no_notes(
    notes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(known_hashes, "WORTH_NOTING_BYTES", 301)
    hashes_of(files(tmp_path))
    assert not notes.exists()


@pytest.mark.parametrize("content", [b"", b"not a database", b"\0" * 5000])
def test_damaged_notes_do_no_harm(notes: Path, tmp_path: Path, content: bytes) -> None:
    notes.parent.mkdir()
    notes.write_bytes(content)
    paths = files(tmp_path)
    for _ in range(2):
        assert hashes_of(paths) == true(paths)


def test_a_note_of_another_form_is_taken_again(notes: Path, tmp_path: Path) -> None:
    paths = files(tmp_path)
    hashes_of(paths)
    with closing(sqlite3.connect(notes)) as connection, connection:
        connection.execute("UPDATE hashes SET sha256 = 'short'")
    assert hashes_of(paths) == true(paths)


def test_a_folder_that_cannot_be_made_does_no_harm(notes: Path, tmp_path: Path) -> None:
    notes.parent.write_text("a file, not a folder")
    paths = files(tmp_path)
    assert hashes_of(paths) == true(paths)


def test_the_oldest_notes_are_dropped(
    notes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(known_hashes, "MOST_NOTES", 2)
    for path in files(tmp_path, 4):
        hashes_of([path])
    with closing(sqlite3.connect(notes)) as connection:
        names = {Path(name).name for (name,) in connection.execute("SELECT path FROM hashes")}
    assert names == {"2.raw", "3.raw"}


@pytest.mark.usefixtures("notes")
def test_a_missing_file_is_reported(tmp_path: Path) -> None:
    with pytest.raises(FibError, match=r"none\.raw cannot be read"):
        hashes_of([tmp_path / "none.raw"])
