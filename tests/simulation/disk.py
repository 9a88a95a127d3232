"""Simulated disks: the files of a real SQLite behind a VFS that counts, fails, and forgets.

What is written stays when a process is killed, as it does in a system's cache. What was not
synced when the power fails is kept, lost or torn. What files hold is in this program alone:
the real ones of their names are empty, there to be locked. Nothing here needs to survive
anything, and a call of the system for each read and write costs time.
"""

from __future__ import annotations

from pathlib import PurePath
from typing import TYPE_CHECKING, Any, NamedTuple

import apsw

if TYPE_CHECKING:
    from random import Random

    from tests.simulation.process import Process
    from tests.simulation.trace import Trace

_SECTOR_BYTES = 512
_BENEATH = "unix-excl"
"""SQLite's own files for one program alone: the index of the log is in memory and not in a file.

It is gone with the last connection of a process, so that the next life has to recover the log,
as after a kill; and it costs fewer calls of the system.
"""


class Write(NamedTuple):
    """A change of a file that no sync has followed: what was written over what."""

    offset: int
    data: bytes | None
    before: bytes
    size_before: int


class Disk:
    """The disk of one host; it outlives the processes there."""

    def __init__(self, host: str, random: Random, trace: Trace, *, remembers: bool) -> None:
        self.host = host
        self.full = False
        self.slow_s = 0.0
        self.fail_in: int | None = None
        self.remembers = remembers
        """Whether unsynced writes are kept account of, for a power cut."""
        self.random = random
        self.files: dict[str, bytearray] = {}
        """What each file holds, by its path."""
        self.unsynced: dict[str, list[Write]] = {}
        self._trace = trace

    def content(self, name: str) -> bytearray:
        """Return what a file holds, nothing if it is new; to be changed in place."""
        return self.files.setdefault(name, bytearray())

    def note(self, what: str) -> None:
        """Write down what befell it."""
        self._trace.note(f"{self.host}'s disk", what)

    def heal(self) -> None:
        """Work again."""
        self.full, self.slow_s, self.fail_in = False, 0.0, None

    def lose_power(self) -> None:
        """Keep, lose or tear whatever was written and not synced. Nobody may have files open."""
        for name, writes in self.unsynced.items():
            content = self.files.get(name)
            if content is None:
                continue
            in_order = self.random.random() < 0.5
            kept = self._survivors(writes, in_order=in_order)
            where = PurePath(name).name
            self.note(f"power cut: {len(kept)} of {len(writes)} writes kept in {where}")
            for write in reversed(writes):
                overwrite(content, write.offset, write.before)
                resize(content, write.size_before)
            for write in kept:
                if write.data is None:
                    resize(content, write.offset)
                else:
                    overwrite(content, write.offset, write.data)
        self.unsynced.clear()

    def _survivors(self, writes: list[Write], *, in_order: bool) -> list[Write]:
        if in_order:
            kept = writes[: self.random.randint(0, len(writes))]
            last = kept[-1] if kept else None
            return [*kept[:-1], self._torn(last)] if last is not None else []
        return [
            self._torn(write) if self.random.random() < 0.2 else write
            for write in writes
            if self.random.random() < 0.6
        ]

    def _torn(self, write: Write) -> Write:
        if write.data is None:
            return write
        sectors = self.random.randint(0, len(write.data) // _SECTOR_BYTES)
        return write._replace(data=write.data[: sectors * _SECTOR_BYTES])


def overwrite(content: bytearray, offset: int, data: bytes) -> None:
    """Write into what a file holds; what lies between its end and the place becomes zeros."""
    if offset > len(content):
        resize(content, offset)
    content[offset : offset + len(data)] = data


def resize(content: bytearray, size: int) -> None:
    """Cut off what a file holds, or let it grow by zeros."""
    del content[size:]
    content.extend(bytes(size - len(content)))


class Mount(apsw.VFS):
    """A disk as one process has it: when that is dead, nothing of it reaches the disk."""

    def __init__(self, disk: Disk, process: Process) -> None:
        self.disk = disk
        self.process = process
        self.writes_left: int | None = None
        self.name = f"simulated-{process!r}-{id(self):x}"
        super().__init__(self.name, _BENEATH)

    def kill_after(self, writes: int) -> None:
        """Kill the process at the write or sync after so many more."""
        self.writes_left = writes

    def before(self, what: str) -> bool:
        """Let happen what is to happen at a write or sync; say if it is still to be done.

        Raises apsw.Error where it fails.
        """
        disk = self.disk
        if not self.process.alive:
            raise apsw.IOError("nobody is there any more")
        if self.writes_left is not None:
            self.writes_left -= 1
            if self.writes_left < 0:
                self.writes_left = None
                self.process.kill(f"at a {what}")
                if disk.random.random() < 0.5:
                    return True
                raise apsw.IOError("nobody is there any more")
        if disk.full and what == "write":
            raise apsw.FullError("no room on the disk")
        if disk.fail_in is not None:
            disk.fail_in -= 1
            if disk.fail_in < 0:
                disk.fail_in = None
                disk.note(f"a {what} fails")
                raise apsw.IOError("the disk does not answer")
        return True

    def xOpen(  # noqa: N802  # the driver names it
        self, name: str | apsw.URIFilename | None, flags: list[int]
    ) -> MountedFile:
        if not self.process.alive:
            raise apsw.CantOpenError("nobody is there any more")
        return MountedFile(self, name, flags)

    def xDelete(self, filename: str, syncdir: bool) -> None:  # noqa: N802  # the driver names it
        if not self.process.alive:
            raise apsw.IOError("nobody is there any more")
        self.disk.unsynced.pop(filename, None)
        self.disk.files.pop(filename, None)
        super().xDelete(filename, False)

    def xAccess(self, pathname: str, flags: int) -> bool:  # noqa: N802  # the driver names it
        if flags == apsw.SQLITE_ACCESS_EXISTS:
            return bool(self.disk.files.get(pathname))  # An empty one counts as none, as in SQLite.
        return super().xAccess(pathname, flags)


class MountedFile(apsw.VFSFile):
    """A file on a mounted disk."""

    def __init__(self, mount: Mount, name: str | apsw.URIFilename | None, flags: list[int]) -> None:
        self._mount = mount
        self._name = name.filename() if isinstance(name, apsw.URIFilename) else str(name)
        self._content = mount.disk.content(self._name) if name is not None else bytearray()
        super().__init__(_BENEATH, name, flags)

    def excepthook(self, *_: Any) -> bool:
        """Hide what cannot be reported: it befalls ghosts that close their files."""
        return True

    def xRead(self, amount: int, offset: int) -> bytes:  # noqa: N802  # the driver names it
        return bytes(self._content[offset : offset + amount])

    def xFileSize(self) -> int:  # noqa: N802  # the driver names it
        return len(self._content)

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802  # the driver names it
        mount = self._mount
        mount.before("write")
        if mount.disk.remembers:
            self._remember(offset, bytes(data), len(data))
        overwrite(self._content, offset, data)

    def xTruncate(self, newsize: int) -> None:  # noqa: N802  # the driver names it
        self._mount.before("write")
        if self._mount.disk.remembers:
            self._remember(newsize, None, max(len(self._content) - newsize, 0))
        resize(self._content, newsize)

    def xSync(self, flags: int) -> None:  # noqa: N802  # the driver names it
        self._mount.before("sync")
        self._mount.disk.unsynced.pop(self._name, None)

    def _remember(self, offset: int, data: bytes | None, length: int) -> None:
        before = self.xRead(length, offset)
        write = Write(offset, data, before, len(self._content))
        self._mount.disk.unsynced.setdefault(self._name, []).append(write)
