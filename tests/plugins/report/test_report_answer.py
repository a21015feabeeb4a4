"""The answer that opens a page: numbers with intervals, the solid, what metrics decide."""

from __future__ import annotations

import numpy as np
import pytest

from fib_plugins.report.answer import numbers
from fib_plugins.report.solid_view import solid_picture
from fibcore import Labels, Table
from fibcore.roles import Figure, Key, roles_from_json, roles_to_json


def test_limits_share_the_cell_of_their_figure() -> None:
    roles = {"quantity": Key(), "corrected": Figure(limits=("low", "high"))}
    table = Table(
        {"quantity": ["solid fraction"], "corrected": [0.4312], "low": [0.42], "high": [0.44]},
        roles=roles,
    )
    grid = numbers(table)
    assert [cell.text for cell in grid.rows[0]] == ["solid fraction", "0.4312  [0.4200, 0.4400]"]
    assert [cell.title for cell in grid.head] == ["quantity", "corrected"]


def test_roles_with_limits_are_stored() -> None:
    roles = {"corrected": Figure(limits=("low", "high"))}
    assert roles_from_json(roles_to_json(roles)) == roles


def ball(shape: tuple[int, int, int], voxel_nm: tuple[float, float, float]) -> Labels:
    """Return a ball of 30 nm in the middle of a volume."""
    axes = [(np.arange(n) + 0.5 - n / 2) * nm for n, nm in zip(shape, voxel_nm, strict=True)]
    z, y, x = np.meshgrid(*axes, indexing="ij")
    return Labels((z**2 + y**2 + x**2 < 15**2).astype(np.uint8), voxel_nm)


@pytest.mark.parametrize(
    ("shape", "voxel_nm"), [((40, 40, 40), (1.0, 1.0, 1.0)), ((10, 20, 40), (4.0, 2.0, 1.0))]
)
def test_a_ball_looks_round_from_all_sides_and_is_lit(
    shape: tuple[int, int, int], voxel_nm: tuple[float, float, float]
) -> None:
    picture = solid_picture(ball(shape, voxel_nm))
    rows, columns = picture.shape[:2]
    assert abs(rows / columns - 1) < 0.08  # voxels of 4 nm
    seen = picture[..., 3] > 0
    assert np.mean(seen) == pytest.approx(np.pi / 4, abs=0.04)
    upper, lower = np.array_split(picture[..., :3].sum(axis=-1).astype(float), 2)
    assert upper[seen[: len(upper)]].mean() > 1.2 * lower[seen[len(upper) :]].mean()


def test_the_first_slice_is_the_top_of_the_picture() -> None:
    data = np.zeros((30, 30, 30), np.uint8)
    data[0] = 1  # a plate, which would hide all from above
    data[15:, 14:16, 14:16] = 2
    picture = solid_picture(Labels(data, (1.0, 1.0, 1.0)))
    rows = [np.nonzero(_is_of(picture, phase))[0].mean() for phase in (1, 2)]
    assert rows[0] < rows[1]


def _is_of(picture: np.ndarray, phase: int) -> np.ndarray:
    """Return where the hue is that of a phase."""
    from fib_plugins.report import palette

    colour = np.array(palette.rgb(palette.phase(phase)), float)
    shown = picture[..., :3].astype(float)
    cosine = shown @ colour / (np.linalg.norm(shown, axis=-1) * np.linalg.norm(colour) + 1e-9)
    return (picture[..., 3] > 0) & (cosine > 0.998)


def test_nothing_is_a_transparent_picture() -> None:
    picture = solid_picture(Labels(np.zeros((4, 4, 4), np.uint8), (1.0, 1.0, 1.0)))
    assert not picture.any()
