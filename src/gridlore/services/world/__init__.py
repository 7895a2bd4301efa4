"""World files: accounts, users and sensors as an operator writes them down, and bringing them about.

Layer: services. ``document`` finds entries and their lines, ``reading`` checks them, ``applying`` compares
them with the directory and changes it, all or nothing.
"""

from gridlore.services.world.applying import WorldSummary, apply_world
from gridlore.services.world.fields import MAX_PASSWORD
from gridlore.services.world.reading import AccountEntry, SensorEntry, UserEntry, World, parse_world

__all__ = [
    "MAX_PASSWORD",
    "AccountEntry",
    "SensorEntry",
    "UserEntry",
    "World",
    "WorldSummary",
    "apply_world",
    "parse_world",
]
