from __future__ import annotations

import re

import pytest

EXTERNAL = re.compile(r"<(?:script|link|img|iframe|source)\b[^>]*(?:src|href)=\"?(?:https?:)?//")


@pytest.fixture(scope="module")
def site(tmp_path_factory, request):
    from mkdocs.commands.build import build
    from mkdocs.config import load_config

    folder = tmp_path_factory.mktemp("site")
    mkdocs_yml = request.config.rootpath / "mkdocs.yml"
    build(load_config(str(mkdocs_yml), site_dir=str(folder), strict=True))
    return folder


def test_the_site_loads_nothing_from_elsewhere(site):
    pages = list(site.rglob("*.html"))
    assert len(pages) > 15
    for page in pages:
        assert not EXTERNAL.search(page.read_text()), page
        assert 'class="mermaid"' not in page.read_text(), "the theme would load it from elsewhere"
    for sheet in site.rglob("*.css"):
        assert not re.search(r"(@import|url\()\s*[\"']?(https?:)?//", sheet.read_text()), sheet


def test_the_reference_is_made_from_the_code(site):
    plugins = (site / "reference" / "plugins.html").read_text()
    assert 'id="segmenter-unet"' in plugins
    assert "early_stopping_patience" in plugins
    assert "--no-resource-check" in (site / "reference" / "cli.html").read_text()
    assert "NMC811" in (site / "reference" / "materials.html").read_text()
    assert "voxel_size_nm" in (site / "reference" / "pipeline-file.html").read_text()
    assert (site / "img" / "images-4kv.png").read_bytes().startswith(b"\x89PNG")
    assert not list(site.rglob("*.py"))
