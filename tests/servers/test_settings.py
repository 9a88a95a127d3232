"""Where settings come from, which wins, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from servers.settings import DEFAULT_PORTS, Settings, SettingsError, environment_of, load

TOKEN = "0123456789abcdef" * 4


def toml(folder: Path, text: str) -> Path:
    """Write a settings file and return its path."""
    path = folder / "shop.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_defaults_need_nothing(clean_environment: Path) -> None:
    """Without any setting a shop lives in the user's data folder and answers only this machine."""
    settings = load({}, {})
    assert settings.data.is_relative_to(clean_environment)
    assert settings.data.name == "bookstore"
    assert settings.admin_token_file == settings.data / "admin.token"
    assert settings.service_token_file == settings.data / "service.token"
    assert settings.host == "127.0.0.1"
    assert set(settings.sources.values()) == {"default"}


@pytest.mark.parametrize(
    ("server", "port"), [("frontend", 8000), ("catalog", 8001), ("order", 8002)]
)
def test_each_server_has_its_usual_port(server: str, port: int) -> None:
    """A server listens on its usual port unless one was given; 0 counts as given."""
    assert load({}, {}).port_of(server) == DEFAULT_PORTS[server] == port
    assert load({"port": 0}, {}).port_of(server) == 0


def test_an_option_beats_the_environment_beats_the_file(tmp_path: Path) -> None:
    """Of several values the option wins, then the environment, then the file."""
    file = toml(tmp_path, 'port = 1\nhost = "file"\ncurrency = "EUR"')
    environ = {"BOOKSTORE_PORT": "2", "BOOKSTORE_HOST": "environment"}
    settings = load({"port": 3}, environ, file)
    assert (settings.port, settings.host, settings.currency) == (3, "environment", "EUR")
    assert settings.sources["port"] == "option"
    assert settings.sources["host"] == "environment BOOKSTORE_HOST"
    assert settings.sources["currency"] == f"file {file}"
    assert settings.sources["metrics"] == "default"


def test_nothing_and_emptiness_are_not_given() -> None:
    """An option that is None and a variable that is empty leave the default."""
    settings = load({"port": None}, {"BOOKSTORE_HOST": "", "BOOKSTORE_DATA": ""})
    assert settings == load({}, {})


def test_variables_of_others_are_none_of_ours() -> None:
    """Variables without our prefix, and those of the command line, change nothing."""
    names = ["URL", "TOKEN_FILE", "OUTPUT", "TIMEOUT", "COLOR", "KEY"]
    environ = {f"BOOKSTORE_{name}": "anything" for name in names} | {"PORT": "x", "HOST": "y"}
    assert load({}, environ) == load({}, {})


@pytest.mark.parametrize(
    ("variable", "value", "allowed"),
    [
        ("PORT", "65536", "a whole number from 0 to 65535"),
        ("PORT", "-1", "a whole number from 0 to 65535"),
        ("PORT", "80.5", "a whole number from 0 to 65535"),
        ("PORT", "tcp://10.0.0.1:80", "a whole number from 0 to 65535"),
        ("HOST", "a b", "a host name or an address"),
        ("CATALOG_URL", "127.0.0.1:8001", "a URL of scheme, host and port"),
        ("ORDER_URL", "http://host:1/path", "a URL of scheme, host and port"),
        ("CURRENCY", "usd", "three capital letters"),
        ("CURRENCY", "USD\n", "three capital letters"),
        ("ACCESS_LOG", "yes", "true or false"),
        ("LOG_LEVEL", "loud", "one of debug, info, warning and error"),
        ("SHUTDOWN_S", "0", "a number of seconds"),
        ("SHUTDOWN_S", "nan", "a number of seconds"),
        ("SHUTDOWN_S", "inf", "a number of seconds"),
        ("MAX_IN_FLIGHT", "0", "a whole number from 1"),
        ("LISTEN_FD", "-1", "the number of an open file"),
        ("LOG_PREFIX", "x" * 65, "at most 64 characters"),
    ],
)
def test_a_bad_value_is_refused(variable: str, value: str, allowed: str) -> None:
    """The sentence names where the value came from, the value, and what is allowed."""
    with pytest.raises(SettingsError) as refused:
        load({}, {f"BOOKSTORE_{variable}": value})
    sentence = str(refused.value)
    assert sentence.startswith(f"environment BOOKSTORE_{variable}: {variable.lower()}: {value!r}")
    assert allowed in sentence


@pytest.mark.parametrize(
    "text",
    [
        'port = "8000"',
        "port = true",
        "port = 1.5",
        "host = 1",
        "metrics = 1",
        'metrics = "true"',
        "data = 1",
        'data = ""',
    ],
)
def test_a_file_has_types(tmp_path: Path, text: str) -> None:
    """What is a number, a text or a flag in the file must be meant as one."""
    file = toml(tmp_path, text)
    with pytest.raises(SettingsError, match="is not"):
        load({}, {}, file)


