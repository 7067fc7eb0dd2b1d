#include "graph/diagnostics.h"

#include <doctest/doctest.h>

using namespace pnflow;

namespace {

const std::vector<std::string> words = {"capacity", "workers", "ordered", "timeout"};

}  // namespace

TEST_CASE("a suggestion is the nearest word, when one is near") {
  CHECK(suggest("capacty", words) == "did you mean 'capacity'?");
  CHECK(suggest("cpaacity", words) == "did you mean 'capacity'?");
  CHECK(suggest("worker", words) == "did you mean 'workers'?");
  CHECK(suggest("timeout_sm", words) == "did you mean 'timeout'?");
  CHECK(suggest("x", std::vector<std::string>{"y"}) == "did you mean 'y'?");
}

TEST_CASE("when no word is near, all are listed") {
  CHECK(suggest("bind", words) == "known: capacity, workers, ordered, timeout");
  CHECK(suggest("bind", {}).empty());
  CHECK(!nearest("bind", words));
}

TEST_CASE("faults come in the order of the text, warnings too, each once") {
  Diagnostics diagnostics;
  const int file = diagnostics.add_text("a.yaml", "one\ntwo\n");
  const int set = diagnostics.add_text("--set", "x=1");
  diagnostics.error({set, 1, 3}, "third");
  diagnostics.warning({file, 2, 1}, "second", "a hint\nof two lines");
  diagnostics.error({file, 1, 2}, "first");
  diagnostics.error({file, 1, 2}, "first");
  CHECK(diagnostics.errors() == 2);
  CHECK(!diagnostics.ok());
  CHECK(diagnostics.render() ==
        "a.yaml:1:2: error: first\n  one\n   ^\n"
        "a.yaml:2:1: warning: second\n  two\n  ^\n  a hint\n  of two lines\n"
        "--set:1:3: error: third\n  x=1\n    ^\n"
        "2 errors, 1 warning\n");
}

TEST_CASE("the caret stands under the place behind tabs and characters of several bytes") {
  Diagnostics diagnostics;
  const int file = diagnostics.add_text("a.yaml", "\tn: \"\xC3\xA9\" x");
  diagnostics.error({file, 1, 10}, "here");
  CHECK(diagnostics.render() ==
        "a.yaml:1:10: error: here\n  \tn: \"\xC3\xA9\" x\n  \t       ^\n1 error\n");
}

TEST_CASE("a place that is unknown, or behind the text, is no trouble") {
  Diagnostics diagnostics;
  const int file = diagnostics.add_text("a.yaml", "one\r\n");
  diagnostics.error({file, 0, 0}, "somewhere");
  diagnostics.error({file, 7, 3}, "behind");
  diagnostics.error({9, 1, 1}, "nowhere");
  CHECK(diagnostics.line_at({file, 1, 1}) == "one");
  CHECK(diagnostics.render() ==
        "a.yaml: error: somewhere\na.yaml:7:3: error: behind\n:1:1: error: nowhere\n3 errors\n");
}

TEST_CASE("nothing said is nothing printed, and a warning is no error") {
  Diagnostics diagnostics;
  CHECK(diagnostics.render().empty());
  diagnostics.warning({}, "mind");
  CHECK(diagnostics.ok());
  CHECK(!diagnostics.empty());
}
