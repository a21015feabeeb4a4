"""Write examples/notebook.ipynb from docs/guide/python.md: the same text and code, without outputs.

python tools/make_notebook.py
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "guide" / "python.md"
NOTEBOOK = ROOT / "examples" / "notebook.ipynb"

CODE = re.compile(r"^```python\n(.*?)^```\n", re.DOTALL | re.MULTILINE)
GENERATED = re.compile(r"^<!-- generated: .* -->\n+", re.MULTILINE)
LINK = re.compile(r"\]\((?!\w+:)([^)]+)\)")


def notebook(page: str) -> dict[str, Any]:
    """Return a page as a notebook: Python blocks become code cells, what is between them text."""
    page = LINK.sub(r"](../docs/guide/\1)", GENERATED.sub("", page))
    cells: list[dict[str, Any]] = []
    for number, part in enumerate(CODE.split(page)):
        source = part.strip()
        if number % 2:
            kind: dict[str, Any] = {"cell_type": "code", "execution_count": None, "outputs": []}
        else:
            kind = {"cell_type": "markdown"}
        if source:
            lines = source.splitlines(keepends=True)
            cells.append({**kind, "id": f"cell-{len(cells)}", "metadata": {}, "source": lines})
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    metadata = {"kernelspec": kernel, "language_info": {"name": "python"}}
    return {"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}


def text() -> str:
    """Return the notebook as the text of its file."""
    content = notebook(PAGE.read_text(encoding="utf-8"))
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    NOTEBOOK.write_text(text(), encoding="utf-8")
    print(f"wrote {NOTEBOOK.relative_to(ROOT)}")
