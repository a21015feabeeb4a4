import random
import re
from pathlib import Path

import pytest

from fib_plugins.readers.slices.names import by_pattern, copied_from, kv_in, parse
from fib_plugins.readers.slices.order import (
    Order,
    independent,
    of_labels,
    put_in_order,
    same_numbers,
)


def ordered(names: list[str], shuffle: int = 1) -> Order:
    """Put names in order from a random one, as a disk may list them."""
    files = [Path(name) for name in names]
    random.Random(shuffle).shuffle(files)
    (group,) = by_pattern(parse(files, TIFF))
    assert not same_numbers(group)
    assert not independent(group)
    return put_in_order(group)


def of(pattern: str, *values: object) -> list[str]:
    return [pattern.format(value) for value in values]


TIFF = (".tif", ".tiff")
TWELVE = [f"{0.05 * i:g}" for i in range(1, 13)]


@pytest.mark.parametrize(
    ("names", "thickness_nm"),
    [
        (of("slice_{}um.tif", *TWELVE), 50),
        (of("slice_{}.tif", *TWELVE), None),
        (of("slice_{}um.tif", *(t.replace(".", ",") for t in TWELVE)), 50),
        (of("slice_{}um.tif", *(t.replace(".", "p") for t in TWELVE)), 50),
        (of("slice_{}um.tif", *(t.replace(".", "_") for t in TWELVE)), 50),
        (of("slice.{}um.tif", "05", "1", "15", "2", "25"), 50),
        (of("z{}.tif", *range(-4, 4)), None),
        (of("z_{:+d}.tif", *range(-4, 4)), None),
        (of("z=-{}.tif", *range(10, 1, -1)), None),
        (["z_m4.tif", "z_m3.tif", "z_p3.tif", "z_p12.tif"], None),
        (["zm2.tif", "zm1.tif", "z0.tif", "z1.tif", "z10.tif"], None),
        ([f"slice_{i:05d}_z={0.03 * i:.4f}um.tif" for i in range(12)], 30),
        ([f"z={0.03 * i:.4f}um_slice_{i}.tif" for i in range(12)], 30),
        (["z_900nm.tif", "z_950nm.tif", "z_1um.tif", "z_1.05um.tif"], 50),
        (of("z={}m.tif", "9.0e-08", "1.0e-07", "1.1e-07"), 10),
        (of("z {} microns.tif", "0.5", "1", "1.5", "2"), 500),
        (of("run-{}.tif", *range(1, 12)), None),
        (of("2024-01-05_10.33_s{}.tif", *range(8, 12)), None),
        (of("v1.{}.tif", *range(1, 12)), None),
        (of("img.{:04d}.tif", *range(8, 12)), None),
        ([f"{d}_s{i}.tif" for i, d in enumerate(("30-01", "31-01", "01-02", "02-02"))], None),
        ([f"{12 + m // 60}.{m % 60:02d}.{7 * m % 60:02d}.tif" for m in range(57, 64)], None),
        (["s_0.8.tif", "s_0.9.tif", "s_0.10.tif", "s_0.11.tif"], None),
        (["s1_9.tif", "s1_10.tif", "s2_1.tif"], None),
        (of("{}.tif", "30-Jan", "31-Jan", "01-Feb", "02-Feb", "10-Feb"), None),
        ([f"scan_{m}_{d:02d}.tif" for m in ("Jan", "Feb", "Mar") for d in (1, 2, 3)], None),
        (of("t{}_s.tif", "31Dec2023", "01Jan2024", "02Jan2024"), None),
        (of("{}.tif", "April 30", "May 1", "May 2"), None),
        (of("{}_080531.tif", "30.06.2024", *(f"{d:02d}.07.2024" for d in range(1, 12))), None),
        (of("x0.5 {}.tif", "2024-06-29", "2024-06-30", "2024-07-01", "2024-07-02"), None),
        (of("{}.tif", "01-30-2024", "01-31-2024", "02-01-2024"), None),
        (of("z--{}.tif", 20, 10) + of("z-{}.tif", 0, 10), None),
        (of("-{}.tif", "37.5", "25", "12.5"), None),
        (of("z{}nm.tif", "900", "950", "1,000", "1,050"), 50),
        (of("z{}nm.tif", "1,000", "1,200", "1,400"), 200),
        (of("z{}um.tif", "1,000", "1,200", "1,400"), 200),
    ],
)
def test_slices_are_ordered_by_the_values_in_their_names(
    names: list[str], thickness_nm: float | None
) -> None:
    for shuffle in range(5):
        order = ordered(names, shuffle)
        assert [file.name for file in order.files] == names
        assert order.thickness_nm == pytest.approx(thickness_nm)


