"""What pnflow says of a graph before it runs: plan, faults and where they are, values from outside,
and files that are not there."""

import re

import pytest

from chains import chain, counted
from support import CUDA, LIBTORCH, ROOT, Process, binary, needs_libtorch, pnflow, write_graph

DEMO = ROOT / "configs" / "threshold.yaml"


# ---------------------------------------------------------------- validate

def test_validate_shows_the_plan():
    done = pnflow("validate", DEMO)
    assert done.returncode == 0 and not done.stderr
    assert done.stdout.startswith(f"{DEMO}: ok\nthreshold: window 16, threads ")
    rows = {row[0]: row[1:] for row in map(str.split, done.stdout.splitlines()[4:])}
    assert {name: row[0] for name, row in rows.items()} == {
        "socket": "zmq_source", "decode": "decode", "q1": "limiter", "infer": "infer",
        "q2": "limiter", "peaks": "find_peaks", "cxi": "cxi_writer"}
    assert rows["socket"][1:] == ["1", "series_start?", "wire"]
    assert {"image", "segmap", "peaks"} <= set(rows["peaks"])


@pytest.mark.parametrize("devices, needs", [
    ("cpu", None), ([1], "a GPU (devices: [1])"), ([0, 0], "a GPU (devices: [0, 0])"),
    ([0, 1], "GPUs (devices: [0, 1])"), ("auto", "a GPU (devices: auto)"),
])
def test_validate_says_which_node_needs_a_gpu_and_asks_for_none(tmp_path, devices, needs):
    done = pnflow("validate", write_graph(tmp_path, chain(infer={"devices": devices})))
    assert done.returncode == 0 and not done.stderr
    lines = done.stdout.splitlines()
    [infer] = [number for number, line in enumerate(lines) if line.split()[:1] == ["infer"]]
    said = [line.strip() for line in lines if "needs " in line]
    assert said == ([f"needs {needs}"] if needs else [])
    assert not needs or lines[infer + 1].strip() == said[0]


FAULTY = """\
pnflow: 1
windw: 8
nodes:
  socket: { type: zmq_sourc, bind: ["tcp://127.0.0.1:*"] }
  decode: { type: decode, paddin: center }
  q1:     { type: limiter, capacity: 0 }
  infer:  { type: infer, engine: treshold }
  peaks:  { type: find_peaks, workers: many }
  cxi:    { type: cxi_writer, directory: out, compression: lzf }
edges:
  - socket -> decode -> q1 -> infer -> peaks -> cxii
"""
# What is wrong, and what the message says of it.
FAULTS = [
    ("windw", ["unknown key", "did you mean 'window'?"]),
    ("zmq_sourc", ["unknown type", "node 'socket'", "did you mean 'zmq_source'?"]),
    ("paddin", ["unknown key", "node 'decode' (decode)", "did you mean 'padding'?"]),
    ("0 }", ["'capacity' of node 'q1' (limiter)", "out of range: 1 to 1000000"]),
    ("treshold", ["'engine' of node 'infer' (infer)", "did you mean 'threshold'?"]),
    ("many", ["'workers' of node 'peaks' (find_peaks)", "not an integer"]),
    ("compression", ["node 'cxi' (cxi_writer): 'lzf'", "none, gzip, gzip:LEVEL"]),
    ("cxii", ["which is not a node", "did you mean 'cxi'?"]),
]


@pytest.mark.sanitizer
@pytest.mark.parametrize("command", ["validate", "run"])
def test_eight_faults_are_all_reported_where_they_are(tmp_path, command):
    (tmp_path / "bad.yaml").write_text(FAULTY)
    done = pnflow(command, "bad.yaml", cwd=tmp_path)
    assert done.returncode == 2 and not done.stdout
    *messages, summary = re.split(r"^(?=bad.yaml:)|^(?=\d+ errors)", done.stderr, flags=re.M)[1:]
    assert summary == "8 errors\n"
    for message, (wrong, said) in zip(messages, FAULTS, strict=True):
        before = FAULTY[:FAULTY.index(wrong)]
        number, line = before.count("\n"), FAULTY.splitlines()[before.count("\n")]
        column = len(before) - before.rfind("\n") - 1
        first, shown, caret, *_ = message.splitlines()
        assert first.startswith(f"bad.yaml:{number + 1}:{column + 1}: error: ")
        assert (shown, caret) == (f"  {line}", "  " + " " * column + "^")
        assert all(text in message for text in said), message


