"""What `pnflow run` shows: the table at the end, log lines, and progress on a terminal."""

import os
import pty
import re
import signal
import subprocess

from chains import counted
from support import TIMEOUT, binary, pnflow, write_graph


# ---------------------------------------------------------------- the end of a run

def test_a_run_ends_with_a_row_for_each_node_and_both_books(tmp_path):
    done = pnflow("run", write_graph(tmp_path, counted(events_per_message=5)), cwd=tmp_path)
    assert done.returncode == 0
    head, *lines = done.stdout.splitlines()
    assert head.split() == ["node", "messages", "events", "busy", "waiting", "p50", "p99", "max",
                            "queue"]
    for row in ["source", "q1", "end", "end write"]:
        assert any(re.match(rf"{row} +3 +12 +\d+% ", line) for line in lines), row
    assert "messages  3 received = 3 decoded + 0 control + 0 unreadable   adds up" in lines
    assert "events    12 decoded = 12 delivered + 0 vetoed + 0 failed   adds up" in lines
    assert "          12 expected, 0 missing" in lines
    assert sum("<- busiest" in line for line in lines) == 1
    assert re.fullmatch(r"wall time \d+\.\d\d s, at most [1-3] messages alive of window \d+",
                        lines[-1])


def test_a_report_without_a_directory_for_it_is_an_error_before_the_run(tmp_path):
    report = tmp_path / "nowhere" / "report.json"
    done = pnflow("run", write_graph(tmp_path, counted()), "--report", report, cwd=tmp_path)
    assert done.returncode == 2
    assert f"cannot write the report to '{report}': there is no such directory" in done.stderr
    assert "running" not in done.stderr and not report.parent.exists()


def test_a_report_that_would_be_a_directory_is_an_error_before_the_run(tmp_path):
    done = pnflow("run", write_graph(tmp_path, counted()), "--report", tmp_path, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr == f"pnflow: cannot write the report to '{tmp_path}': it is a directory\n"


def test_a_report_that_finds_no_room_is_an_error_with_its_file(tmp_path):
    done = pnflow("run", write_graph(tmp_path, counted()), "--report", "/dev/full", cwd=tmp_path)
    assert done.returncode == 1
    assert "cannot write the report to '/dev/full'" in done.stderr


def test_without_a_terminal_only_plain_log_lines_are_on_stderr(tmp_path):
    # Long enough for a terminal's progress, too short for the log line of every ten seconds.
    done = pnflow("run", write_graph(tmp_path, counted(rate="12 Hz")), cwd=tmp_path)
    assert done.returncode == 0
    assert "\r" not in done.stderr and "\033" not in done.stderr
    lines = done.stderr.splitlines()
    assert any("running: 3 nodes" in line for line in lines)
    for line in lines:
        assert re.match(r"\d\d:\d\d:\d\d\.\d{3} (info|warning|error) +\S", line), line


# ---------------------------------------------------------------- progress on a terminal

class OnTerminal:
    """pnflow with a pseudo terminal for both of its output streams."""

    def __init__(self, *arguments, cwd):
        self.output = ""
        self.master, terminal = pty.openpty()
        self.process = subprocess.Popen([binary(), *map(str, arguments)], cwd=cwd,
                                        stdin=subprocess.DEVNULL, stdout=terminal, stderr=terminal)
        os.close(terminal)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        os.close(self.master)

    def read_until(self, pattern: str) -> re.Match:
        while not (found := re.search(pattern, self.output)):
            assert self._read(), f"no '{pattern}' in {self.output!r}"
        return found

    def finish(self) -> int:
        while self._read():
            pass
        return self.process.wait(TIMEOUT)

    def _read(self) -> bool:
        """False at the end, which a pseudo terminal reports as an error."""
        try:
            data = os.read(self.master, 65536)
        except OSError:
            return False
        self.output += data.decode()
        return bool(data)

    @property
    def progress(self) -> list[str]:
        """What was written over the line of progress, from the first to the last."""
        return re.findall(r"\r\033\[K(\d\d:\d\d [^\r\n]*)", self.output)


def test_a_terminal_shows_rate_events_and_the_time_that_is_left(tmp_path):
    path = write_graph(tmp_path, counted(count=70, rate="40 Hz"))
    with OnTerminal("run", path, cwd=tmp_path) as run:
        assert run.finish() == 0
    assert len(run.progress) >= 2
    events = []
    for line in run.progress:
        found = re.fullmatch(r"\d\d:\d\d (\d+) events, (\d+\.\d)/s(, hits 100%)?, q1 \d/4 "
                             r"live \d+/\d+(, ETA \d\d:\d\d)?", line)
        assert found, line
        events.append(int(found.group(1)))
        moving = float(found.group(2)) > 0 and events[-1] < 70
        assert (found.group(4) is not None) == moving, line
    assert events == sorted(events) and "ETA" in run.output
    # The line is gone before the table is printed.
    assert re.search(r"\r\033\[Knode +messages", run.output)


def test_without_a_known_end_no_time_that_is_left_is_shown(tmp_path):
    path = write_graph(tmp_path, counted(count=0, rate="40 Hz"))
    with OnTerminal("run", path, cwd=tmp_path) as run:
        run.read_until(r"[1-9]\d* events, .* live \d+/\d+")
        run.process.send_signal(signal.SIGINT)
        assert run.finish() == 0
    assert run.progress and "ETA" not in run.output


def test_quiet_shows_no_progress_on_a_terminal(tmp_path):
    path = write_graph(tmp_path, counted(count=60, rate="40 Hz"))
    with OnTerminal("run", path, "--quiet", cwd=tmp_path) as run:
        assert run.finish() == 0
    assert not run.progress and "\033" not in run.output
    assert "60 decoded = 60 delivered" in run.output


def test_log_lines_do_not_stand_behind_the_line_of_progress(tmp_path):
    path = write_graph(tmp_path, counted(count=0, rate="40 Hz"))
    with OnTerminal("run", path, cwd=tmp_path) as run:
        run.read_until(r"live \d+/\d+")
        run.process.send_signal(signal.SIGINT)
        assert run.finish() == 0
    line = next(line for line in re.split(r"[\n\r]", run.output) if "stopping" in line)
    assert re.match(r"(\033\[K)?\d\d:\d\d:\d\d\.\d{3} info ", line), line
