"""What every test starts from: an environment in which nobody has set anything."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from pathlib import Path

_FOREIGN = ("BOOKSTORE_", "XDG_")
_FOREIGN_NAMES = frozenset(
    [
        *("NO_COLOR", "FORCE_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "COLUMNS", "LINES", "PAGER"),
        *("http_proxy", "https_proxy", "all_proxy", "no_proxy"),
    ]
)

# The same examples every time: what fails, fails for what was changed. Torture looks for new ones.
# A busy machine is slow at making examples too, which is nobody's fault.
settings.register_profile(
    "bookstore", derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("bookstore")


# A shell that runs the tests in the background lets them, and every shop that they start, ignore
# Ctrl-C, as it does for nohup; and a shop respects that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def clean_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Take away what the person who runs the tests has set, and give an empty home."""
    for name in list(os.environ):
        if name.startswith(_FOREIGN) or {name, name.lower()} & _FOREIGN_NAMES:
            monkeypatch.delenv(name)
    home = tmp_path_factory.getbasetemp() / "home"
    home.mkdir(exist_ok=True)
    monkeypatch.setenv("HOME", str(home))
    return home
