"""The steps that load and correct the stack."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fib_plugins.reconstruct.plan import Plan

LABELS_FILE = "labels.tif"
"""Labels of the user, in the folder of the pipeline."""

Step = dict[str, Any]
Input = str | list[str] | dict[str, Any]


class Preparation:
    """The steps, one after the other; the last one is ``prepared``.

    Attributes:
        steps: in their order.
        labels: the labels of the user, moved and cut like the images; None without labels.
    """

    def __init__(self, plan: Plan, folder: Path) -> None:
        self.steps: list[Step] = []
        self.labels: Input | None = None
        self._images: Input = ""
        self._load(plan, folder)
        self._correct(plan)

    def _load(self, plan: Plan, folder: Path) -> None:
        several = len(plan.stack.sources) > 1
        for number, params in enumerate(plan.stack.params):
            step: Step = {"id": f"stack_{number + 1}" if several else "stack"}
            step["load"] = plan.source(number, folder)
            self.steps.append(step | ({"params": params} if params else {}))
        self._images = [step["id"] for step in self.steps] if several else "stack"
        if plan.labels:
            self.steps.append(
                {
                    "id": "drawn",
                    "note": f"labels of {len(plan.labels)} slices; 255 is unknown",
                    "load": LABELS_FILE,
                    "params": {"as": "labels"},
                }
            )
            self.labels = "drawn"

    def _correct(self, plan: Plan) -> None:
        request, defects = plan.request, plan.defects
        seen = {finding.subject: finding.found for finding in plan.findings}
        if defects.cropped or defects.moves:
            self._add("face", "crop", f"at the edges: {seen['data bar, borders']}")
        if request.face_angle_deg is not None and request.face_angle_deg < 90:
            self._add("upright", "tilt", "angle as given", angle_deg=request.face_angle_deg)
        if defects.moves:
            self._add(
                "aligned",
                "align",
                f"{seen['drift']}. Slow drift is removed, too: the structure has no preferred "
                f"inclination; for columns or layers set remove to jitter",
                remove="all",
            )
            shifts = {"from": "aligned", "artefact": "corrections"}
            note = "the field that all slices share"
            self._add("field", "crop", note, {"shifts": shifts}, find=[])
        note = f"{seen['brightness']}; nothing is done that is not significant"
        self._add("levelled", "level", note)
        note = f"curtains: {seen['curtains']}; unchanged where none are visible"
        self._add("prepared", "destripe", note, labels=False)

    def _add(
        self,
        step_id: str,
        corrector: str,
        note: str,
        inputs: dict[str, Any] | None = None,
        *,
        labels: bool = True,
        **params: Any,
    ) -> None:
        """Append a corrector, which moves the labels as it moves the images."""
        given = {"images": self._images, **(inputs or {})}
        if labels and self.labels is not None:
            given["labels"] = self.labels
            self.labels = {"from": step_id, "artefact": "labels"}
        step = {"id": step_id, "note": note, "run": f"corrector/{corrector}", "inputs": given}
        self.steps.append(step | ({"params": params} if params else {}))
        self._images = step_id
