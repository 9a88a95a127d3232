"""How a shop is run: the settings, where each came from, and what each allows.

Lives here: `Settings`, `load`, which reads them from options, the environment and a TOML
file in that order, and `environment_of`, which hands them on to a child process. Options of
the command line that only talk to a running shop (``--url``, ``--output``, …) do not live
here; their variables are known by name alone, so that they are not taken for misspellings.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, NamedTuple, get_type_hints

from servers import setting_kinds as kinds

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

PREFIX: Final = "BOOKSTORE_"
DEFAULT_PORTS: Final[Mapping[str, int]] = MappingProxyType(
    {"frontend": 8000, "catalog": 8001, "order": 8002}
)

# These belong to the command line. It may share an environment with a server.
_COMMAND_LINE_ONLY: Final = frozenset(
    PREFIX + name
    for name in ("URL", "TOKEN_FILE", "OUTPUT", "TIMEOUT", "COLOR", "KEY", "QUIET", "CONFIG")
)
# Secrets are never given where a process list shows them, nor kept beside harmless settings;
# the others are words between the supervisor and its children.
_ENVIRONMENT_ONLY: Final = frozenset(
    {"admin_token", "service_token", "listen_fd", "ready_fd", "parent_pipe", "log_prefix"}
)
_SECRET: Final = frozenset({"admin_token", "service_token"})


class SettingsError(Exception):
    """A setting cannot be used; the sentence names where it came from and what is allowed."""

    exit_code: Final = 8


class OptionError(SettingsError):
    """An option cannot be used as it was given; ``name`` is that of the setting."""

    def __init__(self, name: str, why: str) -> None:
        super().__init__(f"option: {name}: {why}")
        self.name = name
        self.why = why


@dataclass(frozen=True)
class Settings:
    """Everything an operator can decide about one server, or about the three together.

    ``port`` is None unless it was given; `port_of` knows what it is then. ``sources`` says for
    each setting where its value came from.
    """

    data: kinds.File
    admin_token_file: kinds.File
    service_token_file: kinds.File
    admin_token: kinds.Token | None = field(default=None, repr=False)
    service_token: kinds.Token | None = field(default=None, repr=False)

    host: kinds.Host = "127.0.0.1"
    port: kinds.Port | None = None
    tls_cert: kinds.File | None = None
    tls_key: kinds.File | None = None
    insecure: kinds.Flag = False
    ca_file: kinds.File | None = None
    trusted_proxy: kinds.Proxies | None = None
    catalog_url: kinds.Url = "http://127.0.0.1:8001"
    order_url: kinds.Url = "http://127.0.0.1:8002"

    currency: kinds.Currency = "USD"
    access_log: kinds.Flag = True
    metrics: kinds.Flag = True
    sample: kinds.Flag = True
    log_level: kinds.Level = "info"
    uvloop: kinds.Flag = True

    frontend_deadline_s: kinds.Seconds = 8.0
    order_deadline_s: kinds.Seconds = 5.0
    catalog_call_s: kinds.Seconds = 1.0
    shutdown_s: kinds.Seconds = 10.0
    resolve_after_s: kinds.Seconds = 3.0
    void_after_s: kinds.Seconds = 60.0
    max_in_flight: kinds.Count = 2048
    max_connections: kinds.Count = 4096
    rate_limit: kinds.Rate | None = None
    rate_burst: kinds.Count | None = None

    listen_fd: kinds.Fd | None = None
    ready_fd: kinds.Fd | None = None
    parent_pipe: kinds.Flag = False
    log_prefix: kinds.Text = ""

    sources: MappingProxyType[str, str] = field(
        default_factory=lambda: MappingProxyType({}), repr=False, compare=False
    )

    def port_of(self, server: str) -> int:
        """Return the port for ``server``: the one that was given, else its usual one."""
        return DEFAULT_PORTS[server] if self.port is None else self.port


class _Given(NamedTuple):
    """One value as somebody wrote it."""

    name: str
    value: object
    source: str


@cache
def _types() -> Mapping[str, object]:
    """Return the type of each setting, by name, in the order of `Settings`."""
    hints = get_type_hints(Settings, include_extras=True)
    return {item.name: hints[item.name] for item in fields(Settings) if item.name != "sources"}


def load(
    options: Mapping[str, object], environ: Mapping[str, str], file: Path | None = None
) -> Settings:
    """Return the settings: an option beats the environment, that the file, that the default.

    An option that is None and a variable that is empty count as not given. Raises
    `SettingsError` for a name nobody knows, for a value that is not allowed and for a file
    that cannot be read; it is an `OptionError` where an option is to blame.
    """
    values: dict[str, object] = {}
    sources = dict.fromkeys(_types(), "default")
    # From the weakest to the strongest, so that the later overwrites the earlier; all are
    # checked, because a wrong value that happens to be hidden today is still wrong.
    for given in (*_from_file(file), *_from_environment(environ), *_from_options(options)):
        values[given.name] = _checked(given)
        sources[given.name] = given.source
    data = values.setdefault("data", None) or _default_folder()
    values["data"] = folder = _absolute(data, sources["data"])
    for role in ("admin", "service"):
        name = f"{role}_token_file"
        path = values.get(name) or folder / f"{role}.token"
        values[name] = _absolute(path, sources[name])
    for name in ("tls_cert", "tls_key", "ca_file"):
        if values.get(name) is not None:
            values[name] = _absolute(values[name], sources[name])
    settings = Settings(**values, sources=MappingProxyType(sources))  # type: ignore[arg-type]
    _check_together(settings)
    return settings


def environment_of(settings: Settings, **changes: object) -> dict[str, str]:
    """Return the ``BOOKSTORE_*`` variables from which `load` makes the same settings again.

    ``changes`` replace settings by name on the way: what differs from child to child.
    """
    changed = replace(settings, **changes)  # type: ignore[arg-type]
    environ = {}
    for name in _types():
        value = getattr(changed, name)
        if value is not None and value != "":
            environ[PREFIX + name.upper()] = _text(value)
    return environ


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _from_options(options: Mapping[str, object]) -> Iterator[_Given]:
    for name, value in options.items():
        if value is not None:
            _check_name(name, name, "option")
            yield _Given(name, value, "option")


def _from_environment(environ: Mapping[str, str]) -> Iterator[_Given]:
    for variable, value in sorted(environ.items()):
        if variable.startswith(PREFIX) and value and variable not in _COMMAND_LINE_ONLY:
            name = variable.removeprefix(PREFIX).lower()
            _check_name(name if variable.isupper() else "", variable, "environment")
            yield _Given(name, value, f"environment {variable}")


def _from_file(file: Path | None) -> Iterator[_Given]:
    if file is None:
        return
    import tomllib  # Late, as is difflib: most starts need neither, and are quicker for it.

    source = f"file {file}"
    try:
        table = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"{source}: it cannot be read: {error.strerror}.") from error
    except ValueError as error:  # Neither TOML nor UTF-8; both say where.
        raise SettingsError(f"{source}: it is not TOML: {error}.") from error
    for name, value in table.items():
        _check_name(name, name, source)
        yield _Given(name, value, source)


def _check_name(name: str, written: str, source: str) -> None:
    """Raise `SettingsError` unless ``name`` may be set by ``source``."""
    in_environment = source == "environment"
    known = [each for each in _types() if in_environment or each not in _ENVIRONMENT_ONLY]
    if name in known:
        return
    if in_environment:
        known = [PREFIX + each.upper() for each in known]
    import difflib

    near = difflib.get_close_matches(written.upper() if in_environment else written, known, n=1)
    hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(known)}."
    raise SettingsError(f"{source}: there is no setting {written!r}; {hint}")


def _checked(given: _Given) -> object:
    """Return the value as the setting's own type. Raises `SettingsError` if it is not allowed."""
    kind = _types()[given.name]
    # Text is all that an environment has, so "8000" is a number there; a file has types.
    lax = given.source.startswith("environment")
    try:
        return kinds.convert(given.value, kind, lax=lax)
    except ValueError as error:
        value = "the value" if given.name in _SECRET else repr(given.value)
        raise _refused(given.name, given.source, f"{value} is not {error}.") from None


