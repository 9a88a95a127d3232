"""A disk of which one call fails, the n-th of its kind; before and after it all is well."""

from __future__ import annotations

import secrets
from collections import Counter
from dataclasses import dataclass, field
from typing import Literal

import apsw

Call = Literal["sync", "write"]


@dataclass
class BrokenDisk:
    """Counts the calls from `begin` to `end`; ``failed`` once one was made to fail."""

    name: str = field(default_factory=lambda: f"broken-{secrets.token_hex(4)}")
    calls: Counter[Call] = field(default_factory=Counter)
    failed: bool = False
    _counts: bool = False
    _fails: tuple[Call, int] | None = None

    def begin(self) -> None:
        """Count from here."""
        self.calls.clear()
        self._counts = True

    def end(self) -> None:
        """Work from now on, whatever was to fail."""
        self._counts = False
        self._fails = None

    def fail(self, call: Call, number: int) -> None:
        """Let this call fail after the next `begin`."""
        self._fails, self.failed = (call, number), False

    def take(self, call: Call) -> None:
        """Take a call, or raise what the system would."""
        if not self._counts:
            return
        self.calls[call] += 1
        if self._fails == (call, self.calls[call]):
            self.failed = True
            raise apsw.IOError("input/output error")


class BrokenVFS(apsw.VFS):
    """Opens files on a broken disk, and never waits for a real one; until `unregister`."""

    def __init__(self, disk: BrokenDisk) -> None:
        self._disk = disk
        super().__init__(disk.name, "")

    def xOpen(  # noqa: N802 - the driver names it
        self, name: str | apsw.URIFilename | None, flags: list[int]
    ) -> BrokenFile:
        return BrokenFile(self._disk, name, flags)


class BrokenFile(apsw.VFSFile):
    """A file on it."""

    def __init__(
        self, disk: BrokenDisk, name: str | apsw.URIFilename | None, flags: list[int]
    ) -> None:
        self._disk = disk
        super().__init__("", name, flags)

    def xSync(self, flags: int) -> None:  # noqa: N802 - the driver names it
        self._disk.take("sync")

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802 - the driver names it
        self._disk.take("write")
        super().xWrite(data, offset)
