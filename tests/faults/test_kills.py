"""What has been acknowledged is there after the power went out, and a restart needs no repair."""

from gridlore.config import Settings
from tests.acceptance.conftest import SMALL_WORLD, ServerStarter
from tests.conftest import Databases
from tests.faults.conftest import LONG
from tests.faults.load import Load

KILLS = 20 if LONG else 1


def test_kill_nine_under_load_loses_nothing_acknowledged(
    server_settings: Settings, serve: ServerStarter
) -> None:
    load = Load()
    for number in range(KILLS):
        server = serve(server_settings)
        load.start(server)
        load.wait_for(100 * (number % 4 + 1))
        server.kill()
        load.join()
    load.check(serve(server_settings))


def test_of_two_servers_on_one_file_the_other_goes_on(
    sqlite_databases: Databases, serve: ServerStarter
) -> None:
    settings = sqlite_databases.settings(sqlite_databases.create(sqlite_databases.template(SMALL_WORLD)))
    victim, other = serve(settings), serve(settings)
    load = Load()
    load.start(victim, other)
    load.wait_for(200)
    victim.kill()
    load.wait_for(100)
    load.stop()
    load.check(other)
