"""How `pnflow inspect`, and other commands without sockets, end before they have said all."""

from __future__ import annotations

import os
import signal
import subprocess

import h5py
import numpy as np
import pytest

from chains import counted
from support import TIMEOUT, Process, binary, message_files, write_graph


def write_long_file(path):
    """Takes a second or so to read, and nearly no space: each event is the same chunk of zeros."""
    with h5py.File(path, "w") as file:
        images = file.create_dataset("/data/data", (64, 4096, 4096), np.uint16,
                                     chunks=(1, 4096, 4096), compression="gzip")
        images[0] = 0
        _, chunk = images.id.read_direct_chunk((0, 0, 0))
        for event in range(1, len(images)):
            images.id.write_direct_chunk((event, 0, 0), chunk)
    return path


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_long_inspection_and_leaves_what_was_known(tmp_path, number):
    small = message_files("hdf5_none_f32")[0]
    long = [write_long_file(tmp_path / "long.h5")] * 60
    with Process("inspect", small, *long) as inspect:
        inspect.wait_for_line("kind +HDF5")  # each file is shown as soon as it is known
        inspect.signal(number)
        assert inspect.wait() == 130
        assert inspect.stdout.count(str(long[0])) < len(long)


@pytest.mark.parametrize("command", ["inspect", "inspect --json", "nodes", "validate"])
def test_a_reader_that_has_had_enough_ends_it_without_a_word(tmp_path, command):
    arguments = {"nodes": [], "validate": [write_graph(tmp_path, counted())]}.get(
        command, message_files("hdf5_three_ranks"))
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = subprocess.run([binary(), *command.split(), *arguments], stdout=writer,
                              stderr=subprocess.PIPE, timeout=TIMEOUT)
    finally:
        os.close(writer)
    assert (done.returncode, done.stderr) == (-signal.SIGPIPE, b"")
