#include "graph/config.h"

#include <doctest/doctest.h>

#include <cstdlib>

#include "graph/param.h"

using namespace pnflow;

namespace {

struct Read {
  Value value;
  Diagnostics diagnostics;
};

Read read(const std::string& yaml) {
  Read result;
  result.value = read_yaml(yaml, result.diagnostics.add_text("t", yaml), result.diagnostics);
  return result;
}

// The configuration behind overrides, on one line; or the messages.
std::string overridden(const std::string& yaml, const std::vector<std::string>& assignments) {
  Read result = read(yaml);
  for (const auto& assignment : assignments)
    apply_override(result.value, assignment, result.diagnostics);
  return result.diagnostics.ok() ? value_text(result.value) : result.diagnostics.render();
}

}  // namespace

TEST_CASE("marks count from 1, an empty value has its key's and an alias its own") {
  const auto [value, diagnostics] = read("a: &x [1, 2]\nb:\nc: *x\nd: ''\n");
  CHECK(diagnostics.ok());
  CHECK(value.find("a")->mark == Mark{0, 1, 4});
  CHECK(value.find("a")->items[1].mark == Mark{0, 1, 11});
  CHECK(value.find_entry("b")->key_mark == Mark{0, 2, 1});
  CHECK(value.find("b")->mark == Mark{0, 2, 1});
  CHECK(value.find("b")->is_null());
  CHECK(value.find("c")->mark == Mark{0, 3, 4});
  CHECK(value.find("c")->items.size() == 2);
  CHECK(value.find("d")->is_scalar());
  CHECK(value.find("d")->quoted);
}

TEST_CASE("repeated keys are kept, for whoever knows what the map is") {
  CHECK(read("a: 1\na: 2\n").value.entries.size() == 2);
}

TEST_CASE("a text that aliases blow up is refused") {
  std::string yaml = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 9; ++i) {
    yaml += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [";
    for (int j = 0; j < 10; ++j) yaml += (j ? ", *a" : "*a") + std::to_string(i - 1);
    yaml += "]\n";
  }
  CHECK(read(yaml).diagnostics.render().find("too large") != std::string::npos);
}

TEST_CASE("a text of any depth is read or refused, not crashed on") {
  CHECK(!read(std::string(100'000, '[')).diagnostics.ok());
}

TEST_CASE("the environment is put in") {
  ::setenv("PNFLOW_TEST_A", "seven", 1);
  ::setenv("PNFLOW_TEST_EMPTY", "", 1);
  ::unsetenv("PNFLOW_TEST_UNSET");
  const auto [value, diagnostics] = read(
      "a: ${PNFLOW_TEST_A}\n"
      "b: { x: \"${PNFLOW_TEST_A}\", y: \"to ${PNFLOW_TEST_A} and ${PNFLOW_TEST_A}\" }\n"
      "c: ${PNFLOW_TEST_UNSET:-8}\n"
      "d: ${PNFLOW_TEST_EMPTY:-9}x\n"
      "e: $${PNFLOW_TEST_A} $5\n"
      "f: '${PNFLOW_TEST_EMPTY}'\n");
  CHECK(diagnostics.render() == "");
  CHECK(value.find("a")->text == "seven");
  CHECK(value.find("b")->find("x")->text == "seven");
  CHECK(!value.find("b")->find("x")->quoted);
  CHECK(value.find("b")->find("y")->text == "to seven and seven");
  CHECK(value.find("b")->find("y")->quoted);
  CHECK(value.find("c")->text == "8");
  CHECK(value.find("d")->text == "9x");
  CHECK(value.find("e")->text == "${PNFLOW_TEST_A} $5");
  CHECK(value.find("f")->text.empty());
}

TEST_CASE("an undefined variable is a fault at its place") {
  ::unsetenv("PNFLOW_TEST_UNSET");
  const std::string said = read("a: x${PNFLOW_TEST_UNSET}\n").diagnostics.render();
  CHECK(said.starts_with("t:1:5: error: environment variable 'PNFLOW_TEST_UNSET' is not set\n"));
}

TEST_CASE("a number with a leading zero is refused, a text and a fraction are not") {
  CHECK(!read("a: 010").diagnostics.ok());
  CHECK(!read("a: -07").diagnostics.ok());
  CHECK(read("a: '010'\nb: 0\nc: 0.5\nd: 0x10\ne: 010a\n").diagnostics.ok());
}

TEST_CASE("overrides replace, add and reach into groups") {
  const std::string graph = "nodes: { q1: { type: limiter, capacity: 4 }, infer: { type: infer } }";
  CHECK(overridden(graph, {"q1.capacity=8"}) ==
        "{ nodes: { q1: { type: limiter, capacity: 8 }, infer: { type: infer } } }");
  CHECK(overridden(graph, {"infer.devices=[0, 1]", "infer.pad.height=5", "infer.pad.width=6"}) ==
        "{ nodes: { q1: { type: limiter, capacity: 4 }, infer: { type: infer, devices: [0, 1], "
        "pad: { "
        "height: 5, width: 6 } } } }");
  CHECK(overridden("nodes: { a: { x: 1 } }", {"window=3", "window=4", "detector.mask=m.h5"}) ==
        "{ nodes: { a: { x: 1 } }, window: 4, detector: { mask: m.h5 } }");
  CHECK(overridden("nodes: { a: { x: 1 } }", {"a.x=tcp://*:5=5", "a.y="}) ==
        "{ nodes: { a: { x: \"tcp://*:5=5\", y: null } } }");
}

TEST_CASE("an override's value stands where it is written") {
  Read result = read("nodes: { a: { x: 1 } }");
  apply_override(result.value, "a.x=[1, 2]", result.diagnostics);
  const Value& x = *result.value.find("nodes")->find("a")->find("x");
  CHECK(x.mark == Mark{1, 1, 5});
  CHECK(x.items[1].mark == Mark{1, 1, 9});
}

TEST_CASE("JSON has numbers, truths and texts as they were meant") {
  CHECK(to_json(
            read("{ a: 1, b: 1.5, c: true, d: '1', e: x, f: null, g: [1, {}], h: 30 s }").value) ==
        R"({"a":1,"b":1.5,"c":true,"d":"1","e":"x","f":null,"g":[1,{}],"h":"30 s"})");
}

TEST_CASE("YAML that is written reads back") {
  const std::string yaml =
      "name: \"a: b\"\nempty: {}\nnone: []\nnothing: null\nnodes:\n  q1: { type: limiter, text: "
      "\"it's \\\"#\\\"\" }\n"
      "edges:\n  - a -> b\n  - [1, x]\n\"odd: key\": 3\n";
  const Value value = read(yaml).value;
  const std::string written = to_yaml(value);
  CHECK(written.find("  q1: { type: limiter") != std::string::npos);
  const auto [again, diagnostics] = read(written);
  CHECK(diagnostics.ok());
  CHECK(value_text(again) == value_text(value));
}
