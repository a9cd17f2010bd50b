from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

# `default` is the same on every machine and every run; `thorough` looks for what it has never tried.
settings.register_profile(
    "default",
    max_examples=500,
    derandomize=True,
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
