"""Where each setting came from."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING

from bookstore_cli.doctor.finding import OK, Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bookstore_cli.doctor.finding import Patient

_SECRETS = frozenset({"admin_token", "service_token"})
_BETWEEN_PROCESSES = frozenset({"listen_fd", "ready_fd", "parent_pipe", "log_prefix", "sources"})


def settings(patient: Patient) -> Iterator[Finding]:
    """Tell each setting, its value unless that is a secret, and who gave it."""
    given = patient.settings
    for field in fields(given):
        if field.name in _BETWEEN_PROCESSES:
            continue
        value = getattr(given, field.name)
        told = str(value).lower() if isinstance(value, bool) else str(value)
        if value is None or value == "":
            told = "not set"
        elif field.name in _SECRETS:
            told = "set, and not shown"
        yield Finding(OK, f"setting {field.name}", told, source=given.sources[field.name])
