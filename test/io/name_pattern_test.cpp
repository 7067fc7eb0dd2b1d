#include "io/name_pattern.h"

#include <doctest/doctest.h>

#include <array>

namespace pnflow {
namespace {

constexpr std::array<std::string_view, 2> known = {"run", "index"};
const std::array<std::pair<std::string_view, std::string>, 2> values = {
    {{"run", "r{7}"}, {"date", "today"}}};

TEST_CASE("placeholders are replaced where they have a value, and only once") {
  CHECK(expand_pattern("a/{run}_{index}.{date}", values) == "a/r{7}_{index}.today");
  CHECK(expand_pattern("{run}{run}", values) == "r{7}r{7}");
  CHECK(expand_pattern("plain", values) == "plain");
  CHECK(expand_pattern("", values).empty());
  CHECK(expand_pattern("open{run", values) == "open");
}

TEST_CASE("a pattern with braces that say nothing is a fault") {
  CHECK_FALSE(pattern_fault("", known));
  CHECK_FALSE(pattern_fault("{run}/x{index}", known));
  CHECK(pattern_fault("{rum}", known) ==
        "'{rum}' in '{rum}' is no placeholder; there are {run}, {index}");
  CHECK(pattern_fault("{}", known));
  CHECK(pattern_fault("{run", known) == "'{run' has a '{' without a '}'");
  CHECK(pattern_fault("run}", known) == "'run}' has a '}' without a '{'");
  CHECK(pattern_fault("{{run}}", known));
}

}  // namespace
}  // namespace pnflow