def test_the_resolved_configuration_is_a_graph_that_resolves_to_itself(tmp_path):
    once = pnflow("validate", DEMO, "--resolved")
    assert once.returncode == 0
    (tmp_path / "resolved.yaml").write_text(once.stdout)
    twice = pnflow("validate", tmp_path / "resolved.yaml", "--resolved")
    assert twice.returncode == 0, twice.stderr
    assert twice.stdout == once.stdout
    assert "min_num_peak: 10, max_num_peak: 2048" in once.stdout  # given, and a default


def test_set_replaces_values_at_every_depth():
    settings = ["window=12", "q1.capacity=3", "infer.pad.height=512", "infer.pad.width=1024",
                "infer.threshold.snr=5.5", 'socket.bind=["tcp://*:5", "tcp://*:6"]',
                "cxi.directory=somewhere else", "socket.idle_timeout=2 min"]
    arguments = [word for setting in settings for word in ("--set", setting)]
    done = pnflow("validate", DEMO, "--resolved", *arguments)
    assert done.returncode == 0, done.stderr
    for line in ["window: 12\n", "q1: { type: limiter, capacity: 3 }",
                 "pad: { height: 512, width: 1024, style: center }", " snr: 5.5,",
                 'bind: ["tcp://*:5", "tcp://*:6"]', 'directory: "somewhere else"']:
        assert line in done.stdout
    assert re.search(r"idle_timeout: (2 min|120 s)", done.stdout)


@pytest.mark.parametrize("setting, column, said", [
    ("qq.capacity=3", 1, "there is no node 'qq'"),
    ("q1.capacty=3", 4, "did you mean 'capacity'?"),
    ("q1.capacity=many", 13, "'many' is not an integer"),
    ("socket.idle_timeout=30", 21, "'30' is not a duration such as 30 s"),
    ("infer.engine=[threshold]", 14, "a list"),
    ("q1.capacity", 12, "node.parameter=value"),
    ("=3", 1, "node.parameter=value"),
    ("q1=3", 1, "name a parameter of it"),
    ("q1.capacity=[1", 13, "not YAML"),
    ("windw=3", 1, "did you mean 'window'?"),
])
@pytest.mark.parametrize("command", ["validate", "run"])
def test_a_wrong_set_is_pointed_at(command, setting, column, said):
    done = pnflow(command, DEMO, "--set", setting)
    assert done.returncode == 2 and not done.stdout
    assert f"--set:1:{column}: error: " in done.stderr
    assert f"\n  {setting}\n  {' ' * (column - 1)}^\n" in done.stderr
    assert said in done.stderr


def test_environment_variables_are_filled_in(tmp_path, monkeypatch):
    path = write_graph(tmp_path, chain(cxi={"directory": "${PNFLOW_TEST_OUT}/run",
                                            "compression": "${PNFLOW_TEST_GZIP:-gzip:3}"}))
    monkeypatch.delenv("PNFLOW_TEST_OUT", raising=False)
    unset = pnflow("validate", path)
    assert unset.returncode == 2
    line, where = next((number, text.index("${PNFLOW_TEST_OUT}") + 1)
                       for number, text in enumerate(path.read_text().splitlines(), 1)
                       if "${PNFLOW_TEST_OUT}" in text)
    assert (f"{path}:{line}:{where}: error: environment variable 'PNFLOW_TEST_OUT' is not set"
            in unset.stderr)
    monkeypatch.setenv("PNFLOW_TEST_OUT", "/data")
    good = pnflow("validate", path, "--resolved")
    assert good.returncode == 0
    assert 'directory: "/data/run"' in good.stdout and 'compression: "gzip:3"' in good.stdout