def _refused(name: str, source: str, why: str) -> SettingsError:
    """Return the error for a setting that cannot be used."""
    if source == "option":
        return OptionError(name, why)
    return SettingsError(f"{source}: {name}: {why}")


def _absolute(path: object, source: str) -> Path:
    """Return the path without ``~`` and independent of the folder we are in."""
    try:
        return Path(str(path)).expanduser().absolute()
    except RuntimeError as error:
        raise SettingsError(f"{source}: {path}: there is no such home folder.") from error


def _default_folder() -> Path:
    import platformdirs

    return Path(platformdirs.user_data_dir("bookstore", appauthor=False))


def _check_together(settings: Settings) -> None:
    """Raise `SettingsError` where two settings do not go together."""
    for one, other in (("tls_cert", "tls_key"), ("tls_key", "tls_cert")):
        if getattr(settings, one) is not None and getattr(settings, other) is None:
            why = f"it is set without {other}: TLS needs both."
            raise _refused(one, settings.sources[one], why)
    if settings.void_after_s <= settings.resolve_after_s:
        raise SettingsError(
            f"void_after_s ({settings.void_after_s:g}, {settings.sources['void_after_s']}) must be"
            f" longer than resolve_after_s ({settings.resolve_after_s:g},"
            f" {settings.sources['resolve_after_s']}): an order is asked for before it is given up."
        )
