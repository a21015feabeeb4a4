"""Two instruments for recording stacks with hidden truth: values of adapter/twin.

They are chosen by the look of stacks of porous materials between 1 and 5 kV, with pixels of 3 nm;
no particular microscope was measured.
"""

from __future__ import annotations

from fib_plugins.adapters.instrument_base.parameters import Presets

PRESETS: Presets = {
    "clean": {},
    "typical": {
        "halo": 0.4,
        "curtains_per_um": 8.0,
        "curtain_depth": 0.05,
        "shadowing": 0.25,
        "probe_nm": 2.0,
        "focus_tilt_deg": 10.0,
        "astigmatism_nm": 150.0,
        "defocus_step_nm": 20.0,
        "skirt_share": 0.12,
        "flicker": 0.015,
        "beam_electrons": 600.0,
        "electron_spread": 0.4,
        "response_pixels": 0.3,
        "amplifier_noise": 0.01,
        "mean_level": 0.4,
        "contrast_level": 0.17,
        "brightness_step": 0.003,
        "contrast_step": 0.005,
        "readjust_slices": 30.0,
        "bad_slices": 0.02,
        "s_curve": 3.0,
        "bits": 8,
    },
    "bad": {
        "halo": 0.6,
        "curtains_per_um": 16.0,
        "curtain_depth": 0.1,
        "shadowing": 0.28,
        "probe_nm": 3.5,
        "focus_tilt_deg": 25.0,
        "astigmatism_nm": 300.0,
        "defocus_step_nm": 50.0,
        "skirt_share": 0.25,
        "flicker": 0.03,
        "beam_electrons": 250.0,
        "electron_spread": 0.8,
        "response_pixels": 0.6,
        "amplifier_noise": 0.015,
        "mean_level": 0.5,
        "contrast_level": 0.13,
        "brightness_step": 0.01,
        "contrast_step": 0.018,
        "readjust_slices": 20.0,
        "bad_slices": 0.05,
        "s_curve": 3.5,
        "bits": 8,
    },
}
"""The values of each preset; parameters that are not named keep their defaults (off)."""

RAW_PRESETS: Presets = {
    "clean": {},
    "typical": {
        "thickness_error": 0.06,
        "thickness_spread": 0.15,
        "repeated_slices": 0.01,
        "lost_slices": 0.005,
        "drift_nm": 25.0,
        "jitter_nm": 2.5,
        "jumps": 1,
        "jump_nm": 25.0,
        "tilt_deg": 38.0,
        "untracked": 0.1,
        "data_bar_pixels": 24,
        "streaks_per_slice": 0.5,
        "streak_strength": 0.08,
        "curtains_per_um": 30.0,
        "curtain_depth": 0.12,
        "curtain_width_nm": 12.0,
        "curtain_reach_nm": 2000.0,
    },
    "bad": {
        "thickness_error": -0.12,
        "thickness_spread": 0.3,
        "repeated_slices": 0.03,
        "lost_slices": 0.015,
        "drift_nm": 50.0,
        "jitter_nm": 5.0,
        "jumps": 2,
        "jump_nm": 40.0,
        "tilt_deg": 38.0,
        "untracked": 0.25,
        "data_bar_pixels": 24,
        "streaks_per_slice": 3.0,
        "streak_strength": 0.2,
        "curtains_per_um": 60.0,
        "curtain_depth": 0.2,
        "curtain_width_nm": 15.0,
        "curtain_reach_nm": 2000.0,
    },
}
"""What `raw` adds to each preset, or sets in its place: curtains as they are before any
correction, with a standard deviation of about 0.15 and 0.4 of that of the image."""
