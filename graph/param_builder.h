#pragma once

#include <concepts>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "graph/diagnostics.h"
#include "graph/param.h"

namespace pnflow {

// What one value of a parameter is: T itself, or what an optional or a list holds.
template <class T>
struct OneOf {
  using type = T;
};
template <class T>
struct OneOf<std::optional<T>> : OneOf<T> {};
template <class T>
struct OneOf<std::vector<T>> : OneOf<T> {};

template <class T>
inline constexpr bool is_optional = false;
template <class T>
inline constexpr bool is_optional<std::optional<T>> = true;
template <class T>
inline constexpr bool is_list = false;
template <class T>
inline constexpr bool is_list<std::vector<T>> = true;

// The values that a parameter of type T may have.
template <class T>
struct ParamLimits {
  using One = typename OneOf<T>::type;
  std::optional<One> low, high;                      // inclusive
  std::vector<std::pair<std::string, One>> choices;  // words, and what they stand for

  bool allows(const One& one) const {
    if constexpr (requires { one < one; }) {
      return !(low && one < *low) && !(high && *high < one);
    } else {
      return true;
    }
  }
  template <class Item>
  bool allows(const std::optional<Item>& value) const {
    return !value || allows(*value);
  }
  template <class Item>
  bool allows(const std::vector<Item>& values) const {
    for (const auto& value : values) {
      if (!allows(value)) return false;
    }
    return true;
  }

  // Reads a value whose only way of writing is a choice's word.
  template <class V>
  bool choose(const Value& value, V& out) const {
    if constexpr (is_optional<V>) {
      return choose(value, out.emplace());
    } else if constexpr (is_list<V>) {
      out.clear();
      if (!value.is_list()) return choose(value, out.emplace_back());
      for (const Value& item : value.items) {
        if (!choose(item, out.emplace_back())) return false;
      }
      return true;
    } else {
      for (const auto& [word, choice] : choices) {
        if (!value.is_scalar() || value.text != word) continue;
        out = choice;
        return true;
      }
      return false;
    }
  }

  template <class V>
  Value show(const V& value) const {
    if constexpr (is_optional<V>) {
      return value ? show(*value) : Value{};
    } else if constexpr (is_list<V>) {
      Value list;
      list.kind = Value::Kind::list;
      for (const auto& item : value) list.items.push_back(show<typename V::value_type>(item));
      return list;
    } else {
      for (const auto& [word, choice] : choices) {
        if (choice == value) return scalar_value(word);
      }
      if constexpr (std::is_enum_v<V>)
        return {};
      else
        return ParamType<V>::show(value);
    }
  }

