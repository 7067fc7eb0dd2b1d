#pragma once

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "graph/param.h"

namespace pnflow {

// GPUs to run on: none (the CPU), all that there are, or these.
struct DeviceList {
  bool all = false;
  std::vector<int> indices;

  bool gpu() const { return all || !indices.empty(); }
  // What a run on them must find, for `pnflow validate`; nothing: they are the CPU.
  std::optional<std::string> needs() const;
  friend bool operator==(const DeviceList&, const DeviceList&) = default;
};

template <>
struct ParamType<DeviceList> {
  static std::string name() { return "list of GPUs such as [0, 1]"; }
  static std::optional<DeviceList> parse(const Value& value) {
    if (value.is_scalar() && value.text == "cpu") return DeviceList{};
    if (value.is_scalar() && value.text == "auto") return DeviceList{true, {}};
    auto indices = ParamType<std::vector<int>>::parse(value);
    if (!indices || indices->empty()) return {};
    for (const int index : *indices) {
      if (index < 0) return {};
    }
    return DeviceList{false, std::move(*indices)};
  }
  static Value show(const DeviceList& list) {
    if (list.all) return scalar_value("auto");
    return list.indices.empty() ? scalar_value("cpu")
                                : ParamType<std::vector<int>>::show(list.indices);
  }
};

inline std::optional<std::string> DeviceList::needs() const {
  if (!gpu()) return {};
  const bool several = std::ranges::any_of(indices, [&](int i) { return i != indices.front(); });
  return (several ? "GPUs (devices: " : "a GPU (devices: ") +
         value_text(ParamType<DeviceList>::show(*this)) + ")";
}

}  // namespace pnflow
