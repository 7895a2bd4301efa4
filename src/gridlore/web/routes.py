"""Paths beside those of version 1.1.

Layer: web.
"""

from __future__ import annotations

API_PATH = "/api"
TOKEN_PATH = "/api/requestAuthToken"  # noqa: S105 - a path, no password
SENSORS_PATH = "/api/gridlore/v1/sensors"
DATA_PATH = "/api/gridlore/v1/data"
BELIEFS_PATH = "/api/gridlore/v1/beliefs"
SCHEMA_PATH = "/schema/openapi.json"
HEALTH_PATH = "/health/"
LIVE_PATH = "/health/live"
READY_PATH = "/health/ready"
METRICS_PATH = "/metrics"

PUBLIC = "its versions are listed at /api/."