@pytest.mark.parametrize(
    "names",
    [
        of("slice_{}um.tif", *TWELVE),
        of("z{}.tif", *range(-4, 4)),
        [f"slice_{i:05d}_z={0.03 * i:.4f}um.tif" for i in range(12)],
        of("run-{}.tif", *range(1, 12)),
        [f"2024-01-0{5 + i // 2}_2{i % 2}.1{i}_s{i:04d}.tif" for i in range(4)],
        [f"slice_{i}_of_100.tif" for i in range(1, 20)],
        [f"{d}-Jan_{i:03d}.tif" for i, d in enumerate((30, 30, 31, 31))],
        [f"{d}_{i:03d}.tif" for i, d in enumerate(("31-Jan", "31-Jan", "05-Feb", "06-Feb"))],
        of("t{}.tif", "080000", "081500", "120000", "235900"),
    ],
)
def test_what_is_clear_needs_no_remark(names: list[str]) -> None:
    assert ordered(names).remarks == ()


@pytest.mark.parametrize(
    ("names", "remark"),
    [
        (of("z{}.tif", "-30", "-20", "-10", "0"), "negative numbers.*lowest is the first"),
        (of("z-{}um.tif", 1, 2, 3), "dash.*is read as a separator"),
        ([f"slice_{i}_of_{9 - i}.tif" for i in range(9)], "order the slices differently"),
        (
            ["s1_8.tif", "s1_9.tif", "s2_1.tif"],
            "no single number in the names is that of the slice",
        ),
        (
            ["30-01_s1.tif", "31-01_s2.tif", "01-02_s3.tif"],
            "is used, because it has even steps, and not all",
        ),
        (["s_0.8.tif", "s_0.9.tif", "s_0.10.tif"], "can be decimals or two numbers"),
        (
            [f"r{i // 2}_c{i % 2}_{i:03d}.tif" for i in range(6)],
            "all combinations of .* tiles or channels",
        ),
        (of("z-{}.tif", "0.1", "0.2", "0.3"), "dash.*is read as a separator"),
        (of("z-{}.tif", 100, 200, 300), "dash.*is read as a separator"),
        (of("-{}.tif", 30, 20, 10), "negative numbers"),
        (of("{}.tif", "30-Dec", "31-Dec", "01-Jan"), "no year: December .* before January"),
        (of("{}.tif", "05-03-2024", "06-03-2024", "04-04-2024"), "begin with the day or the"),
        (of("t{}.tif", "000107", "000210", "235003", "235136"), "if the night started with 235003"),
    ],
)
def test_what_is_ambiguous_is_remarked_with_the_order_taken(names: list[str], remark: str) -> None:
    (found,) = ordered(names).remarks
    assert re.search(remark, found)


def test_uneven_steps_and_steps_back_of_positions_are_reported_with_their_sizes() -> None:
    at = [0, 0.03, 0.06, 0.12, 0.15, 0.18, 0.17, 0.20]
    order = ordered([f"slice_{i:05d}_z={z:.4f}um.tif" for i, z in enumerate(at)])
    (remark,) = order.remarks
    assert "are mostly 30 nm" in remark
    assert "60 nm from slice_00002_z=0.0600um.tif to slice_00003_z=0.1200um.tif" in remark
    assert "-10 nm from slice_00005" in remark
    assert order.thickness_nm == 30
    at = [0, 1, 1.7, 3.1, 3.5, 4.9]
    (remark,) = ordered([f"z={z}um.tif" for z in at]).remarks
    assert "from 400 nm to 1400 nm" in remark


def test_whole_positions_beside_a_counter_are_checked_too() -> None:
    names = [f"s{i:03d}_z={z}.tif" for i, z in enumerate((0, 10, 20, 15, 30, 40))]
    (remark,) = ordered(names).remarks
    assert "are mostly 10, but -5 from s002_z=20.tif to s003_z=15.tif" in remark


def test_positions_that_fall_while_numbers_rise_are_remarked() -> None:
    order = ordered([f"s{i}_z={300 - 10 * i}nm.tif" for i in range(5)])
    assert order.files[0].name == "s0_z=300nm.tif"
    assert "decrease by 10 nm per slice" in order.remarks[0]
    assert order.thickness_nm == 10


