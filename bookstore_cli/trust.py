"""Whose certificate is accepted from a server that speaks TLS.

Lives here: three answers. The system's authorities, those of a file (``--ca-file``), or the one
certificate that the running shop named in its own folder. What TLS a server speaks does not.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from servers.domain.errors import InvalidRequest

if TYPE_CHECKING:
    import ssl


@dataclass(frozen=True, slots=True)
class Trust:
    """The authorities in ``ca_file``, or ``certificate`` alone, or else the system's.

    A ``certificate`` is accepted under any name: its shop is reached by a loopback address,
    which certificates seldom name, and the folder that names it is its owner's alone.
    """

    ca_file: str | None = None
    certificate: str | None = None

    def context(self) -> ssl.SSLContext:
        """Return what checks a server. Raises `InvalidRequest` if a file cannot be used."""
        import ssl

        context = ssl.create_default_context()
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        named = self.ca_file or self.certificate
        if named is None:
            return context
        try:
            if self.ca_file is not None:
                context.load_verify_locations(named)
                return context
            only = ssl.create_default_context(cadata=_first(Path(named).read_text("ascii")))
        except (OSError, ValueError) as error:
            raise InvalidRequest(
                f"{named} does not hold PEM certificates that can be used. Name the authority"
                " that signed the shop's certificate with --ca-file."
            ) from error
        only.minimum_version = ssl.TLSVersion.TLSv1_2
        # With this flag one certificate is trusted for itself, whoever signed it.
        only.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        only.check_hostname = False
        return only


SYSTEM: Final = Trust()


def _first(pem: str) -> str:
    """Return the first certificate of a file: those after it are of its authorities."""
    end = "-----END CERTIFICATE-----"
    first, found, _ = pem.partition(end)
    if not found:
        raise ValueError(pem[:0])
    return first + end + "\n"
