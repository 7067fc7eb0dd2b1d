"""A plugin is compiled against the virtual functions of the public headers: when these change, so
must the number in its ABI string, or a plugin of yesterday would be loaded and call the wrong ones.
"""

import re

from support import ROOT

GOLDEN = ROOT / "test" / "graph" / "golden_interface.txt"
ADVICE = ("the virtual functions of the public headers are not those of interface {}: raise "
          "PNFLOW_ABI_INTERFACE in graph/abi.h and write the text below into " + GOLDEN.name)


def public_headers() -> list[str]:
    listed = re.search(r"FILE_SET HEADERS.*?FILES\s+(.*?)\)",
                       (ROOT / "graph" / "CMakeLists.txt").read_text(), re.S)
    return listed[1].split()


def interface_number() -> str:
    return re.search(r"#define PNFLOW_ABI_INTERFACE (\d+)",
                     (ROOT / "graph" / "abi.h").read_text())[1]


def virtual_functions() -> str:
    """Each on a line, in the order in which the table of a class has them."""
    lines = []
    for header in public_headers():
        text = re.sub(r"//.*", "", (ROOT / "graph" / header).read_text())
        for found in re.finditer(r"^(?:class|struct) (?:PNFLOW_API )?(\w+)|\bvirtual ([^;{]*)", text,
                                 re.M):
            name = found[1] and f"{header} {found[1]}:"
            if name and lines and lines[-1].endswith(":"):
                lines.pop()  # a class without any
            lines.append(name or "  " + " ".join(found[2].split()))
    if lines[-1].endswith(":"):
        lines.pop()
    return "\n".join(lines) + "\n"


def test_the_number_of_the_interface_was_raised_with_it():
    number = interface_number()
    now = f"interface {number}\n{virtual_functions()}"
    then = GOLDEN.read_text()
    assert now == then, ADVICE.format(then.split()[1]) + "\n" + now
