"""The graphs in configs/ run as they are, a node is swapped by changing its own lines, and what
README.md and CONTRIBUTING.md name exists.
"""

import difflib
import json
import re

import h5py
import pytest

from cxi import cxi_files, events_in_files, events_of
from gpus import gpus
from support import DATA, ROOT, Run, expected, messages, needs_libtorch, pnflow
from tar_records import read_record, records

CONFIGS = sorted((ROOT / "configs").glob("*.yaml"))
DOCUMENTS = ["README.md", "CONTRIBUTING.md"]
PANELS = "hdf5_bslz4_u16_panels"  # 4 events of 4x176x192 in 2 messages


@pytest.fixture(scope="session")
def model(tmp_path_factory):
    """A TorchScript file of a network that takes bright pixels for peaks."""
    from make_models import Bright, torch
    network = Bright()
    with torch.no_grad():
        network.conv.weight.zero_()
        network.conv.weight[1, 0, 1, 1] = 1
        network.conv.bias.copy_(torch.tensor([4.0, 0.0]))  # standard deviations
    path = tmp_path_factory.mktemp("model") / "bright.pt"
    torch.jit.script(network.eval()).save(str(path))
    return path


def run(directory, config, *settings, feed=(), env=None) -> dict:
    """The report of a run, which `pnflow push` feeds with captured sets where it has a socket. The
    network that comes with pnflow is found from whatever directory."""
    env = {"WEIGHTS": str(ROOT / "models" / "peaknet_small.safetensors"), **(env or {})}
    if feed:
        settings = ["socket.bind=tcp://127.0.0.1:*", *settings]
    arguments = [word for setting in settings for word in ("--set", setting)]
    with Run(directory, config, *arguments, env=env) as started:
        if feed:
            files = [word for name in feed
                     for word in ("--files", DATA / "lclstreamer" / name / "*.bin")]
            endpoint = started.wait_running().endpoint()
            pushed = pnflow("push", "--connect", endpoint, *files)
            assert pushed.returncode == 0, pushed.stderr
        return started.finish()


# ---------------------------------------------------------------- configs/

@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_a_config_is_valid_and_resolves_to_a_graph_that_is_the_same(tmp_path, monkeypatch, path):
    monkeypatch.setenv("MODEL", "model.pt")
    resolved = pnflow("validate", path, "--resolved")
    assert resolved.returncode == 0, resolved.stderr
    assert not resolved.stderr  # no warning either
    (tmp_path / "resolved.yaml").write_text(resolved.stdout)
    assert pnflow("validate", tmp_path / "resolved.yaml", "--resolved").stdout == resolved.stdout


@pytest.mark.parametrize("name", [
    pytest.param("threshold", marks=pytest.mark.sanitizer),
    pytest.param("demo", marks=needs_libtorch)])
def test_the_main_job_writes_what_was_pushed(tmp_path, name):
    report = run(tmp_path, ROOT / f"configs/{name}.yaml", feed=[PANELS])
    assert report["events"]["delivered"] == report["events"]["decoded"] == 4
    assert events_in_files(tmp_path) == 4
    assert sum(len(event.x) for event in events_of(*cxi_files(tmp_path))) >= 40


@needs_libtorch
def test_torchscript_takes_its_model_from_the_environment(tmp_path, model):
    report = run(tmp_path, ROOT / "configs/torchscript.yaml", feed=[PANELS],
                 env={"MODEL": str(model)})
    assert report["events"]["delivered"] == report["events"]["decoded"] == 4
    assert events_in_files(tmp_path) == 4


def test_long_run_names_its_files_by_day_and_node(tmp_path):
    report = run(tmp_path, ROOT / "configs/long-run.yaml", "source.count=60",
                 "peaks.min_num_peak=0")
    assert report["events"]["delivered"] == 60
    files = sorted((tmp_path / "out").glob("*/*-cxi_?????.cxi"))
    assert sum(len(events_of(path)) for path in files) == 60


def test_zmq_null_counts_what_was_pushed(tmp_path):
    report = run(tmp_path, ROOT / "configs/zmq_null.yaml", feed=[PANELS])
    assert report["events"]["delivered"] == report["events"]["decoded"] == 4
    assert report["messages"]["received"] == 3  # with the end marker


@needs_libtorch
def test_record_stores_the_messages_beside_what_is_made_of_them(tmp_path):
    report = run(tmp_path, ROOT / "configs/record.yaml", feed=[PANELS])
    assert report["events"]["delivered"] == report["events"]["decoded"] == 4
    assert events_in_files(tmp_path) == 4
    [record] = records(tmp_path / "records")
    assert read_record(record)[0] == messages(PANELS)


