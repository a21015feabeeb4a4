"""Three instruments to start from: values of the parameters of adapter/acquisition.

They are chosen by the look of stacks of porous materials between 1 and 5 kV, with pixels of 3 nm;
no particular microscope was measured. Estimate the parameters from your own stack where there is
one.
"""

from __future__ import annotations

from fib_plugins.adapters.instrument_base.parameters import Presets

PRESETS: Presets = {
    "clean": {},
    "typical": {
        "thickness_variation": 0.05,
        "drift_nm": 1.0,
        "edge_brightening": 0.05,
        "charging": 0.03,
        "curtaining": 0.02,
        "blur_fwhm_nm": 4.0,
        "electrons_per_pixel": 300,
        "exposure_range": (0.15, 0.8),
        "brightness_drift": 0.01,
        "contrast_drift": 0.02,
        "grey_drift_slices": 5.0,
        "read_noise": 0.01,
        "line_noise": 0.003,
        "gamma": 0.9,
        "bits": 8,
    },
    "bad": {
        "thickness_variation": 0.2,
        "drift_nm": 4.0,
        "edge_brightening": 0.15,
        "charging": 0.15,
        "curtaining": 0.08,
        "curtain_slices": 3.0,
        "blur_fwhm_nm": 9.0,
        "electrons_per_pixel": 60,
        "exposure_range": (0.25, 0.75),
        "brightness_drift": 0.04,
        "contrast_drift": 0.08,
        "grey_drift_slices": 5.0,
        "read_noise": 0.03,
        "line_noise": 0.015,
        "saturation": 0.9,
        "gamma": 0.7,
        "bits": 8,
    },
}
"""The values of each preset; parameters that are not named keep their defaults (off)."""
