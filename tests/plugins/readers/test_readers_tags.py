import pytest

from fib_plugins.readers.tiff import tags


def test_imagej_gives_all_three_axes_in_its_unit() -> None:
    found = tags.imagej({"unit": "um", "spacing": 0.02}, (200.0, 250.0))
    assert found.voxel_size_nm == pytest.approx((20, 4, 5))


def test_imagej_may_use_a_unit_per_axis() -> None:
    found = tags.imagej({"unit": "um", "yunit": "nm", "zunit": "nm", "spacing": 20}, (200.0, 0.25))
    assert found.voxel_size_nm == pytest.approx((20, 4, 5))


def test_imagej_without_spacing_leaves_the_slice_thickness_open() -> None:
    assert tags.imagej({"unit": "nm"}, (0.2, 0.25)).voxel_size_nm == pytest.approx((None, 4, 5))


@pytest.mark.parametrize(
    ("metadata", "resolution"),
    [
        ({}, (0.2, 0.2)),
        ({"unit": "pixel", "spacing": 1}, (1.0, 1.0)),
        ({"unit": "inch", "spacing": 1}, (72.0, 72.0)),
        ({"unit": "cm"}, (28.35, 28.35)),
        ({"unit": "nm"}, None),
        ({"unit": "nm"}, (0.0, 0.0)),
    ],
)
def test_imagej_without_a_length_gives_nothing(metadata: dict, resolution: tuple | None) -> None:
    assert tags.imagej(metadata, resolution).voxel_size_nm == (None, None, None)


def test_ome_sizes_are_in_micrometres_unless_a_unit_is_named() -> None:
    pixels = '<Pixels PhysicalSizeX="0.005" PhysicalSizeY="4" PhysicalSizeYUnit="nm" {}/>'
    xml = f'<OME xmlns="http://ome"><Image>{pixels}</Image></OME>'
    assert tags.ome(xml.format("")).voxel_size_nm == pytest.approx((None, 4, 5))
    assert tags.ome(
        xml.format('PhysicalSizeZ="200" PhysicalSizeZUnit="Å"')
    ).voxel_size_nm == pytest.approx((20, 4, 5))
    assert tags.ome(
        xml.format('PhysicalSizeZ="2" PhysicalSizeZUnit="reference frame"')
    ).voxel_size_nm == pytest.approx((None, 4, 5))


@pytest.mark.parametrize("xml", ["", "<OME", "<OME><Image/></OME>"])
def test_ome_without_pixels_gives_nothing(xml: str) -> None:
    assert tags.ome(xml).voxel_size_nm == (None, None, None)


FEI = {
    "Beam": {"HV": 2000, "Beam": "EBeam", "Scan": "EScan"},
    "EBeam": {"HV": 2000},
    "IBeam": {"HV": 30000},
    "Scan": {"PixelWidth": 5e-9, "PixelHeight": 4e-9},
    "Image": {"ResolutionX": 1536, "ResolutionY": 1024},
}


def test_fei_sizes_are_in_metres_and_high_tension_in_volts() -> None:
    found = tags.fei(FEI, 1024, 1536)
    assert found.voxel_size_nm == pytest.approx((None, 4, 5))
    assert found.kv == pytest.approx((2,))
    assert found.data_bar_from is None


def test_fei_rows_beyond_the_scan_are_a_data_bar() -> None:
    assert tags.fei(FEI, 1094, 1536).data_bar_from == 1024


def test_fei_falls_back_on_the_sections_of_the_beam() -> None:
    found = tags.fei(
        {
            "Beam": {"Beam": "EBeam"},
            "EBeam": {"HV": 1000.0},
            "EScan": {"PixelWidth": 5e-9, "PixelHeight": 4e-9},
        },
        100,
        100,
    )
    assert found.voxel_size_nm == pytest.approx((None, 4, 5))
    assert found.kv == pytest.approx((1,))


def test_fei_voltage_of_an_ion_beam_is_not_taken() -> None:
    found = tags.fei({**FEI, "Beam": {"HV": 30000, "Beam": "IBeam"}}, 1024, 1536)
    assert found.kv == ()


@pytest.mark.parametrize("metadata", [{}, {"Beam": "x", "Scan": {"PixelWidth": ""}}])
def test_fei_without_entries_gives_nothing(metadata: dict) -> None:
    found = tags.fei(metadata, 10, 10)
    assert found.voxel_size_nm == (None, None, None)
    assert found.kv == ()


@pytest.mark.parametrize(
    ("size", "eht"),
    [
        (("Image Pixel Size", 4.5, "nm"), ("EHT", 1.5, "kV")),
        (("Image Pixel Size", 4500, "pm"), ("EHT", 1500, "V")),
        (("Image Pixel Size", 0.0045, "µm"), ("EHT", 1.5, "kV")),
    ],
)
def test_zeiss_entries_carry_their_units(size: tuple, eht: tuple) -> None:
    found = tags.zeiss({"": (), "ap_image_pixel_size": size, "ap_actualkv": eht}, 1536, 2048)
    assert found.voxel_size_nm == pytest.approx((None, 4.5, 4.5))
    assert found.kv == pytest.approx((1.5,))