@needs_libtorch
def test_hits_only_is_demo_with_its_own_settings(tmp_path):
    reports = []
    for name, settings in [("hits-only", []), ("demo", ["peaks.min_num_peak=30",
                                                        "peaks.min_snr=5"])]:
        (tmp_path / name).mkdir()
        reports.append(run(tmp_path / name, ROOT / f"configs/{name}.yaml", *settings,
                           feed=[PANELS, "hdf5_epix10k2m_bslz4_u16"])["events"])
        assert events_in_files(tmp_path / name) == 1
    assert reports[0] == reports[1]
    assert reports[0]["vetoed"] == {"few peaks": 4}


@pytest.mark.parametrize("name", ["cropped", "measure", "simulated", "slow-writer"])
def test_a_config_without_a_socket_runs_alone(tmp_path, name):
    report = run(tmp_path, ROOT / f"configs/{name}.yaml", "source.count=22")
    assert report["events"]["decoded"] == report["events"]["delivered"] == 22
    assert events_in_files(tmp_path) == (0 if name == "measure" else 22)


@pytest.mark.parametrize("name,captured,least_peaks", [
    ("bragg", "hdf5_bslz4_u16_panels", 40),
    pytest.param("files", "hdf5_bslz4_u16_panels", 40, marks=needs_libtorch),
    ("padded", "npz_normalized_f32", 40)])
def test_a_config_of_files_finds_peaks_in_them(tmp_path, name, captured, least_peaks):
    files = DATA / "lclstreamer" / captured / "*.bin"
    report = run(tmp_path, ROOT / f"configs/{name}.yaml", env={"FILES": str(files)})
    stamps = expected(captured)["timestamp_u64"]
    assert report["events"]["delivered"] == report["events"]["decoded"] == len(stamps)
    assert sum(len(event.x) for event in events_of(*cxi_files(tmp_path))) >= least_peaks


@needs_libtorch
def test_peaknet_finds_the_same_peaks_with_both_engines_of_the_network_that_comes_with_pnflow(
        tmp_path):
    captured = "hdf5_bslz4_u16_panels"
    stamps = expected(captured)["timestamp_u64"]
    found = {}
    for name, file in (("peaknet", "peaknet_small.safetensors"),
                       ("peaknet-torchscript", "peaknet_small.pt")):
        directory = tmp_path / name
        directory.mkdir()
        report = run(directory, ROOT / f"configs/{name}.yaml",
                     f"infer.weights={ROOT / 'models' / file}",
                     env={"FILES": str(DATA / "lclstreamer" / captured / "*.bin")})
        assert report["events"]["delivered"] == report["events"]["decoded"] == len(stamps)
        found[name] = {event.stamp: (list(event.x), list(event.y))
                       for event in events_of(*cxi_files(directory))}
        assert sum(len(x) for x, _ in found[name].values()) >= 40
    assert found["peaknet"] == found["peaknet-torchscript"]


def test_geometry_writes_what_the_detectors_files_say(tmp_path):
    report = run(tmp_path, ROOT / "configs/geometry.yaml", "source.count=3",
                 env={"GEOMETRY": str(DATA / "bragg" / "detector.geom"),
                      "MASK": str(DATA / "bragg" / "mask.h5")})
    assert report["events"]["delivered"] == report["events"]["decoded"] == 3
    with h5py.File(*cxi_files(tmp_path)) as file, h5py.File(DATA / "bragg" / "mask.h5") as mask:
        assert (file["/entry_1/data_1/mask"][:] == mask["/mask"][:].reshape(5632, 384)).all()
        assert (file["/entry_1/result_1/peakResolution"][:, 0] > 0).all()


@needs_libtorch
def test_simplon_ends_after_the_stop_of_its_series(tmp_path):
    report = run(tmp_path, ROOT / "configs/simplon.yaml", "socket.after_stop=500 ms",
                 "socket.producers=0", feed=["simplon_two_ranks"])
    assert report["events"]["delivered"] == report["events"]["decoded"] == 10


@pytest.mark.skipif(not gpus(), reason="there is no GPU")
@needs_libtorch
@pytest.mark.parametrize("name", ["gpu", "gpu-transfer"])
def test_a_config_for_a_gpu_runs_on_one(tmp_path, model, name):
    report = run(tmp_path, ROOT / f"configs/{name}.yaml", "source.count=22", "source.preload=4",
                 env={"MODEL": str(model)})
    assert report["events"]["decoded"] == report["events"]["delivered"] == 22
    assert events_in_files(tmp_path) == (22 if name == "gpu" else 0)