  std::vector<std::string> words() const {
    std::vector<std::string> all;
    for (const auto& [word, choice] : choices) all.push_back(word);
    return all;
  }
};

// "integer", "list of words", ...
template <class T>
std::string param_type_name() {
  if constexpr (std::is_enum_v<T>) {
    return "word";
  } else if constexpr (is_optional<T>) {
    return param_type_name<typename T::value_type>();
  } else if constexpr (is_list<T>) {
    return "list of " + plural_of(param_type_name<typename T::value_type>());
  } else {
    return ParamType<T>::name();
  }
}

// The entry of a list that cannot be read as one of its values; otherwise the value itself.
template <class T, class Good>
const Value& culprit(const Value& value, Good good) {
  if constexpr (is_list<T>) {
    for (const Value& item : value.items) {
      if (!good(item)) return item;
    }
  }
  return value;
}

// An integer that its C++ type cannot hold: "at least 0".
template <std::integral T>
std::string limits_of(std::int64_t n) {
  return n < 0 ? "at least " + std::to_string(std::numeric_limits<T>::min())
               : "at most " + std::to_string(std::numeric_limits<T>::max());
}

// Parses `value` into `member`; what is wrong with it goes to `faults`.
template <class T>
void set_param(T& member, const Value& value, const ParamLimits<T>& limits, const ParamSpec& spec,
               ParamFaults& faults) {
  using One = typename OneOf<T>::type;
  const auto fault = [&](const Value& at, std::string what) {
    faults.push_back({at.mark, std::move(what), spec.help});
  };
  if (value.is_null()) {
    if constexpr (is_optional<T>) {
      return member.reset();
    } else {
      return fault(value, "a value is missing, " + with_article(spec.type));
    }
  }
  if (!limits.choices.empty()) {
    T chosen{};
    if (limits.choose(value, chosen)) {
      member = std::move(chosen);
      return;
    }
    One ignored{};
    const Value& wrong =
        culprit<T>(value, [&](const Value& v) { return limits.choose(v, ignored); });
    fault(wrong, wrong.describe() + " is not one of: " + spec.range);
    if (const auto near = nearest(wrong.text, limits.words())) {
      faults.back().hint = "did you mean '" + *near + "'?";
    }
    return;
  }
  if constexpr (!std::is_enum_v<One>) {
    auto parsed = ParamType<T>::parse(value);
    if (parsed && limits.allows(*parsed)) {
      member = std::move(*parsed);
      return;
    }
    const auto good = [&](const Value& item) {
      const auto one = ParamType<One>::parse(item);
      return one && limits.allows(*one);
    };
    const Value& wrong = culprit<T>(value, good);
    if (parsed) return fault(wrong, value_text(wrong) + " is out of range: " + spec.range);
    if constexpr (std::integral<One> && !std::is_same_v<One, bool>) {
      if (const auto n = parse_integer(wrong)) {
        return fault(wrong, wrong.text + " is out of range: " + limits_of<One>(*n));
      }
    }
    const bool is_item = &wrong != &value;
    fault(wrong, wrong.describe() + " is not " +
                     with_article(is_item ? ParamType<One>::name() : spec.type));
  }
}

template <class T>
class ParamBuilder {
 public:
  using One = typename OneOf<T>::type;
  ParamBuilder(std::shared_ptr<ParamSpec> spec, std::shared_ptr<ParamLimits<T>> limits)
      : spec_(std::move(spec)), limits_(std::move(limits)) {}
  ParamBuilder& help(std::string text) {
    spec_->help = std::move(text);
    return *this;
  }
  ParamBuilder& unit(std::string text) {
    spec_->unit = std::move(text);
    return *this;
  }
  ParamBuilder& required() {
    spec_->required = true;
    return *this;
  }
  // The graph's section `detector` has it for all nodes that say nothing themselves.
  ParamBuilder& shared() {
    spec_->shared = true;
    return *this;
  }
  // Inclusive; for a list, of each entry.
  ParamBuilder& range(One low, One high) {
    limits_->low = low;
    limits_->high = high;
    spec_->range = text(low) + " to " + text(high);
    return *this;
  }
  ParamBuilder& at_least(One low) {
    limits_->low = low;
    spec_->range = "at least " + text(low);
    return *this;
  }
  // One of several words; the only way for an enum, possible for text.
  ParamBuilder& choice(std::string word, One value) {
    spec_->range += (spec_->range.empty() ? "" : " | ") + word;
    limits_->choices.emplace_back(std::move(word), std::move(value));
    return *this;
  }

 private:
  static std::string text(const One& bound) { return value_text(ParamType<One>::show(bound)); }
  std::shared_ptr<ParamSpec> spec_;
  std::shared_ptr<ParamLimits<T>> limits_;
};

class GroupBuilder {
 public:
  explicit GroupBuilder(std::shared_ptr<ParamSpec> spec) : spec_(std::move(spec)) {}
  // As a parameter's.
  GroupBuilder& shared() {
    spec_->shared = true;
    return *this;
  }
  // `group: value` is a way to write `group: { member: value }`.
  GroupBuilder& short_form(std::string member) {
    spec_->short_form = std::move(member);
    return *this;
  }

 private:
  std::shared_ptr<ParamSpec> spec_;
};

}  // namespace pnflow