# ---------------------------------------------------------------- files that are not what they say

@pytest.mark.parametrize("command", ["validate", "run"])
@pytest.mark.parametrize("content", [None, "directory", "", "# nothing but a comment\n"])
def test_a_graph_file_that_is_none_is_named_with_exit_code_2(tmp_path, command, content):
    path = tmp_path / "graph.yaml"
    if content == "directory":
        path.mkdir()
    elif content is not None:
        path.write_text(content)
    done = pnflow(command, path)
    assert done.returncode == 2
    assert str(path) in done.stderr
    assert ("is empty" if path.is_file() else "cannot read") in done.stderr


@needs_libtorch
def test_weights_that_are_not_there_end_the_run_before_a_socket_is_bound(tmp_path):
    path = write_graph(tmp_path, chain(infer={"engine": "torchscript", "weights": "nowhere.pt"}))
    assert pnflow("validate", path).returncode == 0
    done = pnflow("run", path, cwd=tmp_path)
    assert done.returncode == 1
    assert "infer: there is no model file 'nowhere.pt'" in done.stderr
    assert "bound" not in done.stderr


@pytest.mark.skipif(not CUDA, reason="this build has no CUDA")
@pytest.mark.parametrize("devices, said", [([1], "infer: there is no GPU 1: "),
                                           ("auto", "infer: ")])
def test_without_a_gpu_a_run_ends_before_a_socket_is_bound(tmp_path, devices, said):
    path = write_graph(tmp_path, chain(infer={"devices": devices}))
    with Process("run", path, cwd=tmp_path, env={"CUDA_VISIBLE_DEVICES": ""}) as run:
        assert run.wait() == 1
    [line] = [line for line in run.lines if said in line]
    # With a driver, that variable hides what GPUs there are.
    assert "there is no NVIDIA driver" in line or "sees none" in line or "finds no GPU" in line
    assert "bound" not in run.output and not run.stdout


@pytest.mark.sanitizer
@pytest.mark.skipif(CUDA, reason="this build has CUDA")
def test_a_build_without_cuda_says_how_to_get_it(tmp_path):
    path = write_graph(tmp_path, chain(infer={"devices": [0]}))
    assert pnflow("validate", path).returncode == 0
    done = pnflow("run", path, cwd=tmp_path)
    assert done.returncode == 1
    assert "infer: module 'cuda' is not there" in done.stderr


@pytest.mark.sanitizer
@pytest.mark.skipif(LIBTORCH, reason="this build has LibTorch")
@pytest.mark.parametrize("engine", ["torchscript", "peaknet"])
def test_a_build_without_libtorch_says_how_to_get_it(tmp_path, engine):
    path = write_graph(tmp_path, chain(infer={"engine": engine, "weights": "model.pt"}))
    assert pnflow("validate", path).returncode == 0
    done = pnflow("run", path, cwd=tmp_path)
    assert done.returncode == 1
    assert "infer: module 'torch' is not there" in done.stderr
    assert "scripts/build.sh default" in done.stderr
    assert "bound" not in done.stderr


@pytest.mark.parametrize("command", ["validate", "run"])
def test_plugins_that_cannot_be_loaded_are_pointed_at(tmp_path, command):
    (tmp_path / "text.so").write_text("not a library")
    library = binary().resolve().parent / "libpnflow.so"
    files = ["/nowhere/plugin.so", "./text.so", str(library)]
    path = write_graph(tmp_path, {**counted(), "plugins": files})
    done = pnflow(command, path, cwd=tmp_path)
    assert done.returncode == 2 and not done.stdout
    for file in files:
        line = next(number for number, text in enumerate(path.read_text().splitlines(), 1)
                    if file in text)
        assert re.search(rf"^{path}:{line}:\d+: error: .*'{file}'", done.stderr, re.M), file
    assert f"'{library}' is not a plugin of pnflow" in done.stderr
    assert "3 errors" in done.stderr
    for file in files:
        alone = pnflow("nodes", "--plugin", file, cwd=tmp_path)
        assert alone.returncode == 2 and file in alone.stderr