def test_every_config_is_run_by_one_of_these_tests():
    assert {path.stem for path in CONFIGS} == {
        "bragg", "cropped", "demo", "files", "geometry", "gpu", "gpu-transfer", "hits-only",
        "long-run", "measure", "padded", "peaknet", "peaknet-torchscript", "record", "simplon", "simulated",
        "slow-writer", "threshold", "torchscript", "zmq_null"}


# ---------------------------------------------------------------- swaps

EDGES = "  - socket -> decode -> q1 -> infer -> q2 -> peaks -> cxi"


def swapped(directory, old: list[str], new: list[str], edges: str = EDGES):
    """configs/threshold.yaml with the lines of the nodes `old` replaced by the lines `new`, and with
    other edges; nothing else may differ."""
    before = (ROOT / "configs/threshold.yaml").read_text().splitlines()
    gone = [next(line for line in before if line.startswith(f"  {name}:")) for name in old]
    place = before.index(gone[0])
    after = [line for line in before if line not in gone]
    after[place:place] = new
    after = [edges if line == EDGES else line for line in after]
    diff = list(difflib.ndiff(before, after))
    moved = edges != EDGES
    assert [line[2:] for line in diff if line[0] == "-"] == gone + ([EDGES] if moved else [])
    assert [line[2:] for line in diff if line[0] == "+"] == new + ([edges] if moved else [])
    path = directory / "swapped.yaml"
    path.write_text("\n".join(after) + "\n")
    return path


def test_a_simulation_takes_the_place_of_socket_and_decoder(tmp_path):
    source = "  source:  { type: sim_source, shape: [4, 176, 192], count: 6 }"
    path = swapped(tmp_path, ["socket", "decode"], [source],
                   EDGES.replace("socket -> decode", "source"))
    report = run(tmp_path, path)
    assert report["events"]["delivered"] == 6
    assert events_in_files(tmp_path) == 6


@needs_libtorch
def test_a_network_takes_the_place_of_the_threshold(tmp_path, model):
    path = swapped(tmp_path, ["infer"],
                   [f"  infer:   {{ type: infer, engine: torchscript, weights: {model} }}"])
    report = run(tmp_path, path, feed=[PANELS])
    assert report["events"]["delivered"] == 4
    assert events_in_files(tmp_path) == 4


def test_a_sink_that_keeps_nothing_takes_the_place_of_the_writer(tmp_path):
    path = swapped(tmp_path, ["cxi"], ["  end:     { type: null_sink }"],
                   EDGES.replace("cxi", "end"))
    report = run(tmp_path, path, feed=[PANELS])
    assert report["events"]["delivered"] == 4
    assert not cxi_files(tmp_path)


# ---------------------------------------------------------------- documents

def code_blocks(document: str) -> list[str]:
    """The lines of its indented blocks of code."""
    text = (ROOT / document).read_text()
    return [line.strip() for line in text.splitlines() if line.startswith("    ")]


def test_the_table_of_nodes_in_the_readme_is_that_of_pnflow():
    listed = re.findall(r"^\| `(\w+)` \|", (ROOT / "README.md").read_text(), re.M)
    assert sorted(listed) == [line.split()[0] for line in pnflow("nodes").stdout.splitlines()]


@pytest.mark.parametrize("document", DOCUMENTS)
def test_the_files_that_its_commands_name_exist(document):
    pattern = r"(?<![\w/])(?:scripts|configs|test/clients|test/data)/[\w*./-]*"
    named = [path for line in code_blocks(document) for path in re.findall(pattern, line)]
    assert named
    for path in named:
        assert list(ROOT.glob(path)), path


def test_the_links_of_the_readme_and_the_rooms_of_contributing_exist():
    links = re.findall(r"\]\(([^)#:]+)\)", (ROOT / "README.md").read_text())
    rooms = re.findall(r"^\| `(\w+/)` \|", (ROOT / "CONTRIBUTING.md").read_text(), re.M)
    assert links and len(rooms) >= 5
    for path in links + rooms:
        assert (ROOT / path).exists(), path


def test_the_presets_that_contributing_names_exist():
    line = next(line for line in code_blocks("CONTRIBUTING.md") if "scripts/build.sh" in line)
    presets = {preset["name"] for preset in json.loads(
        (ROOT / "CMakePresets.json").read_text())["configurePresets"]}
    assert set(re.search(r"\[([\w|]+)\]", line).group(1).split("|")) <= presets
