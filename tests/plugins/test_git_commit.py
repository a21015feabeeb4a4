from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from fib_plugins.git_commit import commit_of

HASH = "0123456789abcdef0123456789abcdef01234567"


def git(folder, *arguments):
    identity = ["-c", "user.name=a", "-c", "user.email=a@b"]
    done = subprocess.run(
        ["git", "-C", str(folder), *identity, *arguments],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    return done.stdout.strip()


@pytest.fixture
def checkout(tmp_path):
    """A repository with one commit, and its folder."""
    folder = tmp_path / "checkout"
    folder.mkdir()
    git(folder, "init", "--quiet")
    (folder / "p.json").write_text("{}")
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "-m", "first")
    return folder


def planted(folder, **files):
    """Return a folder with a .git folder of these files; __ in a name stands for /."""
    for name, text in {"HEAD": "ref: refs/heads/main\n", **files}.items():
        path = folder / ".git" / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def test_the_commit_is_that_of_git(checkout):
    (checkout / "inner" / "folder").mkdir(parents=True)
    head = git(checkout, "rev-parse", "HEAD")
    assert commit_of(checkout) == head
    assert commit_of(checkout / "inner" / "folder") == head
    git(checkout, "pack-refs", "--all")
    assert commit_of(checkout) == head
    git(checkout, "checkout", "--quiet", "--detach")
    assert commit_of(checkout) == head


def test_a_work_tree_beside_the_checkout_has_its_own_commit(checkout, tmp_path):
    git(checkout, "worktree", "add", "--quiet", "-b", "side", str(tmp_path / "side"))
    git(tmp_path / "side", "commit", "--quiet", "--allow-empty", "-m", "second")
    side = git(tmp_path / "side", "rev-parse", "HEAD")
    assert commit_of(tmp_path / "side") == side != commit_of(checkout)
    git(checkout, "pack-refs", "--all")
    assert commit_of(tmp_path / "side") == side


def test_no_checkout_and_no_commit_yet_are_no_commit(tmp_path):
    assert commit_of(tmp_path) is None
    assert commit_of(tmp_path / "not there") is None
    git(tmp_path, "init", "--quiet")
    assert commit_of(tmp_path) is None


@pytest.mark.parametrize(
    "files",
    [
        {"HEAD": "ref: refs/heads/a\n", "refs__heads__a": "ref: refs/heads/a\n"},
        {"HEAD": "ref: ../../../secret\n"},
        {"HEAD": "ref: refs/../../secret\n"},
        {"HEAD": "ref: /etc/passwd\n"},
        {"HEAD": "x" * 10**6},
        {"HEAD": ""},
        {"refs__heads__main": "no commit\n"},
        {"refs__heads__main__below": HASH},
        {"packed-refs": "# only a remark\n" + "0" * 10**6},
        {"HEAD": "\x00" * 100},
    ],
)
def test_what_is_no_reference_is_no_commit(tmp_path, files):
    (tmp_path / "secret").write_text(HASH)
    assert commit_of(planted(tmp_path / "planted", **files)) is None


def test_a_work_tree_whose_repository_is_gone_is_none_of_the_one_around_it(checkout):
    module = checkout / "module"
    module.mkdir()
    (module / ".git").write_text("gitdir: ../.git/modules/module\n")
    assert commit_of(checkout) is not None
    assert commit_of(module) is None


def test_branches_have_names_in_any_encoding(checkout):
    git(checkout, "checkout", "--quiet", "-b", os.fsdecode(b"z\xe4hlen"))
    head = git(checkout, "rev-parse", "HEAD")
    assert commit_of(checkout) == head
    git(checkout, "pack-refs", "--all")
    assert commit_of(checkout) == head


def test_planted_pointers_lead_nowhere_and_are_no_commit(tmp_path):
    for text in ("gitdir: /proc/self/mem", "gitdir: .git", "gitdir: " + "a/" * 3000, "\xff", ""):
        (tmp_path / ".git").write_text(text)
        assert commit_of(tmp_path) is None


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes as files here")
def test_pipes_and_links_in_a_ring_are_not_waited_for(tmp_path):
    folder = planted(tmp_path, refs__heads__main=HASH)
    assert commit_of(folder) == HASH
    (folder / ".git" / "refs" / "heads" / "main").unlink()
    os.mkfifo(folder / ".git" / "refs" / "heads" / "main")
    assert commit_of(folder) is None
    (folder / ".git" / "HEAD").unlink()
    (folder / ".git" / "HEAD").symlink_to("HEAD")
    assert commit_of(folder) is None


PROGRAMS = {
    "fsmonitor": "[core]\n fsmonitor = {program}\n",
    "filter": '[filter "x"]\n clean = {program}\n required = true\n',
    "pager": "[core]\n pager = {program}\n hooksPath = hooks\n sshCommand = {program}\n",
    "alias": '[alias]\n rev-parse = "!{program}"\n status = "!{program}"\n',
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_run_starts_no_program_that_a_repository_configures(bench, steps, checkout, name):
    started = checkout.parent / "started"
    program = checkout.parent / "program"
    program.write_text(f"#!/bin/sh\ntouch {started}\n")
    program.chmod(0o755)
    config = checkout / ".git" / "config"
    config.write_text(config.read_text() + PROGRAMS[name].format(program=program))
    (checkout / ".gitattributes").write_text("* filter=x\n")
    (checkout / "p.json").write_text("changed")
    bench.folder = checkout
    result = bench.run(steps)
    assert json.loads((result.folder / "provenance.json").read_text())["git"]["commit"]
    assert not started.exists()


def test_provenance_starts_no_program_at_all(tmp_path):
    code = (
        "import sys, subprocess, os, fibcore\n"
        "from types import SimpleNamespace as N\n"
        "from pathlib import Path\n"
        "from fibcore.pipeline.provenance import Provenance\n"
        "from fibcore.registry import registry\n"
        "registry()\n"
        "def hook(name, arguments):\n"
        "    assert name not in ('subprocess.Popen', 'os.system', 'os.exec', 'os.posix_spawn')\n"
        "sys.addaudithook(hook)\n"
        "plan = N(base=Path('.'), pipeline=N(name='x', seed=1), warnings=())\n"
        "Provenance(Path('p.json'), plan, device='cpu', threads=1, command=[]).write()\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path)
    assert Path(tmp_path / "p.json").exists()
