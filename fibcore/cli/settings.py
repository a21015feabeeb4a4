"""Values for the parameters of steps: one given with ``--set``, many in a file of settings."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from fibcore.errors import Problem, UsageError, did_you_mean, problem_list
from fibcore.jsontext import JsonError, SyntaxFault, check_text, parse_json
from fibcore.pipeline.locate import LocatedJson, read_object

SEED = "seed"
IGNORED = ("$schema", "description")


@dataclass(frozen=True)
class Setting:
    """A value for one parameter of a step, or of every step whose id fits a pattern.

    Attributes:
        step: a step's id, or a shell-style pattern (``*``, ``?``, ``[...]``) over ids.
        name: of the parameter; ``load`` is the files of a load step.
        value: JSON value.
        files: what ``load`` is set to: the value as an absolute path.
        origin: what to call it in messages, e.g. ``--set unet.epochs``.
    """

    step: str
    name: str
    value: Any
    files: Any
    origin: str

    @property
    def target(self) -> str:
        """STEP.PARAM, as written."""
        return f"{self.step}.{self.name}"

    @property
    def is_pattern(self) -> bool:
        """Whether it may mean several steps; the ids of steps hold none of these characters."""
        return any(character in self.step for character in "*?[")

    def means(self, step_id: str) -> bool:
        """Return whether it is for this step; upper and lower case differ."""
        return fnmatchcase(step_id, self.step) if self.is_pattern else step_id == self.step


@dataclass(frozen=True)
class SettingsFile:
    """What a file of settings says.

    Attributes:
        settings: in the order of the file.
        seed: the pipeline's, if it is set.
        text: for the places of what is wrong.
        source: what to call the file in messages.
    """

    settings: tuple[Setting, ...]
    seed: int | None
    text: LocatedJson
    source: str


def setting_of_option(option: str) -> Setting:
    """Return what ``--set STEP.PARAM=VALUE`` says; VALUE is JSON, or else text.

    Files given as ``STEP.load=...`` are relative to the working folder, as a shell completes them.

    Raises:
        UsageError: something else is written, or a value that cannot be kept.
    """
    target, equals, text = option.partition("=")
    step, dot, name = target.partition(".")
    if not (equals and dot and step and name):
        raise UsageError(f"--set {option}: write STEP.PARAM=VALUE, e.g. --set unet.epochs=20")
    try:
        check_text(option)
        value = parse_json(text)
    except SyntaxFault:
        value = text
    except JsonError as error:
        raise UsageError(f"--set {option}: {error}") from None
    return Setting(step, name, value, str(Path(text).absolute()), f"--set {target}")


def read_settings(path: Path) -> SettingsFile:
    """Return what a file of settings says: a JSON object of STEP.PARAM -> value.

    Beside these it may say ``seed``; ``description`` and ``$schema`` are for its readers. Files
    given as ``STEP.load`` are relative to the folder of the settings.

    Raises:
        UsageError: missing, not JSON, or with keys that are none of these; every problem is told
            with its place.
    """
    source = f"settings {path}"
    text = read_object(path, 'settings are a JSON object: {"STEP.PARAM": value, ...}')
    problems = text.problems or list(_problems(text))
    if problems:
        raise UsageError(problem_list(problems, source))
    settings = []
    for key, value in text.data.items():
        step, dot, name = key.partition(".")
        if dot:
            files = str((path.parent / value).absolute()) if isinstance(value, str) else value
            line, _ = text.line_column((key,)) or (1, 1)
            settings.append(Setting(step, name, value, files, f"{source}, line {line}"))
    return SettingsFile(tuple(settings), text.data.get(SEED), text, source)


def _problems(text: LocatedJson) -> Iterator[Problem]:
    for key, value in text.data.items():
        step, dot, name = key.partition(".")
        if key == SEED:
            if not isinstance(value, int) or isinstance(value, bool) or value < 0:
                yield text.problem((key,), f"must be a whole number, 0 or above, not {value!r}")
        elif key not in IGNORED and not (dot and step and name):
            hint = did_you_mean(key, [SEED, *IGNORED])
            yield text.problem(
                (key,), f'write "STEP.PARAM": value, e.g. "unet.epochs": 20, or "{SEED}".{hint}'
            )
