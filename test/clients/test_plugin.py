"""Nodes of one's own: pnflow is installed, the template of test/plugin is copied, built and run as a
user would, and nothing of it may come from this checkout."""

import csv
import json
import os
import pathlib
import re
import shutil
import subprocess
import types

import numpy as np
import pytest

from chains import counted
from support import BINARY, ROOT, TIMEOUT, binary, check_books, needs_libtorch, node, write_graph

BUILD_TREE = BINARY.resolve().parents[1]
CACHE = BUILD_TREE / "CMakeCache.txt"
pytestmark = pytest.mark.skipif(not CACHE.exists(), reason="pnflow is in no build tree to install")
# Of a user who has neither this checkout nor its environment.
CLEAN = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8"}
WARNINGS = "-Wall -Wextra -Wpedantic -Werror"


def cached(name: str) -> str:
    """What the build tree was configured with."""
    return re.search(rf"^{name}:\w+=(.*)$", CACHE.read_text(), re.M).group(1)


def call(*command, cwd, timeout=5 * TIMEOUT, **environment) -> subprocess.CompletedProcess:
    kept = {key: value for key, value in os.environ.items() if key.endswith("SAN_OPTIONS")}
    return subprocess.run([str(word) for word in command], cwd=cwd, text=True, timeout=timeout,
                          env={**CLEAN, **kept, **environment}, stdin=subprocess.DEVNULL,
                          capture_output=True)


def succeed(*command, cwd, **environment) -> str:
    done = call(*command, cwd=cwd, **environment)
    assert done.returncode == 0, f"{command}:\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def prefix(tmp_path_factory) -> pathlib.Path:
    """An installation that is not where it was installed."""
    directory = tmp_path_factory.mktemp("installation")
    succeed(cached("CMAKE_COMMAND"), "--install", BUILD_TREE, "--prefix", directory / "first",
            cwd=directory)
    return (directory / "first").rename(directory / "moved")


@pytest.fixture(scope="module")
def pnflow(prefix):
    """Runs the installed program."""
    def run(*arguments, cwd, **environment):
        return call(prefix / "bin" / "pnflow", *arguments, cwd=cwd, **environment)
    return run


def configure(source, *found_by):
    succeed(cached("CMAKE_COMMAND"), "-S", source, "-B", source / "build", "-G", "Ninja",
            f"-DCMAKE_MAKE_PROGRAM={cached('CMAKE_MAKE_PROGRAM')}", "-DCMAKE_BUILD_TYPE=None",
            f"-DCMAKE_CXX_FLAGS={WARNINGS}", *found_by, cwd=source)


def build(source, *targets):
    succeed(cached("CMAKE_COMMAND"), "--build", source / "build", "--target", *targets, cwd=source)


@pytest.fixture(scope="module")
def template(prefix, tmp_path_factory) -> pathlib.Path:
    """The template, copied and built."""
    copy = tmp_path_factory.mktemp("user") / "my_nodes"
    shutil.copytree(prefix / "share" / "pnflow" / "plugin", copy)
    configure(copy, f"-DCMAKE_PREFIX_PATH={prefix}")
    build(copy, "all")
    return copy


@pytest.fixture
def plugin(template) -> pathlib.Path:
    return template / "build" / "libmy_nodes.so"


# ---------------------------------------------------------------- the installation

def test_the_installation_is_whole_and_names_neither_checkout_nor_build_tree(prefix, pnflow):
    installed = {str(path.relative_to(prefix)) for path in prefix.rglob("*") if path.is_file()}
    assert {"bin/pnflow", "lib/libpnflow.so", "lib/cmake/pnflow/pnflow-config.cmake",
            "lib/cmake/pnflow/pnflow-config-version.cmake", "share/doc/pnflow/LICENSE",
            "share/pnflow/configs/demo.yaml", "share/pnflow/plugin/plugin.cpp",
            "include/pnflow/graph/node.h"} <= installed
    loaded = succeed("ldd", prefix / "bin" / "pnflow", cwd=prefix)
    assert re.search(rf"libpnflow\.so\.\d+\.\d+ => {prefix}/(bin/\.\./)?lib/libpnflow\.so", loaded)
    for file in prefix.rglob("*"):
        if file.is_file() and file.read_bytes()[:4] == b"\x7fELF":
            paths = re.findall(r"R(?:UN)?PATH.*", succeed("readelf", "-d", file, cwd=prefix))
            assert not any(str(place) in path for path in paths for place in (ROOT, BUILD_TREE))
        if file.suffix == ".cmake":
            assert str(ROOT) not in file.read_text() and str(BUILD_TREE) not in file.read_text()
    demo = pnflow("validate", prefix / "share" / "pnflow" / "configs" / "demo.yaml", cwd=prefix)
    assert demo.returncode == 0, demo.stderr