def test_a_step_that_rounding_explains_is_even() -> None:
    assert ordered([f"z={i / 3:.2f}um.tif" for i in range(20)]).remarks == ()
    assert "200 nm from" in ordered(of("z{}um.tif", 0.1, 0.2, 0.4, 0.5, 0.6)).remarks[0]


@pytest.mark.parametrize(
    ("numbers", "gap"),
    [
        ([1, 2, 3, 4, 5], ""),
        ([10, 20, 30, 40, 50], ""),
        ([1, 2, 3, 5, 6, 7], "between s_3.tif and s_5.tif"),
        ([0, 10, 20, 30, 50, 60, 70, 80], "between s_30.tif and s_50.tif"),
        ([1, 2, 4, 8, 16], ""),
        ([1, 2, 4], ""),
    ],
)
def test_a_gap_in_the_numbering_is_noticed(numbers: list[int], gap: str) -> None:
    remarks = " ".join(ordered([f"s_{number}.tif" for number in numbers]).remarks)
    assert (gap in remarks) if gap else not remarks


@pytest.mark.parametrize(
    ("names", "gap"),
    [
        ([f"s{i}_t{j}.tif" for i, j in zip(range(8), (0, 1, 2, 3, 5, 6, 7, 8), strict=True)], "s3"),
        ([f"a{i}_x{j}.tif" for i, j in zip((1, 2, 4, 5, 6), (9, 7, 1, 0, 3), strict=True)], "a2"),
        ([f"r{r}_s{i}.tif" for r in (1, 2) for i in range(5 + r) if (r, i) != (2, 3)], "r2_s2"),
        ([f"r{r}_s{i}.tif" for r in (1, 2, 3, 5, 6) for i in range(r)], "r3_s2"),
    ],
)
def test_gaps_are_looked_for_in_every_number_that_varies(names: list[str], gap: str) -> None:
    assert any(f"between {gap}" in remark for remark in ordered(names).remarks)


@pytest.mark.parametrize(
    ("names", "counts"),
    [
        ([f"tile_{r}_{c}.tif" for r in range(3) for c in range(4)], [3, 4]),
        ([f"tile_{r}.{c}.tif" for r in range(1, 4) for c in range(1, 5)], [3, 4]),
        ([f"s{z:03d}_ch{c}.tif" for z in range(5) for c in range(2)], [5, 2]),
        ([f"s{z:03d}_{kv}kV.tif" for z in range(5) for kv in (1, 2, 5)], [5, 3]),
    ],
)
def test_tiles_and_channels_are_no_slices(names: list[str], counts: list[int]) -> None:
    (group,) = by_pattern(parse([Path(name) for name in names], TIFF))
    assert [len(set(column.values)) for column in independent(group)] == counts


def test_one_number_twice_is_noticed_however_it_is_written() -> None:
    for pair in (["s1.tif", "s01.tif"], ["s1.tif", "s1.tiff"], ["S1.tif", "s1.tif"]):
        (group,) = by_pattern(parse([Path(name) for name in [*pair, "s2.tif"]], TIFF))
        ((a, b),) = same_numbers(group)
        assert [a.path.name, b.path.name] == pair


def test_copies_and_voltages_are_recognised_by_name() -> None:
    copies = ["a (1).tif", "a - Copy.tif", "a - Copy (2).tif", "a copy.tif", "Copy of a.tif"]
    assert [copied_from(Path(name)) for name in copies] == ["a"] * 5
    assert copied_from(Path("copper_1.tif")) == ""
    names = ["s1_2kV.tif", "s1_1.5 kV.tif", "s1_0p8kv_x.tif", "kV.tif", "s1_2kVA.tif"]
    assert [kv_in(Path(name)) for name in names] == [2, 1.5, 0.8, None, None]


def test_names_that_a_file_keeps_of_its_planes_are_held_against_their_order() -> None:
    assert of_labels([f"s{i}\nmore" for i in range(1, 12)], TIFF).remarks == ()
    jumbled = of_labels(["s1", "s10", "s2", "s3"], TIFF)
    assert "plane 2 is s10, by the names it would be s2" in jumbled.remarks[0]
    assert of_labels([f"z={10 * i}nm" for i in range(5)], TIFF).thickness_nm == 10
    assert of_labels(["2 kV"] * 5, TIFF) == of_labels(["2 kV"] * 5, TIFF)
    assert of_labels(["2 kV"] * 5, TIFF).remarks == ()
    assert of_labels(["a", "b"], TIFF).remarks == ()
