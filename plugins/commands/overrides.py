"""``--settings``, ``--set`` and ``--seed`` applied to the content of a pipeline file."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fib_plugins.commands.settings import Setting, SettingsFile, read_settings, setting_of_option
from fib_plugins.commands.step_parameters import step_parameters
from fibcore.errors import UsageError, did_you_mean, listed, problem_list
from fibcore.pipeline.locate import Path as Location


class Overridden:
    """A pipeline with parameters set from the command line.

    Attributes:
        document: content of the pipeline, with the settings.
        origins: place of each value that was set -> name of its setting.
        remarks: remarks on the settings for the user.
    """

    def __init__(self, document: Mapping[str, Any], base: Path) -> None:
        self.document = copy.deepcopy(dict(document))
        self.origins: dict[Location, str] = {}
        self.remarks: list[str] = []
        written = self.document.get("steps")
        self._base = base
        self._steps: dict[str, tuple[int, dict[str, Any]]] = {
            step["id"]: (index, step)
            for index, step in enumerate(written if isinstance(written, list) else [])
            if isinstance(step, dict) and isinstance(step.get("id"), str)
        }

    def use_file(self, given: SettingsFile) -> None:
        """Apply a file of settings in its order; entries for other pipelines are passed over.

        Raises:
            UsageError: patterns that match only steps without the parameter; names all of them.
        """
        if given.seed is not None:
            self.document["seed"] = given.seed
        problems, idle = [], []
        for setting in given.settings:
            steps = self._meant(setting)
            if not steps:
                idle.append(setting.target)
            try:
                self._put(setting, steps)
            except UsageError as error:
                problems.append(given.text.problem((setting.target,), str(error)))
        if problems:
            raise UsageError(problem_list(problems, given.source))
        if idle:
            self.remarks.append(
                f"{given.source}: {len(idle)} of {len(given.settings)} entries "
                f"concern{'s' if len(idle) == 1 else ''} no step of this pipeline: {listed(idle)}"
            )

    def use_option(self, option: str) -> None:
        """Apply ``--set STEP.PARAM=VALUE``.

        Raises:
            UsageError: the option has another form, or matches no step of the pipeline.
        """
        setting = setting_of_option(option)
        steps = self._meant(setting)
        if not steps:
            none = "no step matches" if setting.is_pattern else "there is no step"
            hint = did_you_mean(setting.step, self._steps) or f" The steps: {listed(self._steps)}."
            raise UsageError(f"--set {option}: {none} {setting.step!r}.{hint}")
        try:
            self._put(setting, steps)
        except UsageError as error:
            raise UsageError(f"--set {option}: {error}") from None

    def _meant(self, setting: Setting) -> list[str]:
        return [step_id for step_id in self._steps if setting.means(step_id)]

    def _put(self, setting: Setting, steps: Sequence[str]) -> None:
        for step_id in self._taking(setting, steps) if setting.is_pattern else steps:
            index, step = self._steps[step_id]
            if setting.name == "load" and "load" in step:
                step["load"] = setting.files
                self.origins["steps", index, "load"] = setting.origin
            elif isinstance(step.setdefault("params", {}), dict):  # else the check reports it
                step["params"][setting.name] = copy.deepcopy(setting.value)
                self.origins["steps", index, "params", setting.name] = setting.origin

    def _taking(self, setting: Setting, steps: Sequence[str]) -> list[str]:
        """Return those of the matching steps that have the parameter."""
        contents = {step_id: step for step_id, (_, step) in self._steps.items()}
        names = {
            step_id: step_parameters(contents[step_id], contents, self._base) for step_id in steps
        }
        taking = [step_id for step_id, allowed in names.items() if setting.name in (allowed or ())]
        if steps and not taking and None not in names.values():
            known = sorted({name for allowed in names.values() for name in allowed or ()})
            hint = did_you_mean(setting.name, known) or f" Their parameters: {listed(known)}."
            raise UsageError(
                f"none of the steps that match {setting.step!r} ({listed(steps)}) has a parameter "
                f"{setting.name!r} to set.{hint}"
            )
        return taking


def override(
    document: Mapping[str, Any],
    *,
    base: Path,
    files: Sequence[Path] = (),
    options: Sequence[str] = (),
    seed: int | None = None,
) -> Overridden:
    """Apply the settings of the command line to a pipeline; later settings override earlier ones.

    Args:
        document: content of the pipeline file.
        base: folder that paths in it are relative to.
        files: values of ``--settings``, applied first.
        options: values of ``--set``, applied second.
        seed: value of ``--seed``, applied last.

    Raises:
        UsageError: a setting that cannot be read or used.
    """
    result = Overridden(document, base)
    for path in files:
        result.use_file(read_settings(path))
    for option in options:
        result.use_option(option)
    if seed is not None:
        result.document["seed"] = seed
    return result