def test_the_headers_include_the_standard_library_and_each_other(prefix, tmp_path):
    def read(name, text):
        """The files that a source with these includes reads."""
        (tmp_path / name).write_text(text)
        rule = succeed("g++", "-std=c++20", "-isystem", prefix / "include" / "pnflow", "-M", name,
                       cwd=tmp_path)
        return set(rule.replace("\\\n", " ").split()[2:])

    own = {str(path) for path in (prefix / "include" / "pnflow" / "graph").iterdir()}
    found = read("all.cpp", "".join(f'#include "{path}"\n' for path in sorted(own)))
    assert own <= found
    assert not found - own - read("standard.cpp", "#include <bits/stdc++.h>\n")


@needs_libtorch
def test_the_installed_program_finds_its_engine_modules(prefix, pnflow, tmp_path):
    graph = {**counted(), "nodes": {
        "source": {"type": "sim_source", "shape": [60, 70], "count": 1},
        "infer": {"type": "infer", "engine": "torchscript", "weights": "nowhere.pt"},
        "sink": {"type": "null_sink"}}, "edges": "source -> infer -> sink"}
    done = pnflow("run", write_graph(tmp_path, graph), cwd=tmp_path, LD_DEBUG="files")
    assert done.returncode == 1
    # Said by the module itself.
    assert "infer: there is no model file 'nowhere.pt'" in done.stderr
    assert f"calling init: {prefix}/lib/pnflow/libpnflow_torch.so" in done.stderr


# ---------------------------------------------------------------- the template

def test_the_templates_own_tests_and_benchmark_run(template):
    ctest = pathlib.Path(cached("CMAKE_COMMAND")).with_name("ctest")
    said = succeed(ctest, "--test-dir", template / "build", "--output-on-failure", cwd=template)
    assert "100% tests passed" in said and "out of 2" in said
    said = succeed(template / "build" / "my_nodes_bench", "--benchmark_min_time=0.001",
                   "--benchmark_format=json", cwd=template)
    assert {run["name"] for run in json.loads(said)["benchmarks"]} == {
        "gradient_source", "brightest", "csv_writer_prepare"}


def test_a_plugins_nodes_are_listed_and_described(template, plugin, pnflow):
    listed = pnflow("nodes", "--plugin", plugin, cwd=template)
    assert listed.returncode == 0
    assert re.search(r"^gradient_source +source +Gives events", listed.stdout, re.M)
    assert re.search(r"^brightest +transform +Vetoes", listed.stdout, re.M)
    assert re.search(r"^csv_writer +sink +Writes", listed.stdout, re.M)
    one = pnflow("nodes", "brightest", "--plugin", "build/libmy_nodes.so", cwd=template)
    assert one.returncode == 0
    assert f"transform, several messages at once, {plugin}\n" in one.stdout
    assert "  threshold: number [ADU], at least 0, default 1000\n" in one.stdout
    missed = pnflow("nodes", "--plugin", plugin, "brigtest", cwd=template)
    assert missed.returncode == 2 and "did you mean 'brightest'?" in missed.stderr


