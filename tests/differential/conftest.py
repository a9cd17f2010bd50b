from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

# `default` draws the same in every run of the same tests, and stores nothing; `thorough` looks for what it
# has never tried. Hypothesis also tries constants of the modules that are loaded, so another selection of
# tests draws other examples.
settings.register_profile(
    "default",
    max_examples=500,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
settings.register_profile(
    "thorough",
    max_examples=10_000,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
PROFILE = settings.get_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))
