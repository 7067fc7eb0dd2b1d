#pragma once

#include <concepts>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "graph/export.h"
#include "graph/units.h"
#include "graph/value.h"

namespace pnflow {

// One thing wrong with a configured value, and where.
struct ParamFault {
  Mark at;
  std::string message;
  std::string hint;
};
using ParamFaults = std::vector<ParamFault>;

// One parameter of a node type, described once: parsing, validation, `pnflow nodes` and the
// reference all come from here.
struct ParamSpec {
  std::string name;
  std::string type;  // "integer", "number", "text", "yes or no", "duration", "list of ..."
  std::string unit;  // "pixels", "ADU"; empty when the type carries it or there is none
  std::string help;
  std::string range;         // "1 to 64", "at least 0", "center | bottom-right"; empty: any
  std::string default_text;  // empty: none
  bool required = false;
  // The graph's section `detector` serves the nodes that have no value of their own.
  bool shared = false;
  std::vector<std::shared_ptr<const ParamSpec>> members;  // of a group of parameters
  std::string short_form;  // of a group: the member that a value stands for which is no map

  // Parses `value` into the parameter struct at `params`; adds to the faults what is wrong: "'x' is
  // not an integer", to stand behind the parameter's name (of a group: complete messages).
  std::function<void(void* params, const Value& value, ParamFaults&)> set;
  // The parameter's present value, as configuration.
  std::function<Value(const void* params)> show;
};
using ParamSpecs = std::vector<std::shared_ptr<const ParamSpec>>;

// Sets the parameters that `map` has. Unknown, repeated and missing keys are faults; `owner` is how
// messages call the map ("node 'q1' (limiter)"), `at` where what is missing is reported.
// `reserved` are keys that are somebody else's: neither parsed nor unknown. Nothing of this is
// thread-safe.
PNFLOW_API void set_params(const ParamSpecs& specs, void* params, const Value& map, Mark at,
                           const std::string& owner, const std::vector<std::string>& reserved,
                           ParamFaults& faults);
PNFLOW_API Value show_params(const ParamSpecs& specs, const void* params);

// How each C++ type of a parameter is written in a configuration. parse() gives nothing when the
// value is not of the type.
template <class T>
struct ParamType;

// "an integer", "a duration such as 30 s": for messages.
PNFLOW_API std::string with_article(std::string_view type);
// "integers" of "integer", "lists of integers" of "list of integers".
PNFLOW_API std::string plural_of(std::string_view type);

// Parses a scalar; shared by the specialisations below.
PNFLOW_API std::optional<bool> parse_bool(const Value&);
PNFLOW_API std::optional<std::int64_t> parse_integer(const Value&);
PNFLOW_API std::optional<double> parse_number(const Value&);
PNFLOW_API Value scalar_value(std::string text, bool quoted = false);
PNFLOW_API std::string number_text(double);
// The value as YAML on one line; empty when there is none.
PNFLOW_API std::string value_text(const Value&);

template <>
struct ParamType<bool> {
  static std::string name() { return "yes or no"; }
  static std::optional<bool> parse(const Value& v) { return parse_bool(v); }
  static Value show(bool v) { return scalar_value(v ? "true" : "false"); }
};

template <std::integral T>
struct ParamType<T> {
  static std::string name() { return "integer"; }
  static std::optional<T> parse(const Value& v) {
    const auto n = parse_integer(v);
    if (!n || !std::in_range<T>(*n)) return {};
    return static_cast<T>(*n);
  }
  static Value show(T v) { return scalar_value(std::to_string(v)); }
};

template <std::floating_point T>
struct ParamType<T> {
  static std::string name() { return "number"; }
  static std::optional<T> parse(const Value& v) {
    const auto n = parse_number(v);
    return n ? std::optional<T>(static_cast<T>(*n)) : std::nullopt;
  }
  static Value show(T v) { return scalar_value(number_text(static_cast<double>(v))); }
};

template <>
struct ParamType<std::string> {
  static std::string name() { return "text"; }
  static std::optional<std::string> parse(const Value& v) {
    return v.is_scalar() ? std::optional(v.text) : std::nullopt;
  }
  static Value show(const std::string& v) { return scalar_value(v, true); }
};

template <>
struct ParamType<Duration> {
  static std::string name() { return "duration"; }
  static std::optional<Duration> parse(const Value& v) {
    return v.is_scalar() ? parse_duration(v.text) : std::nullopt;
  }
  static Value show(Duration v) { return scalar_value(to_string(v)); }
};

template <>
struct ParamType<ByteSize> {
  static std::string name() { return "size"; }
  static std::optional<ByteSize> parse(const Value& v) {
    return v.is_scalar() ? parse_byte_size(v.text) : std::nullopt;
  }
  static Value show(ByteSize v) { return scalar_value(to_string(v)); }
};

template <>
struct ParamType<Rate> {
  static std::string name() { return "rate"; }
  static std::optional<Rate> parse(const Value& v) {
    return v.is_scalar() ? parse_rate(v.text) : std::nullopt;
  }
  static Value show(Rate v) { return scalar_value(to_string(v)); }
};

template <class T>
struct ParamType<std::optional<T>> {
  static std::string name() { return ParamType<T>::name(); }
  static std::optional<std::optional<T>> parse(const Value& v) {
    auto inner = ParamType<T>::parse(v);
    if (!inner) return {};
    return std::optional<std::optional<T>>(std::in_place, std::move(inner));
  }
  static Value show(const std::optional<T>& v) { return v ? ParamType<T>::show(*v) : Value{}; }
};

// A list; one value alone is a list of one.
template <class T>
struct ParamType<std::vector<T>> {
  static std::string name() { return "list of " + plural_of(ParamType<T>::name()); }
  static std::optional<std::vector<T>> parse(const Value& v) {
    std::vector<T> out;
    if (v.is_null() || v.is_map()) return {};
    const auto add = [&](const Value& item) {
      auto one = ParamType<T>::parse(item);
      if (one) out.push_back(std::move(*one));
      return one.has_value();
    };
    if (!v.is_list()) return add(v) ? std::optional(out) : std::nullopt;
    for (const Value& item : v.items) {
      if (!add(item)) return {};
    }
    return out;
  }
  static Value show(const std::vector<T>& v) {
    Value list;
    list.kind = Value::Kind::list;
    for (const auto& item : v) list.items.push_back(ParamType<T>::show(item));
    return list;
  }
};

}  // namespace pnflow
