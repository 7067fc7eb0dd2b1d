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


@pytest.fixture(scope="module")
def torch():
    """PyTorch with one thread, as an instance of `infer` has: the bits of sums depend on it, and on
    small images others only wait for each other. Imported where it is used: that takes seconds."""
    torch = pytest.importorskip("torch")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield torch
    torch.set_num_threads(threads)
