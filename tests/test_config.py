"""Settings: where they come from, what is refused and how that is told, and that secrets stay secret."""

from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields
from pathlib import Path

import pytest

from gridlore.config import SETTINGS, Origin, Settings, given_values, load_settings
from gridlore.domain.errors import SettingError

KEY = "0123456789abcdef-secret"
ENVIRON = {"GRIDLORE_SECRET_KEY": KEY}
POSTGRES = "postgresql://ann:s3cret@db.example.com:5432/grid"

WRONG = [
    ("DATABASE_URL", "mysql://db/grid", "a database is sqlite:///FILE or postgresql://"),
    ("DATABASE_URL", "postgres://db/grid", "a database is sqlite:///FILE or postgresql://"),
    ("DATABASE_URL", "postgresql+asyncpg://db/grid", "a database is sqlite:///FILE or postgresql://"),
    ("DATABASE_URL", "postgresql://db:port/grid", "a database is sqlite:///FILE or postgresql://"),
    ("DATABASE_URL", "sqlite:///grid.db?mode=ro", "a database is sqlite:///FILE or postgresql://"),
    ("DATABASE_URL", "sqlite://", "a database is sqlite:///FILE or postgresql://"),
    ("DATABASE_URL", "sqlite:///:memory:", "a database is sqlite:///FILE or postgresql://"),
    ("DATABASE_URL", "sqlite:////var/lib/", "a database is sqlite:///FILE or postgresql://"),
    ("DATABASE_URL", "grid.db", "a database is sqlite:///FILE or postgresql://"),
    ("HOST", "", "an address is one of this machine"),
    ("PORT", "http", "a port is a whole number from 0 to 65535; got 'http'."),
    ("PORT", "65536", "a port is a whole number from 0 to 65535; got '65536'."),
    ("PORT", "-1", "a port is a whole number"),
    ("PORT", "٥٠٠٠", "a port is a whole number"),
    ("WORKERS", "0", "the number of workers is a whole number from 1"),
    ("HOST_ADDRESS", "http://grid.example.com", "a host name is letters, digits and hyphens"),
    ("HOST_ADDRESS", "-a.com", "a host name is letters, digits and hyphens"),
    ("HOST_MONTH", "2021-13", "a month is written yyyy-mm, like 2021-01; got '2021-13'."),
    ("SECURITY_TOKEN_MAX_AGE", "6h", "the age of a token is a whole number"),
    ("SECRET_KEY", "short", "a secret key has at least 16 characters, best random ones; got 5 characters."),
    ("MODE", "test", "the mode is one of live, play; got 'test'."),
    ("MAX_BODY_BYTES", "64 MB", "a number of bytes from 1024 up, like 1048576 or 64 MiB"),
    ("MAX_BODY_BYTES", "0", "a number of bytes from 1024 up"),
    ("MAX_VALUES_PER_MESSAGE", "0", "this limit is a whole number from 1"),
    ("MAX_SLOTS_PER_READ", "2e6", "this limit is a whole number from 1"),
    ("WRITE_QUEUE_BYTES", "much", "a number of bytes"),
    ("MAX_BODIES_BYTES", "1 TB", "a number of bytes"),
    ("MAX_CONNECTIONS", "0", "the number of connections is a whole number from 1"),
    ("REQUEST_TIMEOUT", "0", "a number of seconds from 0.01 to 3600"),
    ("ANSWER_TIMEOUT", "never", "a number of seconds from 0.01 to 3600"),
    ("KEEP_ALIVE_TIMEOUT", "0.5", "this time is a whole number from 1 to 3600"),
    ("DIRECTORY_MAX_AGE", "0", "a number of seconds from 0.01 to 3600"),
    ("DIRECTORY_MAX_AGE", "nan", "a number of seconds from 0.01 to 3600"),
    ("DIRECTORY_MAX_AGE", "soon", "a number of seconds from 0.01 to 3600"),
    ("LOGIN_ATTEMPTS", "0", "the number of attempts is a whole number from 1"),
    ("CORS_ORIGINS", "https://a.example.com/path", "each is like https://app.example.com, without a path"),
    ("CORS_ORIGINS", "a.example.com", "each is like https://app.example.com, without a path"),
    ("SESSION_COOKIE_SECURE", "maybe", "this is true or false; got 'maybe'."),
    ("LOG_LEVEL", "loud", "a log level is one of debug, info, warning, error, critical; got 'loud'."),
    ("LOG_FORMAT", "xml", "a log format is one of auto, console, json; got 'xml'."),
    ("LOG_REQUESTS", "some", "this is one of all, receipts, errors, none; got 'some'."),
    ("MAX_HEADER_BYTES", "12", "a number of bytes from 1024 up"),
    ("MAX_SENSORS_PER_MESSAGE", "none", "this limit is a whole number from 1"),
    ("REQUESTS_PER_USER", "-1", "this limit is a whole number from 0"),
    ("REQUESTS_PER_ADDRESS", "10/s", "this limit is a whole number from 0"),
    ("TRUSTED_PROXIES", "10.0.0.7/8", "addresses or networks, like 10.0.0.7 or 10.0.0.0/24"),
    ("TRUSTED_PROXIES", "*", "addresses or networks, like 10.0.0.7 or 10.0.0.0/24"),
    ("HSTS_MAX_AGE", "1 year", "this time is a whole number from 0"),
    ("METRICS", "public", "this is one of local, open, off; got 'public'."),
    (
        "METRICS_TOKEN",
        "short",
        "a metrics token has at least 16 characters, best random ones; got 5",
    ),
    ("TRACES_URL", "collector:4317", "a collector of traces is like http://127.0.0.1:4318"),
]


