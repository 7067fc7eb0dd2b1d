#include "graph/param.h"

#include <doctest/doctest.h>

#include "graph/config.h"
#include "graph/spec.h"

using namespace pnflow;

namespace {

enum class Style { center, corner };

struct Inner {
  int height = 3;
  std::optional<double> scale;
};

struct All {
  bool flag = false;
  int small = 2;
  std::uint8_t byte = 7;
  double number = 0.5;
  std::string text = "out";
  Duration wait = std::chrono::milliseconds(20);
  ByteSize size{1 << 20};
  Rate rate{120};
  Style style = Style::center;
  std::optional<Style> maybe_style;
  std::vector<Style> styles{Style::corner};
  std::optional<int> maybe;
  std::vector<int> list{1, 2};
  std::vector<std::vector<int>> nested;
  Inner inner;
  std::optional<Inner> maybe_inner;
  std::optional<Inner> brief;
};

void describe_inner(Spec<Inner>& spec) {
  spec.param("height", &Inner::height).range(1, 10).help("rows");
  spec.param("scale", &Inner::scale).help("factor");
  spec.check("scale", [](const Inner& inner) -> std::optional<std::string> {
    if (inner.scale.value_or(1) > 0) return {};
    return "a scale is positive";
  });
}

NodeSpec all_of_them() {
  Spec<All> spec;
  spec.param("flag", &All::flag);
  spec.param("small", &All::small).range(1, 5).unit("messages").help("how many");
  spec.param("byte", &All::byte);
  spec.param("number", &All::number).at_least(0);
  spec.param("text", &All::text);
  spec.param("wait", &All::wait).at_least(std::chrono::milliseconds(1));
  spec.param("size", &All::size);
  spec.param("rate", &All::rate);
  spec.param("style", &All::style).choice("center", Style::center).choice("corner", Style::corner);
  spec.param("maybe_style", &All::maybe_style).choice("center", Style::center);
  spec.param("styles", &All::styles)
      .choice("center", Style::center)
      .choice("corner", Style::corner);
  spec.param("maybe", &All::maybe).range(0, 9);
  spec.param("list", &All::list).range(0, 9);
  spec.param("nested", &All::nested);
  spec.group<Inner>("inner", &All::inner, "inside", describe_inner);
  spec.group<Inner>("maybe_inner", &All::maybe_inner, "perhaps inside", describe_inner);
  spec.group<Inner>("brief", &All::brief, "in short", describe_inner).short_form("height").shared();
  return std::move(spec).take();
}

struct Read {
  All all;
  ParamFaults faults;
};

Read read(const std::string& yaml) {
  Diagnostics diagnostics;
  const Value map = read_yaml(yaml, diagnostics.add_text("t", yaml), diagnostics);
  REQUIRE(diagnostics.ok());
  Read result;
  set_checked(all_of_them(), &result.all, map, {0, 1, 1}, "the test", {"type"}, result.faults);
  return result;
}

std::string fault_of(const std::string& yaml) {
  const Read result = read(yaml);
  REQUIRE(result.faults.size() == 1);
  return result.faults.front().message;
}

const ParamSpec& spec_of(const NodeSpec& node, std::string_view name) {
  for (const auto& param : node.params) {
    if (param->name == name) return *param;
  }
  throw std::logic_error("no such parameter");
}

}  // namespace

TEST_CASE("parameters of every type are read") {
  const auto [all, faults] = read(
      "{ type: x, flag: yes, small: 5, byte: 255, number: 1e-3, text: 12, wait: 2 s, size: 64 "
      "MiB,\n"
      "  rate: 1.5 kHz, style: corner, maybe_style: center, styles: [corner, center], maybe: 4,\n"
      "  list: 3, nested: [[1], [2, 3]], inner: { height: 9 }, maybe_inner: { scale: 2 } }");
  for (const auto& fault : faults) MESSAGE(fault.message);
  CHECK(faults.empty());
  CHECK(all.flag);
  CHECK(all.small == 5);
  CHECK(all.byte == 255);
  CHECK(all.number == 1e-3);
  CHECK(all.text == "12");
  CHECK(all.wait == std::chrono::seconds(2));
  CHECK(all.size == ByteSize{64ULL << 20});
  CHECK(all.rate == Rate{1500});
  CHECK(all.style == Style::corner);
  CHECK(all.maybe_style == Style::center);
  CHECK(all.styles == std::vector{Style::corner, Style::center});
  CHECK(all.maybe == 4);
  CHECK(all.list == std::vector{3});
  CHECK(all.nested == std::vector<std::vector<int>>{{1}, {2, 3}});
  CHECK(all.inner.height == 9);
  REQUIRE(all.maybe_inner);
  CHECK(all.maybe_inner->height == 3);
  CHECK(all.maybe_inner->scale == 2);
}

TEST_CASE("a group with a short form is a map, or the value of one member") {
  CHECK(read("brief: 7").all.brief->height == 7);
  const All all = read("brief: { scale: 2 }").all;
  CHECK(all.brief->height == 3);
  CHECK(all.brief->scale == 2);
  CHECK(!read("brief: null").all.brief);
  CHECK(fault_of("brief: x") == "'height' of 'brief': 'x' is not an integer");
  CHECK(fault_of("brief: 11") == "'height' of 'brief': 11 is out of range: 1 to 10");
  CHECK(fault_of("brief: [3]") == "'brief' is a map of parameters, not a list");
  CHECK(fault_of("brief: { heigth: 1 }") == "unknown key 'heigth' of 'brief'");
}