def test_a_bad_value_that_is_overruled_is_still_refused(tmp_path: Path) -> None:
    """A mistake in the file shows at once, not on the day the option is left out."""
    with pytest.raises(SettingsError, match=r"shop\.toml: port"):
        load({"port": 1}, {}, toml(tmp_path, "port = -1"))


@pytest.mark.parametrize(
    ("options", "environ", "text", "sentence"),
    [
        ({"prot": 1}, {}, "", "option: there is no setting 'prot'; did you mean port?"),
        ({}, {"BOOKSTORE_PROT": "1"}, "", "'BOOKSTORE_PROT'; did you mean BOOKSTORE_PORT?"),
        ({}, {"BOOKSTORE_port": "1"}, "", "'BOOKSTORE_port'; did you mean BOOKSTORE_PORT?"),
        ({}, {}, "prot = 1", "shop.toml: there is no setting 'prot'; did you mean port?"),
        ({}, {}, "zzzzzz = 1", "there is no setting 'zzzzzz'; known are data, "),
        ({}, {}, "[catalog]\nport = 1", "there is no setting 'catalog'"),
        ({"sources": {}}, {}, "", "there is no setting 'sources'"),
    ],
)
def test_an_unknown_name_is_refused(
    tmp_path: Path, options: dict[str, object], environ: dict[str, str], text: str, sentence: str
) -> None:
    """A misspelt name is an error that knows what was meant."""
    with pytest.raises(SettingsError) as refused:
        load(options, environ, toml(tmp_path, text))
    assert sentence in str(refused.value)


@pytest.mark.parametrize(
    "name", ["admin_token", "service_token", "listen_fd", "ready_fd", "parent_pipe", "log_prefix"]
)
def test_some_settings_come_only_from_the_environment(tmp_path: Path, name: str) -> None:
    """Secrets and the supervisor's words are refused as an option and in a file."""
    with pytest.raises(SettingsError, match=f"no setting '{name}'"):
        load({name: "1"}, {})
    with pytest.raises(SettingsError, match=f"no setting '{name}'"):
        load({}, {}, toml(tmp_path, f'{name} = "1"'))


def test_a_refused_token_is_not_shown() -> None:
    """The sentence about a malformed token does not repeat it."""
    with pytest.raises(SettingsError, match="64 hexadecimal digits") as refused:
        load({}, {"BOOKSTORE_ADMIN_TOKEN": "nearly-a-secret"})
    assert "nearly-a-secret" not in str(refused.value)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [(None, "cannot be read"), (b"port 1", "not TOML"), (b"\xff", "not TOML")],
)
def test_a_file_that_cannot_be_used_is_refused(
    tmp_path: Path, content: bytes | None, sentence: str
) -> None:
    """A file that is missing or is no TOML is named, with what is wrong."""
    file = tmp_path / "shop.toml"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(SettingsError, match=rf"shop\.toml: it .*{sentence}"):
        load({}, {}, file)


def test_paths_do_not_depend_on_where_we_are(
    tmp_path: Path, clean_environment: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A relative folder is the one seen from here, and ~ is the home."""
    monkeypatch.chdir(tmp_path)
    assert load({"data": "shop"}, {}).data == tmp_path / "shop"
    assert load({"data": Path("shop")}, {}).admin_token_file == tmp_path / "shop" / "admin.token"
    assert load({}, {"BOOKSTORE_DATA": "~/shop"}).data == clean_environment / "shop"


def test_an_order_is_asked_for_before_it_is_given_up() -> None:
    """Settings by which the resolver would void an order it never asked for are refused."""
    with pytest.raises(
        SettingsError, match=r"void_after_s \(3, environment BOOKSTORE_VOID_AFTER_S"
    ):
        load({}, {"BOOKSTORE_VOID_AFTER_S": "3"})


@given(
    port=st.none() | st.integers(0, 65535),
    seconds=st.floats(0.001, 3600),
    flag=st.booleans(),
    prefix=st.text(st.characters(exclude_categories=["C"]), max_size=64),
    listen_fd=st.none() | st.integers(0, 1_048_576),
)
def test_a_child_gets_the_same_settings(
    port: int | None, seconds: float, flag: bool, prefix: str, listen_fd: int | None
) -> None:
    """What is put into a child's environment is read back as the same settings."""
    before = load({"data": "/shop", "port": port, "shutdown_s": seconds}, {})
    environ = environment_of(before, access_log=flag, log_prefix=prefix, listen_fd=listen_fd)
    after = load({}, environ)
    assert (after.port, after.shutdown_s, after.data) == (port, seconds, before.data)
    assert (after.access_log, after.log_prefix, after.listen_fd) == (flag, prefix, listen_fd)
    assert environment_of(after) == environ


def test_settings_cannot_be_changed() -> None:
    """Settings are what they were when the server started."""
    settings = load({}, {"BOOKSTORE_SERVICE_TOKEN": TOKEN})
    assert isinstance(settings, Settings)
    assert settings.service_token == TOKEN
    with pytest.raises(AttributeError):
        settings.port = 1  # type: ignore[misc]
    with pytest.raises(TypeError):
        settings.sources["port"] = "x"  # type: ignore[index]
