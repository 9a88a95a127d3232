"""A disk that fails when told to, as a SQLite VFS over the usual one."""

from __future__ import annotations

import secrets
import threading
from dataclasses import dataclass, field

import apsw


@dataclass
class FaultyDisk:
    """Which calls fail, by the end of the file's name: ``fail_sync = "-wal"``.

    None lets all pass. ``full`` is a disk without room: every write to a file fails. While
    ``awake`` is not set, every sync stalls.
    """

    name: str = field(default_factory=lambda: f"faulty-{secrets.token_hex(4)}")
    fail_sync: str | None = None
    fail_read: str | None = None
    full: bool = False
    awake: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.awake.set()


class FaultyVFS(apsw.VFS):
    """Opens files on a faulty disk; registered until `unregister` is called."""

    def __init__(self, disk: FaultyDisk) -> None:
        self._disk = disk
        super().__init__(disk.name, "")

    def xOpen(  # noqa: N802 - the driver names it
        self, name: str | apsw.URIFilename | None, flags: list[int]
    ) -> FaultyFile:
        return FaultyFile(self._disk, name, flags)


class FaultyFile(apsw.VFSFile):
    """A file that fails as its disk says."""

    def __init__(
        self, disk: FaultyDisk, name: str | apsw.URIFilename | None, flags: list[int]
    ) -> None:
        self._disk = disk
        self._name = name.filename() if isinstance(name, apsw.URIFilename) else str(name)
        super().__init__("", name, flags)

    def xSync(self, flags: int) -> None:  # noqa: N802 - the driver names it
        if self._disk.fail_sync is not None and self._name.endswith(self._disk.fail_sync):
            raise apsw.IOError("the disk does not answer")
        self._disk.awake.wait()
        super().xSync(flags)

    def xRead(self, amount: int, offset: int) -> bytes:  # noqa: N802 - the driver names it
        if self._disk.fail_read is not None and self._name.endswith(self._disk.fail_read):
            raise apsw.IOError("the disk cannot be read")
        return super().xRead(amount, offset)

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802 - the driver names it
        if self._disk.full:
            raise apsw.FullError("no room on the disk")
        super().xWrite(data, offset)
