"""The core stays small enough to be read in a day."""

from __future__ import annotations

from pathlib import Path

CORE = Path(__file__).parents[1] / "fibcore"
MOST_LINES = 8500


def test_the_core_stays_small() -> None:
    lines = {
        path.relative_to(CORE).as_posix(): path.read_text(encoding="utf-8").count("\n")
        for path in CORE.rglob("*.py")
    }
    total = sum(lines.values())
    assert len(lines) > 50
    assert total < MOST_LINES, (
        f"fibcore has {total} lines, {MOST_LINES} is the limit. The core holds contracts, volumes, "
        f"tables, models, the pipeline, the store, and the commands that run pipelines; "
        f"implementations, views and other commands go to plugins/. The longest files: "
        f"{sorted(lines, key=lambda name: -lines[name])[:5]}"
    )
