#include "graph/spec.h"

namespace pnflow {

std::vector<std::string> needs_of(const NodeSpec& spec, const void* params) {
  std::vector<std::string> needs;
  for (const auto& need : spec.needs) {
    if (auto what = need(params)) needs.push_back(std::move(*what));
  }
  return needs;
}

void set_checked(const NodeSpec& spec, void* params, const Value& map, Mark at,
                 const std::string& owner, const std::vector<std::string>& reserved,
                 ParamFaults& faults) {
  const std::size_t before = faults.size();
  set_params(spec.params, params, map, at, owner, reserved, faults);
  // A condition between parameters means nothing while one of them is wrong.
  if (faults.size() != before) return;
  for (const auto& [name, test] : spec.checks) {
    const Value::Entry* entry = map.find_entry(name);
    if (auto wrong = test(params)) {
      faults.push_back({entry != nullptr ? entry->key_mark : at, owner + ": " + *wrong, {}});
    }
  }
}

void set_group(const NodeSpec& group, void* params, const Value& value, const std::string& label,
               const std::string& short_form, ParamFaults& faults) {
  if (value.is_scalar() && !short_form.empty()) {
    Value map;
    map.kind = Value::Kind::map;
    map.mark = value.mark;
    map.entries.push_back({short_form, value.mark, value});
    set_checked(group, params, map, map.mark, label, {}, faults);
    return;
  }
  if (!value.is_map()) {
    faults.push_back({value.mark, label + " is a map of parameters, not " + value.describe(), {}});
    return;
  }
  set_checked(group, params, value, value.mark, label, {}, faults);
}

}  // namespace pnflow
