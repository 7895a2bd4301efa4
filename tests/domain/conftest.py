"""Settings of the property tests: the same examples on every run of CI, fresh ones on a desk."""

import os

from hypothesis import HealthCheck, settings

settings.register_profile(
    "desk", deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("ci", parent=settings.get_profile("desk"), derandomize=True, database=None)
settings.load_profile("ci" if os.environ.get("CI") else "desk")
