"""Volumes and tables as a notebook shows them."""

from __future__ import annotations

import base64
import io
import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from PIL import Image

from fib_plugins.notebook import PHASES, SIDE
from fibcore import Images, Labels, Material, Table, Volume
from fibcore.elements import element

CARBON, TUNGSTEN = (Material.of_element(element(symbol)) for symbol in ("C", "W"))


def svg_of(html):
    """Return the drawing of a volume; it is well-formed XML."""
    return ET.fromstring(re.search(r"<svg.*</svg>", html, re.DOTALL)[0])


def pictures(html):
    """Return each picture as an array, with its width and height on the screen."""
    found = []
    for image in svg_of(html).iter("image"):
        data = base64.b64decode(image.get("href").split(",")[1])
        size = float(image.get("width")), float(image.get("height"))
        found.append((np.asarray(Image.open(io.BytesIO(data)).convert("RGB")), size))
    return found


def texts(html):
    return [text.text for text in svg_of(html).iter("text")]


@pytest.fixture
def corner():
    """Labels that are solid where z, y and x are all in the first half."""
    data = np.zeros((4, 6, 8), np.uint8)
    data[:3, :2, :5] = 1
    return Labels(data, (10, 5, 5), phases={0: CARBON, 1: TUNGSTEN})


def colour(phase):
    return tuple(bytes.fromhex(PHASES[phase][1:]))


def test_the_planes_go_through_the_middle_in_true_proportions(corner):
    (xy, xy_size), (xz, xz_size), (zy, zy_size) = pictures(corner._repr_html_())
    z, y, x = (n // 2 for n in corner.shape)
    for shown, plane in (
        (xy, corner.data[z]),
        (xz, corner.data[:, y]),
        (zy, corner.data[:, :, x].T),
    ):
        expected = np.where(plane[..., None] == 1, colour(1), colour(0))
        np.testing.assert_array_equal(shown, expected)
    assert xy_size == (SIDE, SIDE * 30 / 40)
    assert xz_size == (SIDE, SIDE)
    assert zy_size == (SIDE, SIDE * 30 / 40)


def test_labels_are_named_with_their_share(corner):
    found = texts(corner._repr_html_())
    assert {"0 C", "1 W"} <= set(found)
    planes = [corner.data[2], corner.data[:, 3], corner.data[:, :, 4]]
    share = np.concatenate([plane.ravel() for plane in planes]).mean()
    assert f"{100 * share:.1f} %" in found


def test_a_phase_without_a_material_is_shown_too(corner):
    labels = corner.with_data(corner.data * 200)
    assert "200 " in texts(labels._repr_html_())


@pytest.mark.parametrize(
    ("nm", "bar"), [(0.1, "2 nm"), (5, "100 nm"), (100, "2 \N{MICRO SIGN}m"), (26, "500 nm")]
)
def test_the_scale_bar_has_a_round_length_that_fits_the_picture(nm, bar):
    html = Labels(np.eye(40, dtype=np.uint8)[None], nm)._repr_html_()
    assert texts(html)[-1] == bar
    number, unit = bar.split()
    length = float(number) * (1000 if unit != "nm" else 1)
    width = float(list(svg_of(html).iter("rect"))[-1].get("width"))
    assert width == pytest.approx(length / (40 * nm) * SIDE, abs=0.1)


def test_each_channel_has_its_pictures_and_its_histogram():
    ramp = np.linspace(0, 1, 4 * 6 * 8, dtype=np.float32).reshape(4, 6, 8)
    images = Images(np.stack([ramp, 0.5 * ramp]), 5, kv=(1, 4), quantity="yield")
    html = images._repr_html_()
    assert len(pictures(html)) == 6
    found = texts(html)
    assert "1 kV: xy, z = 2" in found
    assert "4 kV: xy, z = 2" in found
    assert found.count("yield in these planes") == 2
    (first, _), *_ = pictures(html)
    assert (np.diff(first[..., 0].ravel().astype(int)) >= -3).all(), "dark to bright, as the ramp"


def test_more_channels_than_fit_are_counted():
    html = Images(np.zeros((7, 2, 2, 2), np.uint8), 5, kv=range(1, 8))._repr_html_()
    assert len(pictures(html)) == 12
    assert "and 3 more channels" in html


@pytest.mark.parametrize(
    "volume",
    [
        Volume(np.zeros((1, 1, 1), bool), 1),
        Volume(np.full((2, 3, 4), -7, np.int64), 1),
        Images(np.full((2, 3, 4), np.nan, np.float32), 1, kv=(None,)),
        Images(np.full((2, 3, 4), np.inf, np.float32), 1, kv=(2,)),
        Images(np.arange(24, dtype=np.uint16).reshape(2, 3, 4) * 2000, (1, 100, 1), kv=(2,)),
    ],
)
def test_any_volume_can_be_shown(volume):
    assert len(pictures(volume._repr_html_())) == 3


def test_names_are_no_markup():
    html = Images(np.zeros((2, 2, 2), np.uint8), 1, kv=(1,), names=("<script>x\x1b",))._repr_html_()
    assert "<script" not in html
    assert "&lt;script&gt;x\\x1b" in html


class Counting(np.ndarray):
    """An array that counts what is read from it."""

    read: int = 0

    def __getitem__(self, key):
        part = super().__getitem__(key)
        if part.ndim < 3:
            Counting.read += part.size
        return part.view(np.ndarray) if part.ndim < 3 else part


def test_of_a_large_memory_mapped_volume_only_what_is_shown_is_read(tmp_path):
    with open(tmp_path / "v.raw", "wb") as file:
        file.truncate(100 * 10**9)  # a hole: it takes no space
    data = np.memmap(tmp_path / "v.raw", np.uint16, "r", shape=(2000, 5000, 5000)).view(Counting)
    html = Images(data, (10, 5, 5), kv=(2,))._repr_html_()
    assert 0 < Counting.read < 3 * (2 * SIDE) ** 2
    assert len(html) < 100_000


def test_a_table_shows_units_and_its_first_and_last_rows():
    table = Table({"z_nm": np.arange(100) * 5.0, "share_percent": np.linspace(0, 1, 100)})
    html = table._repr_html_()
    rows = re.findall(r"<tr>(.*?)</tr>", html)
    cells = [re.findall(r">([^<]*)</t[hd]>", row) for row in rows]
    assert cells[0] == ["z", "share"]
    assert cells[1] == ["nm", "%"]
    assert cells[2] == ["0", "0"]
    assert cells[-1] == ["495", "1"]
    assert ["... 88 more rows ..."] in cells
    assert "100 rows" in html
    assert len(cells) == 2 + 8 + 1 + 4


def test_a_table_of_one_row_has_a_line_for_each_figure():
    html = Table.from_rows([{"mp_percent": 12.345678, "note": None, "name": "<b>"}])._repr_html_()
    cells = [re.findall(r">([^<]*)</td>", row) for row in re.findall(r"<tr>(.*?)</tr>", html)]
    assert cells == [["mp", "12.346", "%"], ["note", "\N{EN DASH}", ""], ["name", "&lt;b&gt;", ""]]


def test_a_table_without_rows_or_columns_can_be_shown():
    assert "0 rows" in Table({})._repr_html_()
    assert "0 rows" in Table({"a_nm": []})._repr_html_()
