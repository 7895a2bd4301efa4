"""Where administration is, and what it did: shared by its tests."""

from contextlib import closing

from gridlore.bootstrap import connect_store
from gridlore.domain.audit import AuditEntry, AuditFilter
from gridlore.domain.sensors import Sensor, User
from tests.conftest import WorldClient

USERS, SENSORS, ACCOUNTS = "/administration/users", "/administration/sensors", "/administration/accounts"


def recorded(client: WorldClient) -> list[AuditEntry]:
    with closing(connect_store(client.settings)) as store:
        return store.read_audit(100, only=AuditFilter(comings=False))


def find_user(client: WorldClient, email: str) -> User:
    with closing(connect_store(client.settings)) as store:
        return next(user for user in store.read_directory().users if user.email == email)


def find_sensor(client: WorldClient, name: str) -> Sensor:
    with closing(connect_store(client.settings)) as store:
        return next(sensor for sensor in store.read_directory().sensors if sensor.name == name)


def post_value(client: WorldClient, connection: str) -> None:
    answer = client.post(
        "ann",
        "postMeterData",
        connection=connection,
        value=1.0,
        start="2024-01-01T00:00:00Z",
        duration="PT15M",
        unit="MW",
    )
    assert answer.status_code == 200, answer.text