def test_every_setting_has_an_attribute_and_every_attribute_a_setting():
    assert [field.name for field in fields(Settings)] == [setting.attribute for setting in SETTINGS]


def test_every_default_can_be_read_and_every_meaning_is_told():
    for setting in SETTINGS:
        assert setting.meaning
        assert setting.unit
        if setting.default is not None:
            setting.parse(setting.default)


def test_defaults_are_those_of_the_design():
    settings = load_settings(environ=ENVIRON)
    assert (settings.host, settings.port, settings.workers) == ("127.0.0.1", 5000, 1)
    assert settings.security_token_max_age == 6 * 3600
    assert settings.mode == "live"
    assert settings.max_body_bytes == 64 * 1024 * 1024
    assert settings.cors_origins == ()
    assert settings.session_cookie_secure is False
    assert (settings.host_address, settings.host_month) == ("localhost", "2021-01")


def test_an_option_wins_over_the_environment_and_that_over_the_default():
    environ = {**ENVIRON, "GRIDLORE_PORT": "6000", "GRIDLORE_HOST": "::1"}
    settings = load_settings({"PORT": "7000", "HOST": None}, environ)
    assert (settings.port, settings.host, settings.workers) == (7000, "::1", 1)
    origins = {value.setting.name: value.origin for value in given_values({"PORT": "7000"}, environ)}
    assert origins["PORT"] is Origin.OPTION
    assert origins["HOST"] is Origin.ENVIRONMENT
    assert origins["WORKERS"] is Origin.DEFAULT


def test_values_are_read_in_the_forms_people_write():
    environ = {
        **ENVIRON,
        "GRIDLORE_MAX_BODY_BYTES": "16 MiB",
        "GRIDLORE_MAX_SLOTS_PER_READ": "1_000",
        "GRIDLORE_CORS_ORIGINS": "https://a.example.com, http://localhost:3000",
        "GRIDLORE_SESSION_COOKIE_SECURE": "Yes",
        "GRIDLORE_LOG_LEVEL": "DEBUG",
    }
    settings = load_settings(environ=environ)
    assert settings.max_body_bytes == 16 * 1024 * 1024
    assert settings.max_slots_per_read == 1000
    assert settings.cors_origins == ("https://a.example.com", "http://localhost:3000")
    assert settings.session_cookie_secure is True
    assert settings.log_level == "debug"


@pytest.mark.parametrize(("name", "text", "right"), WRONG)
def test_a_wrong_value_is_told_with_its_name_what_was_got_and_what_would_be_right(name, text, right):
    with pytest.raises(SettingError) as caught:
        load_settings(environ={**ENVIRON, f"GRIDLORE_{name}": text})
    assert caught.value.message.startswith(f"GRIDLORE_{name}: ")
    assert right in caught.value.message
    assert "; got " in caught.value.message


def test_every_setting_that_can_be_wrong_is_among_the_wrong_ones():
    assert {name for name, _, _ in WRONG} == {setting.name for setting in SETTINGS}


def test_a_wrong_option_is_told_by_the_name_of_the_option():
    with pytest.raises(SettingError, match=r"^--max-body-bytes: .*; got 'x'\.$"):
        load_settings({"MAX_BODY_BYTES": "x"}, ENVIRON)


def test_all_wrong_settings_are_told_at_once():
    with pytest.raises(SettingError) as caught:
        load_settings(environ={"GRIDLORE_PORT": "x", "GRIDLORE_MODE": "y", "GRIDLORE_COLOUR": "z"})
    assert [line.partition(":")[0] for line in caught.value.message.splitlines()] == [
        "GRIDLORE_COLOUR",
        "GRIDLORE_PORT",
        "GRIDLORE_MODE",
    ]


def test_a_variable_that_is_no_setting_is_an_error_with_the_nearest_name():
    with pytest.raises(SettingError, match=r"GRIDLORE_DATABASE_URI: .* Did you mean GRIDLORE_DATABASE_URL\?"):
        load_settings(environ={"GRIDLORE_DATABASE_URI": "sqlite://"})


def test_a_variable_like_no_setting_at_all_is_answered_with_the_list():
    with pytest.raises(
        SettingError, match=r"GRIDLORE_QQ: .* There are GRIDLORE_DATABASE_URL, GRIDLORE_HOST,"
    ):
        load_settings(environ={"GRIDLORE_QQ": "1"})


def test_variables_of_the_test_suite_and_of_others_are_left_alone():
    settings = load_settings(environ={**ENVIRON, "GRIDLORE_TEST_POSTGRES": "x", "PATH": "/bin", "PORT": "1"})
    assert settings.port == 5000