def test_the_templates_graph_runs_and_its_figures_are_numpys(template, pnflow, tmp_path):
    """Started elsewhere: the plugin is beside the graph."""
    graph = template / "graph.yaml"
    valid = pnflow("validate", graph, cwd=tmp_path)
    assert valid.returncode == 0 and not valid.stderr
    done = pnflow("run", graph, "--report", "report.json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr

    images = 10.0 * np.arange(40)[:, None, None] + np.arange(96) + np.zeros((64, 1))
    kept = [n for n in range(40) if images[n].max() >= 200]
    with open(tmp_path / "sums.csv", newline="") as file:
        rows = [{key: float(value) for key, value in row.items()} for row in csv.DictReader(file)]
    assert rows == [{"number": n, "sum": images[n].sum(), "brightest": images[n].max()}
                    for n in kept]
    assert 0 < len(kept) < 40

    report = json.loads((tmp_path / "report.json").read_text())
    check_books(report)
    assert report["messages"]["received"] == report["messages"]["decoded"] == 10
    assert report["events"]["decoded"] == 40
    assert report["events"]["delivered"] == len(kept)
    assert report["events"]["vetoed"] == {"dark": 40 - len(kept)}
    assert node(report, "bright")["type"] == "brightest"
    # What ran can be run again, from anywhere.
    (tmp_path / "again").mkdir()
    again = write_graph(tmp_path / "again", report["config"])
    assert pnflow("validate", again, cwd=tmp_path / "again").returncode == 0


# What becomes wrong in the graph, the node whose line is pointed at, and what is said.
FAULTS = [
    ("threshold: 200", "treshold: 200", "bright:",
     ["unknown key 'treshold' of node 'bright' (brightest)", "did you mean 'threshold'?"]),
    ("threshold: 200", "threshold: -1", "bright:",
     ["'threshold' of node 'bright' (brightest)", "at least 0"]),
    ("type: csv_writer", "type: csv_riter", "sums:",
     ["unknown type 'csv_riter'", "did you mean 'csv_writer'?"]),
    ("shape: [64, 96]", "shape: [64]", "events:", ["'shape' must be [H, W]"]),
    ("-> bright ->", "->", "sums:",
     ["node 'sums' (csv_writer) reads field 'brightest', which no node before it gives"]),
]


@pytest.mark.parametrize("command", ["validate", "run"])
def test_faults_of_a_plugins_nodes_are_found_like_any_others(template, plugin, pnflow, tmp_path,
                                                             command):
    good = (template / "graph.yaml").read_text().replace("build/libmy_nodes.so", str(plugin))
    for right, wrong, place, said in FAULTS:
        bad = good.replace(right, wrong)
        assert bad != good
        (tmp_path / "bad.yaml").write_text(bad)
        done = pnflow(command, "bad.yaml", cwd=tmp_path)
        assert done.returncode == 2 and not done.stdout
        line = bad[:bad.index(place)].count("\n") + 1
        assert re.search(rf"^bad\.yaml:{line}:\d+: error: ", done.stderr, re.M), done.stderr
        assert all(text in done.stderr for text in said), done.stderr
        assert not (tmp_path / "sums.csv").exists()


def test_a_build_tree_serves_as_well_as_an_installation(tmp_path):
    (tmp_path / "CMakeLists.txt").write_text(
        "cmake_minimum_required(VERSION 3.23)\nproject(small CXX)\n"
        "find_package(pnflow 0.1 REQUIRED)\npnflow_add_plugin(small small.cpp)\n")
    (tmp_path / "small.cpp").write_text(
        '#include "graph/abi.h"\n#include "graph/registry.h"\n'
        'extern "C" PNFLOW_API const char* pnflow_abi() { return PNFLOW_ABI_STRING; }\n'
        'extern "C" PNFLOW_API void pnflow_register(pnflow::Registry&) {}\n')
    configure(tmp_path, f"-Dpnflow_DIR={BUILD_TREE}")
    build(tmp_path, "all")
    done = call(binary(), "nodes", "--plugin", "build/libsmall.so", cwd=tmp_path)
    assert done.returncode == 0, done.stderr


# ---------------------------------------------------------------- plugins that cannot be loaded

ABI = 'extern "C" const char* pnflow_abi() { return PNFLOW_ABI_STRING; }\n'
REFUSED = {
    "missing": (None, ["plugin '{}' is not there", "tried:", "{}"]),
    "text": ("", ["cannot load plugin '{}'", "file too short"]),
    "symbolless": ("int zero = 0;", ["'{}' is not a plugin of pnflow", "no function 'pnflow_abi'"]),
    "unregistering": (ABI, ["'{}' is not a plugin of pnflow", "no function 'pnflow_register'"]),
    "foreign": ('extern "C" const char* pnflow_abi() { return "pnflow-0.0.9 gcc-4"; }\n'
                'extern "C" void pnflow_register(void*) {}',
                ["plugin '{}' was built for another pnflow", "plugin: pnflow-0.0.9 gcc-4",
                 "pnflow: pnflow-"]),
    "older": ("#undef PNFLOW_ABI_INTERFACE\n#define PNFLOW_ABI_INTERFACE 1\n" + ABI +
              'extern "C" void pnflow_register(void*) {}',
              ["plugin '{}' was built for another pnflow", " interface-1 ", " interface-"]),
    "throwing": ("#include <stdexcept>\n" + ABI + 'extern "C" void pnflow_register(void*) { '
                 'throw std::runtime_error("no calibration"); }',
                 ["plugin '{}' cannot register: no calibration"]),
}


@pytest.fixture(scope="module")
def refused(prefix, tmp_path_factory) -> types.SimpleNamespace:
    """Builds one of them at a time."""
    directory = tmp_path_factory.mktemp("refused")
    version = re.search(r"pnflow (\d+\.\d+)", succeed(prefix / "bin" / "pnflow", "--version",
                                                 cwd=directory)).group(1)
    flags = cached("PNFLOW_SANITIZE").replace("address", "address,undefined")

    def make(name: str) -> pathlib.Path:
        library, text = directory / f"{name}.so", REFUSED[name][0]
        if text == "":
            library.write_text("no")
        elif text is not None and not library.exists():
            source = directory / f"{name}.cpp"
            source.write_text('#include "graph/abi.h"\n' + text + "\n")
            succeed("g++", "-std=c++20", "-shared", "-fPIC", f'-DPNFLOW_ABI_VERSION="{version}"',
                    *([f"-fsanitize={flags}"] if flags else []), "-I", prefix / "include" / "pnflow",
                    source, "-o", library, cwd=directory)
        return library
    return make


@pytest.mark.parametrize("name", REFUSED)
def test_a_plugin_that_cannot_be_loaded_is_refused_with_the_reason(refused, pnflow, tmp_path, name):
    library = refused(name)
    expected = [text.format(library) for text in REFUSED[name][1]]
    (tmp_path / "graph.yaml").write_text(
        f"pnflow: 1\nplugins:\n  - {library}\nnodes:\n  a: {{ type: sim_source, count: 1 }}\n"
        "  b: { type: null_sink }\nedges: a -> b\n")
    for command in ("validate", "run"):
        done = pnflow(command, "graph.yaml", cwd=tmp_path)
        assert done.returncode == 2 and not done.stdout
        first, shown, *_ = done.stderr.splitlines()
        assert first.startswith(f"graph.yaml:3:5: error: {expected[0]}"), done.stderr
        assert shown == f"    - {library}"
        assert all(text in done.stderr for text in expected), done.stderr
        assert done.stderr.endswith("1 error\n")
    done = pnflow("nodes", "--plugin", library, cwd=tmp_path)
    assert done.returncode == 2 and not done.stdout
    assert done.stderr.startswith(f"pnflow: {expected[0]}")
    assert all(text in done.stderr for text in expected)


def test_a_name_that_is_taken_says_by_whom(template, plugin, pnflow, tmp_path):
    other = shutil.copy(plugin, tmp_path / "other.so")
    done = pnflow("nodes", "--plugin", plugin, "--plugin", other, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr == (f"pnflow: plugin '{other}' cannot register: node type 'brightest' is "
                           f"taken: it came with '{plugin}'\n")


def test_a_relative_name_is_looked_for_beside_the_graph_here_and_in_the_path(template, plugin,
                                                                             pnflow, tmp_path):
    text = (template / "graph.yaml").read_text().replace("build/libmy_nodes.so", "libmy_nodes.so")
    (tmp_path / "graphs").mkdir()
    (tmp_path / "graphs" / "g.yaml").write_text(text)

    def validate(**environment):
        return pnflow("validate", "graphs/g.yaml", cwd=tmp_path, **environment)

    done = validate(PNFLOW_PLUGIN_PATH="/nowhere:/else")
    assert done.returncode == 2
    tried = re.search(r"tried:\n((?:    .*\n)+)", done.stderr).group(1)
    assert tried.split() == ["graphs/libmy_nodes.so", "./libmy_nodes.so", "/nowhere/libmy_nodes.so",
                             "/else/libmy_nodes.so"]
    assert validate(PNFLOW_PLUGIN_PATH=f"/nowhere:{plugin.parent}").returncode == 0
    for directory in (tmp_path, tmp_path / "graphs"):
        copy = shutil.copy(plugin, directory)
        assert validate().returncode == 0
        os.remove(copy)
    assert validate().returncode == 2
