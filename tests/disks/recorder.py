"""A disk that remembers every change, and what of it a power cut may leave.

What a file holds when the power comes back is what was synced, and of what was written after
that any part: each write, and each sector of a write, may have reached the disk or not. The
names of files are durable with the first sync of the file, as SQLite sees to it.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, NamedTuple

import apsw

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path
    from random import Random

Kind = Literal["write", "truncate", "sync", "delete", "forget"]
SECTORS_BYTES = (512, 4096)


class Change(NamedTuple):
    """One system call on one file; ``offset`` is the new size where the file is truncated.

    ``forget`` is the sync of a folder after a file in it was deleted: it is gone for good.
    """

    file: str
    kind: Kind
    offset: int = 0
    data: bytes = b""


@dataclass
class Recording:
    """What happened to the files of a disk, in order."""

    name: str = field(default_factory=lambda: f"recorded-{secrets.token_hex(4)}")
    changes: list[Change] = field(default_factory=list)

    @property
    def now(self) -> int:
        """How many changes there were until now."""
        return len(self.changes)


class RecordingVFS(apsw.VFS):
    """Works as any disk does, but syncs nothing for real; registered until `unregister`."""

    def __init__(self, recording: Recording) -> None:
        self._recording = recording
        super().__init__(recording.name, "")

    def xOpen(  # noqa: N802 - the driver names it
        self, name: str | apsw.URIFilename | None, flags: list[int]
    ) -> RecordingFile:
        return RecordingFile(self._recording, name, flags)

    def xDelete(self, filename: str, syncdir: bool) -> None:  # noqa: N802 - as above
        super().xDelete(filename, syncdir)
        self._recording.changes.append(Change(filename, "delete"))
        if syncdir:
            self._recording.changes.append(Change(filename, "forget"))


class RecordingFile(apsw.VFSFile):
    """A file whose changes are recorded."""

    def __init__(
        self, recording: Recording, name: str | apsw.URIFilename | None, flags: list[int]
    ) -> None:
        self._changes = recording.changes
        self._name = name.filename() if isinstance(name, apsw.URIFilename) else str(name)
        super().__init__("", name, flags)

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802 - the driver names it
        super().xWrite(data, offset)
        self._changes.append(Change(self._name, "write", offset, bytes(data)))

    def xTruncate(self, newsize: int) -> None:  # noqa: N802 - the driver names it
        super().xTruncate(newsize)
        self._changes.append(Change(self._name, "truncate", newsize))

    def xSync(self, flags: int) -> None:  # noqa: N802 - the driver names it
        self._changes.append(Change(self._name, "sync"))


class Platter:
    """What the disk holds for sure, and what may or may not have reached it.

    ``durable`` are the synced contents by file; a file that is not there does not exist.
    """

    def __init__(self, durable: Mapping[str, bytes]) -> None:
        self.durable = {name: bytearray(content) for name, content in durable.items()}
        self.unsynced: dict[str, list[Change]] = {}

    def take(self, changes: Iterable[Change]) -> None:
        """Let time go on by these changes."""
        for change in changes:
            if change.kind == "forget":
                self.unsynced.pop(change.file, None)
                self.durable.pop(change.file, None)
            elif change.kind == "sync":
                kept = self.unsynced.pop(change.file, [])
                content = self.durable.get(change.file)
                self._keep(change.file, _applied(content, kept, exists=True))
            else:
                self.unsynced.setdefault(change.file, []).append(change)

    def after_power_cut(self, random: Random) -> dict[str, bytes]:
        """Return what the files may hold when the power is back: one of many possibilities."""
        fate = random.choice(_FATES)
        sector_bytes = random.choice(SECTORS_BYTES)
        found: dict[str, bytes] = {}
        for name in {**self.durable, **self.unsynced}:
            kept = fate(self.unsynced.get(name, []), random, sector_bytes)
            content = _applied(self.durable.get(name), kept)
            if content is not None:
                found[name] = bytes(content)
        return found

    def _keep(self, name: str, content: bytearray | None) -> None:
        if content is None:
            self.durable.pop(name, None)
        else:
            self.durable[name] = content


def written_out(files: Mapping[str, bytes], old: Path, new: Path) -> None:
    """Write files that lay in one folder into another, which is made."""
    new.mkdir()
    for name, content in files.items():
        (new / name.removeprefix(f"{old}/")).write_bytes(content)


def _applied(
    before: bytearray | None, changes: Iterable[Change], *, exists: bool = False
) -> bytearray | None:
    """Return the content after these changes; None where there is no file."""
    content = None if before is None else bytearray(before)
    for change in changes:
        if change.kind == "delete":
            content = None
            continue
        if content is None:
            content = bytearray()
        if change.kind == "truncate":
            del content[change.offset :]
        else:
            # A hole before what is written reads as zeros.
            content.extend(bytes(max(0, change.offset - len(content))))
            content[change.offset : change.offset + len(change.data)] = change.data
    return bytearray() if content is None and exists else content


def _all(changes: list[Change], random: Random, sector_bytes: int) -> list[Change]:
    return changes


def _none(changes: list[Change], random: Random, sector_bytes: int) -> list[Change]:
    return []


def _first_ones(changes: list[Change], random: Random, sector_bytes: int) -> list[Change]:
    return changes[: random.randint(0, len(changes))]


def _last_ones(changes: list[Change], random: Random, sector_bytes: int) -> list[Change]:
    return changes[random.randint(0, len(changes)) :]


def _any(changes: list[Change], random: Random, sector_bytes: int) -> list[Change]:
    return [change for change in changes if random.random() < 0.5]


def _torn(changes: list[Change], random: Random, sector_bytes: int) -> list[Change]:
    kept: list[Change] = []
    for change in changes:
        if change.kind == "write":
            kept += [part for part in _sectors(change, sector_bytes) if random.random() < 0.6]
        elif random.random() < 0.5:
            kept.append(change)
    return kept


def _sectors(change: Change, sector_bytes: int) -> Iterable[Change]:
    """Cut a write where the sectors of the disk begin."""
    begin, end = change.offset, change.offset + len(change.data)
    while begin < end:
        border = min(end, (begin // sector_bytes + 1) * sector_bytes)
        data = change.data[begin - change.offset : border - change.offset]
        yield change._replace(offset=begin, data=data)
        begin = border


_FATES = (_all, _none, _first_ones, _last_ones, _any, _torn, _torn)
