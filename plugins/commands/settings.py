"""Values for the parameters of steps: one with ``--set``, several in a file of settings."""

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
    """A value for one parameter of a step, or of every step whose id matches a pattern.

    Attributes:
        step: id of a step, or a shell-style pattern (``*``, ``?``, ``[...]``) for ids.
        name: name of the parameter; ``load`` means the files of a load step.
        value: JSON value.
        files: value for ``load``: the value as an absolute path.
        origin: name of the setting in messages, e.g. ``--set unet.epochs``.
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
        """Whether `step` is a pattern; ids of steps contain none of these characters."""
        return any(character in self.step for character in "*?[")

    def means(self, step_id: str) -> bool:
        """Return whether the setting is for this step; case matters."""
        return fnmatchcase(step_id, self.step) if self.is_pattern else step_id == self.step


@dataclass(frozen=True)
class SettingsFile:
    """The content of a file of settings.

    Attributes:
        settings: in the order of the file.
        seed: seed of the pipeline, if the file sets it.
        text: the located text, for the places of problems.
        source: name of the file in messages.
    """

    settings: tuple[Setting, ...]
    seed: int | None
    text: LocatedJson
    source: str


def setting_of_option(option: str) -> Setting:
    """Parse ``--set STEP.PARAM=VALUE``; a VALUE that is not JSON is text.

    Files in ``STEP.load=...`` are relative to the working folder, as a shell completes them.

    Raises:
        UsageError: the option has another form, or its value cannot be stored.
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
    """Read a file of settings: a JSON object of STEP.PARAM -> value.

    It may also set ``seed``; ``description`` and ``$schema`` are ignored. Files in ``STEP.load``
    are relative to the folder of the settings.

    Raises:
        UsageError: the file is missing, not JSON, or has other keys; all problems are reported
            with their places.
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
