"""The commands of pnflow as a user meets them: help, exit codes, and descriptions of the nodes."""

import json
import re

import pytest

from support import ROOT, pnflow

DEMO = ROOT / "configs" / "threshold.yaml"


def types() -> list[str]:
    return [line.split()[0] for line in pnflow("nodes").stdout.splitlines()]


def described() -> dict[str, dict]:
    """Type -> its description, from `pnflow nodes --json`."""
    return {node["name"]: node for node in json.loads(pnflow("nodes", "--json").stdout)}


# ---------------------------------------------------------------- help

@pytest.mark.parametrize("command, options, codes", [
    ([], ["--help", "--version", "run", "validate", "nodes", "push", "compare-stream", "evaluate",
          "bench", "gpu"], [0, 1, 2, 3, 4, 130]),
    (["run"], ["graph", "--set", "--report", "--strict", "--quiet"], [0, 1, 2, 3, 4, 130]),
    (["validate"], ["graph", "--set", "--resolved"], [0, 2]),
    (["nodes"], ["type", "--plugin", "--json"], [0, 2]),
    (["push"], ["--connect", "--bind", "--files", "--sim", "--count", "--loop", "--rate", "--end",
                "--queue", "--timeout", "--linger", "--shape", "--dtype", "--seed"], [0, 1, 2]),
    (["compare-stream"], ["files", "--radius", "--min-snr", "--events", "--json", "--png",
                          "--event"], [0, 1, 2, 130]),
    (["evaluate"], ["files", "--truth", "--graph", "--set", "--radius", "--json", "--png"],
     [0, 1, 2, 3, 130]),
    (["gpu"], ["--measure", "--engines", "--json"], [0, 1]),
    (["bench"], ["graph", "--node", "--set", "--workers", "--min-time", "--repetitions", "--json",
                 "--messages", "--memory", "--push", "--cold"], [0, 1, 2, 130]),
])
def test_help_names_the_options_and_the_exit_codes(command, options, codes):
    done = pnflow(*command, "--help")
    assert done.returncode == 0 and not done.stderr
    for option in options:
        assert re.search(rf"^ +{option}\b", done.stdout.replace("-h,", ""), re.M), option
    footer = done.stdout[done.stdout.index("Exit codes:"):]
    assert set(map(int, re.findall(r"\b\d+\b", footer))) == set(codes)
    assert done.stdout.replace("\n", "").isprintable()


def test_version_is_one_line():
    done = pnflow("--version")
    assert done.returncode == 0
    assert re.fullmatch(r"pnflow \d+\.\d+\.\d+\n", done.stdout)


@pytest.mark.parametrize("arguments, named", [
    ([], "subcommand"),
    (["frobnicate"], "frobnicate"),
    (["run"], "graph"),
    (["run", DEMO, "--frobnicate"], "--frobnicate"),
    (["validate", DEMO, "--report", "x"], "--report"),
    (["nodes", "infer", "limiter"], "limiter"),
    (["run", DEMO, "--set"], "--set"),
])
def test_a_wrong_command_line_is_named_with_exit_code_2(arguments, named):
    done = pnflow(*arguments)
    assert done.returncode == 2
    assert named in done.stderr and "--help" in done.stderr


# ---------------------------------------------------------------- nodes

def test_nodes_lists_every_type_with_its_summary():
    lines = pnflow("nodes").stdout.splitlines()
    for line, (name, node) in zip(lines, described().items(), strict=True):
        assert re.fullmatch(rf"{name} +{node['kind']} +{re.escape(node['summary'])}", line)


def param_lines(param: dict, depth: int = 0) -> list[str]:
    """What the text says of a parameter that JSON describes."""
    indent = " " * (4 * depth + 2)
    line = f"{indent}{param['name']}: {param['type']}"
    line += f", or its {param['short_form']} alone" if "short_form" in param else ""
    line += f" [{param['unit']}]" if param["unit"] else ""
    line += f", {param['range']}" if param["range"] else ""
    if param["required"]:
        line += ", required"
    elif "members" not in param:
        line += ", no default" if param["default"] is None else f", default {param['default']}"
    if param["shared"]:
        line += ", or that of the graph's section detector"
    lines = [line, f"{indent}    {param['help']}"]
    for member in param.get("members", []):
        lines += param_lines(member, depth + 1)
    return lines


def sections(text: str) -> dict[str, list[str]]:
    """Title -> lines, of what is printed about a type."""
    parts = re.split(r"^(\S.*):\n", text, flags=re.M)
    return {title: body.rstrip("\n").splitlines() for title, body in zip(parts[1::2], parts[2::2])}


@pytest.mark.parametrize("name", types())
def test_the_text_about_a_type_says_what_its_json_says(name):
    node = json.loads(pnflow("nodes", name, "--json").stdout)
    assert node == described()[name]
    text = pnflow("nodes", name).stdout
    assert text.startswith(f"{name}: {node['summary']}\n  {node['kind']}")
    found = sections(text)
    for title, key in [("Parameters", "params"),
                       ("Keys that every node of its kind has", "common_keys")]:
        assert found.get(title, []) == [line for param in node[key] for line in param_lines(param)]
    for title, key in [("Fields it reads", "reads"), ("Fields it adds", "adds"),
                       ("Fields it drops", "drops")]:
        fields = [line for line in found.get(title, []) if not line.startswith("   ")]
        for line, field in zip(fields, node[key], strict=True):
            assert line.startswith(f"  {field['name']}: ")
            assert ("optional" in line) == field["optional"]
            assert all(dtype in line for dtype in field["dtypes"])


def test_every_parameter_and_field_has_a_help_text():
    def with_members(params):
        for param in params:
            yield param
            yield from with_members(param.get("members", []))

    for node in described().values():
        assert node["summary"]
        for param in with_members(node["params"] + node["common_keys"]):
            assert param["help"], f"{node['name']}.{param['name']}"
        for field in node["reads"] + node["adds"]:
            assert field["help"], f"{node['name']}: {field['name']}"


def test_a_mistyped_type_is_answered_with_the_nearest_one():
    done = pnflow("nodes", "zmq_sourc")
    assert done.returncode == 2
    assert "there is no node type 'zmq_sourc'" in done.stderr
    assert "did you mean 'zmq_source'?" in done.stderr