def test_another_process_gets_the_same_settings_through_the_environment():
    options = {
        "CORS_ORIGINS": "https://a.example.com,*",
        "SESSION_COOKIE_SECURE": "on",
        "DIRECTORY_MAX_AGE": "0.25",
        "MODE": "play",
        "MAX_BODY_BYTES": "1 MiB",
    }
    settings = load_settings(options, ENVIRON)
    assert load_settings(environ=settings.as_environment()) == settings


def test_secrets_are_in_no_listing_message_or_representation():
    environ = {"GRIDLORE_DATABASE_URL": POSTGRES, "GRIDLORE_SECRET_KEY": KEY}
    settings = load_settings(environ=environ)
    listed = " ".join(value.shown or "" for value in given_values({}, environ))
    for text in (repr(settings), listed):
        assert "s3cret" not in text
        assert KEY not in text
    assert "postgresql://ann:***@db.example.com:5432/grid" in listed
    with pytest.raises(SettingError) as caught:
        load_settings(environ={"GRIDLORE_DATABASE_URL": "mysql://ann:s3cret@db/grid?password=hush1"})
    assert "s3cret" not in caught.value.message
    assert "hush1" not in caught.value.message


@pytest.mark.parametrize(
    ("name", "url"),
    [
        ("DATABASE_URL", "postgresql://ann:s3/hush1@db/grid"),
        ("DATABASE_URL", "postgresql://ann:s3@hush1@db/grid"),
        ("DATABASE_URL", "postgresql://ann@db/grid?sslpassword=hush1&sslmode=require"),
        ("TRACES_URL", "https://ann:hush1@traces.example.com"),
        ("TRACES_URL", "https://traces.example.com/?api-key=hush1"),
    ],
)
def test_no_url_is_shown_with_what_is_secret_in_it_whether_right_or_wrong(name, url):
    environ = {"GRIDLORE_DATABASE_URL": POSTGRES, "GRIDLORE_SECRET_KEY": KEY, f"GRIDLORE_{name}": url}
    try:
        shown = [value.shown or "" for value in given_values({}, environ)]
        shown.append(repr(load_settings(environ=environ)))
    except SettingError as error:
        shown = [error.message]
    assert "hush1" not in " ".join(shown)
    assert any("***" in text for text in shown)


def test_postgresql_needs_a_secret_key():
    with pytest.raises(
        SettingError, match=r"GRIDLORE_SECRET_KEY: with PostgreSQL a secret key must be given"
    ):
        load_settings(environ={"GRIDLORE_DATABASE_URL": POSTGRES})


def test_an_embedded_database_has_its_key_beside_it_for_its_owner_only(tmp_path):
    url = f"sqlite:///{tmp_path}/grid.db"
    first = load_settings({"DATABASE_URL": url}, {})
    file = tmp_path / "grid.db.key"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert file.read_text().strip() == first.secret_key
    assert len(first.secret_key) == 64
    assert load_settings({"DATABASE_URL": url}, {}).secret_key == first.secret_key
    assert [path.name for path in tmp_path.iterdir()] == ["grid.db.key"]


def test_a_given_key_makes_no_file(tmp_path):
    load_settings({"DATABASE_URL": f"sqlite:///{tmp_path}/grid.db", "SECRET_KEY": KEY}, {})
    assert not list(tmp_path.iterdir())


def test_processes_starting_at_once_agree_on_the_key(tmp_path):
    for attempt in range(20):
        url = f"sqlite:///{tmp_path}/grid{attempt}.db"
        with ThreadPoolExecutor(8) as pool:
            keys = set(
                pool.map(lambda _, url=url: load_settings({"DATABASE_URL": url}, {}).secret_key, range(8))
            )
        assert len(keys) == 1


def test_a_spoilt_key_file_is_told_and_left_alone(tmp_path):
    file = tmp_path / "grid.db.key"
    file.write_text("oops\n")
    with pytest.raises(SettingError, match=r"grid\.db\.key' must have at least 16 characters; got 4"):
        load_settings({"DATABASE_URL": f"sqlite:///{tmp_path}/grid.db"}, {})
    assert file.read_text() == "oops\n"


def test_a_directory_in_the_place_of_the_key_file_is_told(tmp_path):
    (tmp_path / "grid.db.key").mkdir()
    with pytest.raises(SettingError, match="can be neither read nor made"):
        load_settings({"DATABASE_URL": f"sqlite:///{tmp_path}/grid.db"}, {})


def test_the_directory_of_an_embedded_database_must_exist(tmp_path):
    with pytest.raises(SettingError, match=r"there is no directory '.*/nowhere'"):
        load_settings({"DATABASE_URL": f"sqlite:///{tmp_path}/nowhere/grid.db"}, {})


def test_a_path_is_relative_with_three_slashes_and_absolute_with_four():
    assert load_settings({"SECRET_KEY": KEY}, {}).database_file == Path("gridlore.db")
    settings = load_settings({"SECRET_KEY": KEY, "DATABASE_URL": "sqlite:////tmp/grid.db"}, {})
    assert settings.database_file == Path("/tmp/grid.db")
    assert settings.is_embedded
