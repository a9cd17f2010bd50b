from __future__ import annotations

import os

from hypothesis import HealthCheck, Phase, settings

# `default` draws the same in every run, and stores nothing; `thorough` looks for what it has never tried.
REQUESTS = 20  # of a policy
SHARDS = 10  # parts of the examples, each with a seed of its own, for two processes
settings.register_profile(
    "default",
    max_examples=255,
    database=None,
    deadline=None,
    phases=[Phase.explicit, Phase.generate, Phase.shrink],
    suppress_health_check=list(HealthCheck),
)
settings.register_profile(
    "thorough",
    max_examples=2_500,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
PROFILE = settings.get_profile(
    "thorough" if os.environ.get("HYPOTHESIS_PROFILE") == "thorough" else "default"
)
