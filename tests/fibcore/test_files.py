from __future__ import annotations

import os

import pytest

from fibcore import FibError
from fibcore.files import (
    LinkError,
    check_own,
    check_own_tree,
    discard,
    own_folder,
    read_whole,
    tidy,
    write_whole,
)


def test_a_file_is_written_as_a_whole_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / "a.json"
    write_whole(path, "one\n")
    assert path.read_bytes() == b"one\n"

    def fail(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="No space"):
        write_whole(path, "two")
    assert path.read_bytes() == b"one\n"
    assert list(tmp_path.iterdir()) == [path]


def test_writing_replaces_a_link_and_not_what_it_leads_to(tmp_path):
    (tmp_path / "precious").write_text("keep me")
    link = tmp_path / "a.json"
    link.symlink_to("precious")
    write_whole(link, "new")
    assert (tmp_path / "precious").read_text() == "keep me"
    assert not link.is_symlink()


def test_what_is_no_file_or_too_large_is_not_read(tmp_path):
    (tmp_path / "large").write_bytes(b"x" * 101)
    with pytest.raises(FibError, match="more than 100 bytes"):
        read_whole(tmp_path / "large", 100)
    with pytest.raises(FibError, match="is not a file but a folder"):
        read_whole(tmp_path, 100)
    with pytest.raises(FibError, match="is not a file but a device"):
        read_whole(type(tmp_path)("/dev/zero"), 100)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes as files here")
def test_tidying_waits_for_no_pipe_and_leaves_what_is_no_folder(tmp_path):
    os.mkfifo(tmp_path / ".discarded-pipe")
    (tmp_path / "precious").mkdir()
    (tmp_path / ".discarded-link").symlink_to("precious")
    (tmp_path / ".discarded-file").write_text("x")
    (tmp_path / ".discarded-folder").mkdir()
    tidy(tmp_path)
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {"precious", ".discarded-pipe", ".discarded-link", ".discarded-file"}


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes as files here")
def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(FibError, match="is not a file but a pipe"):
        read_whole(tmp_path / "pipe", 100)


def test_links_are_distinguished_from_own_files(tmp_path):
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "a").write_text("keep me")
    (tmp_path / "folder").symlink_to("precious")
    (tmp_path / "dangling").symlink_to("nowhere")
    (tmp_path / "hard").hardlink_to(tmp_path / "precious" / "a")
    assert check_own(tmp_path / "none", folder=True) is False
    assert check_own(tmp_path / "precious", folder=True) is True
    for name, folder in (
        ("folder", True),
        ("dangling", True),
        ("hard", False),
        ("precious", False),
    ):
        with pytest.raises(LinkError, match="check where it leads, and remove it") as caught:
            check_own(tmp_path / name, folder=folder)
        assert caught.value.exit_code == 2
    with pytest.raises(LinkError, match="is a link to precious"):
        own_folder(tmp_path / "folder")
    with pytest.raises(LinkError):
        discard(tmp_path / "folder")
    (tmp_path / "tree" / "deep").mkdir(parents=True)
    check_own_tree(tmp_path / "tree")
    (tmp_path / "tree" / "deep" / "link").symlink_to("/etc/passwd")
    with pytest.raises(LinkError, match="/etc/passwd"):
        check_own_tree(tmp_path / "tree")
    assert (tmp_path / "precious" / "a").read_text() == "keep me"


def test_a_folder_that_was_half_deleted_is_gone_under_its_name_and_tidied_up(tmp_path, monkeypatch):
    folder = own_folder(tmp_path / "step")
    (folder / "a").write_text("x")
    monkeypatch.setattr("shutil.rmtree", lambda *args, **kwargs: None)  # killed just before
    discard(folder)
    assert not folder.exists()
    assert len(list(tmp_path.iterdir())) == 1
    monkeypatch.undo()
    tidy(tmp_path)
    assert list(tmp_path.iterdir()) == []