def test_zeiss_screen_pixel_size_counts_only_for_images_as_wide_as_the_screen() -> None:
    metadata = {"ap_pixel_size": ("Pixel Size", 9.0, "nm")}
    assert tags.zeiss(metadata, 768, 1024).voxel_size_nm == (None, 9, 9)
    assert tags.zeiss(metadata, 1536, 2048).voxel_size_nm == (None, None, None)


@pytest.mark.parametrize("entry", [("EHT", "off"), ("EHT", False), ("EHT", 2.0, "bananas")])
def test_zeiss_entries_without_a_known_unit_give_nothing(entry: tuple) -> None:
    assert tags.zeiss({"ap_actualkv": entry}, 768, 1024).kv == ()


@pytest.mark.parametrize(
    ("resolution", "unit", "expected"),
    [
        ((2e6, 2.5e6), 3, (None, 4, 5)),
        ((5.08e6, 6.35e6), 2, (None, 4, 5)),
        ((72.0, 72.0), 2, (None, None, None)),
        ((96.0, 96.0), 2, (None, None, None)),
        ((1200.0, 1200.0), 2, (None, None, None)),
        ((37.8, 37.8), 3, (None, None, None)),
        ((1.0, 1.0), 1, (None, None, None)),
        ((0.2, 0.2), 1, (None, None, None)),
        (None, 2, (None, None, None)),
    ],
)
def test_resolution_tags_count_unless_they_are_for_print(
    resolution: tuple | None, unit: int, expected: tuple
) -> None:
    assert tags.baseline(resolution, unit).voxel_size_nm == pytest.approx(expected)


def test_imagej_names_units_that_it_does_not_know_and_leaves_their_sizes_out() -> None:
    found = tags.imagej({"unit": "nm", "zunit": "furlong", "spacing": 20}, (0.2, 0.25))
    assert found.voxel_size_nm == pytest.approx((None, 4, 5))
    assert "'furlong' of the ImageJ tags is unknown" in found.remarks[0]
    found = tags.imagej({"unit": "furlong", "spacing": 20}, (0.2, 0.25))
    assert found.voxel_size_nm == (None, None, None)
    assert len(found.remarks) == 1
    assert not tags.imagej({"unit": "pixel"}, (1.0, 1.0)).remarks


def test_ome_names_units_that_it_does_not_know() -> None:
    found = tags.ome('<OME><Pixels PhysicalSizeX="5" PhysicalSizeXUnit="blorg"/></OME>')
    assert found.voxel_size_nm == (None, None, None)
    assert "'blorg'" in found.remarks[0]


def test_zeiss_names_units_that_it_does_not_know() -> None:
    found = tags.zeiss({"ap_image_pixel_size": ("Image Pixel Size", 4.5, "blorg")}, 768, 1024)
    assert found.voxel_size_nm == (None, None, None)
    assert "'blorg'" in found.remarks[0]


@pytest.mark.parametrize(
    ("rows", "columns", "said"),
    [(1024, 1536, False), (1094, 1536, False), (900, 1536, False), (512, 768, True)],
)
def test_fei_tags_of_an_image_that_was_scaled_since_are_noticed(
    rows: int, columns: int, said: bool
) -> None:
    remarks = tags.fei(FEI, rows, columns).remarks
    assert bool(remarks) == said
    if said:
        assert "1024 x 1536 pixels, the file has 512 x 768" in remarks[0]


def test_zeiss_tags_of_an_image_that_was_scaled_since_are_noticed() -> None:
    metadata = {"dp_image_store": ("Store resolution", "2048 * 1536")}
    assert not tags.zeiss(metadata, 1536, 2048).remarks
    assert (
        "1536 x 2048 pixels, the file has 768 x 1024" in tags.zeiss(metadata, 768, 1024).remarks[0]
    )


def test_xml_with_entities_of_its_own_is_not_expanded() -> None:
    lol = '<!DOCTYPE z [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><OME><Pixels/>&b;</OME>'
    assert tags.ome(lol).voxel_size_nm == (None, None, None)


def test_decimal_commas_and_units_close_behind_are_understood() -> None:
    scan = {"PixelWidth": "5,0e-009", "PixelHeight": "5,0e-009"}
    assert tags.fei({"Scan": scan}, 6, 5).voxel_size_nm == pytest.approx((None, 5, 5))
    found = tags.zeiss(
        {"ap_image_pixel_size": ("x", "4,5 nm"), "ap_actualkv": ("x", "1,5kV")}, 6, 5
    )
    assert found.voxel_size_nm == pytest.approx((None, 4.5, 4.5))
    assert found.kv == (1.5,)
    assert tags.zeiss({"ap_actualkv": ("EHT", 2000, "eV")}, 6, 5).kv == (2,)
