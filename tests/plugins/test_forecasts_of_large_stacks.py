"""No step needs more than 2 GB for a stack of 33.6 GB at default settings, on two cores."""

from __future__ import annotations

import pytest

from fib_plugins import threads
from fibcore import Images, Labels, VolumeSpec
from fibcore.registry import registry

SHAPE = (2000, 4096, 4096)
VOXEL_NM = (3.26, 3.26, 3.26)
LABELS = VolumeSpec(Labels, SHAPE, VOXEL_NM, phases={0: "epoxy", 1: "Au"})
IMAGES = VolumeSpec(Images, SHAPE, VOXEL_NM, (1.0, 2.0, 5.0))
BOX = {"shape": SHAPE, "voxel_size_nm": 5, "solid_fraction": 0.4}
STEPS = [
    ("segmenter/threshold", "predict", {"images": IMAGES}, {"kv": 2}),
    ("segmenter/kmeans", "predict", {"images": IMAGES}, {}),
    ("segmenter/local_threshold_backpropagation", "predict", {"images": IMAGES}, {"kv": 2}),
    ("segmenter/optical_flow", "predict", {"images": IMAGES}, {"kv": 2}),
    ("segmenter/pore_back", "predict", {"images": IMAGES}, {"kv": 2}),
    ("segmenter/random_forest", "fit", {"images": IMAGES, "labels": LABELS}, {}),
    ("segmenter/random_forest", "predict", {"images": IMAGES}, {}),
    ("segmenter/random_forest", "predict", {"images": IMAGES}, {"dimensions": "3d"}),
    ("segmenter/unet", "fit", {"images": IMAGES, "labels": LABELS}, {}),
    ("segmenter/unet", "predict", {"images": IMAGES}, {}),
    ("metric/overlap", "measure", {"prediction": LABELS, "truth": LABELS}, {}),
    ("metric/morphology", "measure", {"prediction": LABELS, "truth": LABELS}, {}),
    ("metric/anisotropy", "measure", {"prediction": LABELS}, {}),
    ("metric/disagreement", "measure", {"labels": LABELS, "others": [LABELS, LABELS]}, {}),
    ("metric/domain_gap", "measure", {"images": IMAGES, "reference": IMAGES}, {}),
    ("metric/label_consistency", "measure", {"images": IMAGES, "labels": LABELS}, {}),
    ("metric/reprojection", "measure", {"images": IMAGES, "reimaged": IMAGES}, {}),
    ("adapter/acquisition", "transform", {"images": IMAGES}, {"preset": "bad"}),
    ("adapter/twin", "transform", {"images": IMAGES}, {"preset": "bad"}),
    ("adapter/twin", "transform", {"images": IMAGES, "labels": LABELS}, {"drift_nm": 60}),
    ("adapter/histogram_match", "transform", {"images": IMAGES}, {}),
    ("adapter/cut", "transform", {"images": IMAGES}, {}),
    ("corrector/align", "correct", {"images": IMAGES, "labels": LABELS}, {}),
    ("corrector/crop", "correct", {"images": IMAGES}, {}),
    ("corrector/level", "correct", {"images": IMAGES, "labels": LABELS}, {"repair": "leave_out"}),
    ("corrector/tilt", "correct", {"images": IMAGES, "labels": LABELS}, {"mode": "resample"}),
    ("corrector/thickness", "correct", {"images": IMAGES}, {}),
    ("corrector/resample", "correct", {"images": IMAGES, "labels": LABELS}, {"voxel_size_nm": 4}),
    ("simulator/weighted_projection", "simulate", {"labels": LABELS}, {"energies_kev": [1, 2]}),
    ("simulator/surrogate", "simulate", {"labels": LABELS}, {"energies_kev": [2]}),
    ("simulator/monte_carlo", "simulate", {"labels": LABELS}, {"energies_kev": [1, 2, 5]}),
    ("generator/leveled_wave", "generate", {}, {**BOX, "ligament_diameter_nm": 40}),
    ("generator/particles", "generate", {}, {**BOX, "diameter_nm": 200}),
    ("generator/electrode", "generate", {}, BOX),
    ("generator/spinodal", "generate", {}, {**BOX, "ligament_diameter_nm": 400}),
    ("generator/foam", "generate", {}, {**BOX, "cell_diameter_nm": 1000}),
    (
        "adapter/grains",
        "transform",
        {"images": IMAGES, "labels": LABELS},
        {"grain_diameter_nm": 200},
    ),
]


@pytest.mark.parametrize(("name", "method", "inputs", "params"), STEPS)
def test_a_step_stays_below_2_gb(monkeypatch, name, method, inputs, params):
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    monkeypatch.setattr(threads, "_most_bytes", lambda: threads.WORK_BYTES)
    forecast = registry().plugin(name)(**params).forecast(method, inputs)
    assert forecast.memory_bytes < 2e9
