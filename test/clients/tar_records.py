"""Records as Python's tarfile writes and reads them."""

from __future__ import annotations

import decimal
import io
import pathlib
import tarfile

START = 1_767_225_600_000_000_000  # nanoseconds of Unix time


def write_record(path: pathlib.Path, messages: list[bytes],
                 arrivals: list[int] | None = None) -> pathlib.Path:
    """A record that pnflow has not written; arrivals in nanoseconds of Unix time, without them one
    after the other from START on."""
    if arrivals is None:
        arrivals = [START + number for number in range(len(messages))]
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as tar:
        for number, (message, arrival) in enumerate(zip(messages, arrivals, strict=True)):
            member = tarfile.TarInfo(f"message_{number:010}.bin")
            member.size = len(message)
            # A float would round.
            member.pax_headers["mtime"] = f"{arrival // 10**9}.{arrival % 10**9:09}"
            tar.addfile(member, io.BytesIO(message))
    return path


def read_record(path: pathlib.Path) -> tuple[list[bytes], list[int]]:
    """The messages of a record and the times of their arrival."""
    with tarfile.open(path) as tar:
        members = tar.getmembers()
        assert all(member.isfile() for member in members)
        messages = [tar.extractfile(member).read() for member in members]
        arrivals = [int(decimal.Decimal(member.pax_headers["mtime"]) * 10**9)
                    for member in members]
    return messages, arrivals


def records(directory: pathlib.Path) -> list[pathlib.Path]:
    return sorted(pathlib.Path(directory).glob("*.tar"))
