"""The example notebook is the page of the guide, and its cells run."""

from __future__ import annotations

import nbformat
from nbclient import NotebookClient

from tools import make_notebook


def test_the_notebook_has_the_cells_of_the_page(blocks_in):
    assert make_notebook.NOTEBOOK.read_text() == make_notebook.text(), "run tools/make_notebook.py"
    notebook = nbformat.read(make_notebook.NOTEBOOK, as_version=4)
    nbformat.validate(notebook)
    code = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    page = blocks_in(make_notebook.PAGE)
    assert code == [block.text.strip() for block in page if block.language == "python"]


def test_links_of_the_notebook_lead_to_files():
    for target in make_notebook.LINK.findall("".join(make_notebook.text())):
        assert (make_notebook.NOTEBOOK.parent / target.split("#")[0]).exists(), target


def test_the_notebook_runs_and_shows_volumes_and_tables(tmp_path):
    notebook = nbformat.read(make_notebook.NOTEBOOK, as_version=4)
    client = NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(tmp_path)}})
    client.execute()
    shown = [
        output["data"]["text/html"]
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        if "text/html" in output.get("data", {})
    ]
    assert ["<svg" in html for html in shown] == [True, True, False]
    assert (tmp_path / "images.tif").exists()
