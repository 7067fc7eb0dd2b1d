"""Makes `import support` work in every test, and says early when there is nothing to test."""

import pathlib
import signal
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

pytest.register_assert_rewrite("cxi", "inference", "inspection", "support")

import support  # noqa: E402


def pytest_sessionstart(session):
    # What a shell starts in the background ignores SIGINT, and hands that on: pnflow would not hear
    # a signal that comes before its main().
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        support.binary()
    except FileNotFoundError as error:
        pytest.exit(str(error), returncode=2)