TEST_CASE("null takes an optional parameter away, and nothing else") {
  const auto [all, faults] = read("{ maybe: null, maybe_style: ~, maybe_inner: null }");
  CHECK(faults.empty());
  CHECK(!all.maybe);
  CHECK(!all.maybe_inner);
  CHECK(fault_of("small:") == "'small' of the test: a value is missing, an integer");
  CHECK(fault_of("inner:") == "'inner' is a map of parameters, not nothing");
}

TEST_CASE("what is shown reads back as it was") {
  const NodeSpec spec = all_of_them();
  All all = read(
                "{ number: 0.1, text: 'a: b', style: corner, maybe: 3, list: [], maybe_inner: { "
                "scale: 3 } }")
                .all;
  const std::string shown = value_text(show_params(spec.params, &all));
  const auto [again, faults] = read(shown);
  CHECK(faults.empty());
  CHECK(value_text(show_params(spec.params, &again)) == shown);
  CHECK(again.number == 0.1);
  CHECK(again.text == "a: b");
  CHECK(again.list.empty());
}

TEST_CASE("a value of a wrong type is refused with what it should be") {
  CHECK(fault_of("flag: 1") == "'flag' of the test: '1' is not yes or no");
  CHECK(fault_of("small: 1.5") == "'small' of the test: '1.5' is not an integer");
  CHECK(fault_of("small: '3'") == "'small' of the test: the text \"3\" is not an integer");
  CHECK(fault_of("small: [3]") == "'small' of the test: a list is not an integer");
  CHECK(fault_of("number: nan") == "'number' of the test: 'nan' is not a number");
  CHECK(fault_of("text: {}") == "'text' of the test: a map is not a text");
  CHECK(fault_of("wait: 30") == "'wait' of the test: '30' is not a duration such as 30 s");
  CHECK(fault_of("list: [1, x]") == "'list' of the test: 'x' is not an integer");
  CHECK(fault_of("list: { a: 1 }") == "'list' of the test: a map is not a list of integers");
  CHECK(fault_of("style: round") == "'style' of the test: 'round' is not one of: center | corner");
  CHECK(fault_of("styles: [center, round]") ==
        "'styles' of the test: 'round' is not one of: center | corner");
}

TEST_CASE("a value out of range is refused with the range") {
  CHECK(fault_of("small: 6") == "'small' of the test: 6 is out of range: 1 to 5");
  CHECK(fault_of("byte: 256") == "'byte' of the test: 256 is out of range: at most 255");
  CHECK(fault_of("byte: -1") == "'byte' of the test: -1 is out of range: at least 0");
  CHECK(fault_of("number: -0.5") == "'number' of the test: -0.5 is out of range: at least 0");
  CHECK(fault_of("wait: 1 us") == "'wait' of the test: 1 us is out of range: at least 1 ms");
  CHECK(fault_of("maybe: 10") == "'maybe' of the test: 10 is out of range: 0 to 9");
  CHECK(fault_of("list: [1, 10]") == "'list' of the test: 10 is out of range: 0 to 9");
  CHECK(fault_of("inner: { height: 11 }") == "'height' of 'inner': 11 is out of range: 1 to 10");
}

TEST_CASE("unknown and repeated keys, missing parameters and failed checks are faults") {
  CHECK(fault_of("smal: 1") == "unknown key 'smal' of the test");
  CHECK(fault_of("small: 1\nsmall: 2") == "key 'small' of the test is repeated");
  CHECK(fault_of("inner: { heigth: 1 }") == "unknown key 'heigth' of 'inner'");
  CHECK(fault_of("inner: { scale: -1 }") == "'inner': a scale is positive");
}

TEST_CASE("what a node needs of the machine depends on its parameters") {
  Spec<All> spec;
  spec.needs([](const All& all) -> std::optional<std::string> {
    if (!all.flag) return {};
    return "a flag pole";
  });
  spec.needs([](const All& all) { return std::optional("room for " + std::to_string(all.small)); });
  const NodeSpec node = std::move(spec).take();
  All all;
  CHECK(needs_of(node, &all) == std::vector<std::string>{"room for 2"});
  all.flag = true;
  CHECK(needs_of(node, &all) == std::vector<std::string>{"a flag pole", "room for 2"});
}

TEST_CASE("a description has types, units, ranges and defaults as text") {
  const NodeSpec node = all_of_them();
  CHECK(spec_of(node, "small").type == "integer");
  CHECK(spec_of(node, "small").unit == "messages");
  CHECK(spec_of(node, "small").range == "1 to 5");
  CHECK(spec_of(node, "small").default_text == "2");
  CHECK(spec_of(node, "text").default_text == "\"out\"");
  CHECK(spec_of(node, "wait").default_text == "20 ms");
  CHECK(spec_of(node, "style").type == "word");
  CHECK(spec_of(node, "style").default_text == "center");
  CHECK(spec_of(node, "styles").type == "list of words");
  CHECK(spec_of(node, "styles").default_text == "[corner]");
  CHECK(spec_of(node, "maybe").default_text.empty());
  CHECK(spec_of(node, "list").type == "list of integers");
  CHECK(spec_of(node, "list").default_text == "[1, 2]");
  CHECK(spec_of(node, "nested").type == "list of lists of integers");
  CHECK(spec_of(node, "inner").type == "map");
  CHECK(spec_of(node, "inner").members.size() == 2);
  CHECK(spec_of(node, "inner").short_form.empty());
  CHECK(!spec_of(node, "inner").shared);
  CHECK(spec_of(node, "brief").type == "map");
  CHECK(spec_of(node, "brief").short_form == "height");
  CHECK(spec_of(node, "brief").shared);
}
