#include "io/crystfel_panels.h"

#include <cstddef>

#include "io/crystfel_values.h"
#include "io/text_number.h"

namespace pnflow {
namespace {

// Bad regions have ranges as panels have; their names begin with "bad".
bool is_panel(std::string_view name) { return !name.empty() && !name.starts_with("bad"); }

}  // namespace

void CrystfelPanels::add(std::string_view line) {
  line = line.substr(0, line.find(';'));
  const std::size_t equals = line.find('=');
  if (equals == std::string_view::npos) return;
  std::string_view key = crystfel::trimmed(line.substr(0, equals));
  const auto value = number_of(crystfel::trimmed(line.substr(equals + 1)));
  const std::size_t slash = key.find('/');
  const std::string_view name = key.substr(0, slash == std::string_view::npos ? 0 : slash);
  if (slash != std::string_view::npos) key.remove_prefix(slash + 1);

  std::optional<double> Limits::*limit = nullptr;
  if (key == "min_fs") limit = &Limits::min_fs;
  if (key == "max_fs") limit = &Limits::max_fs;
  if (key == "min_ss") limit = &Limits::min_ss;
  if (key == "max_ss") limit = &Limits::max_ss;
  if (limit == nullptr || !value) return;
  if (slash == std::string_view::npos) {
    defaults_.*limit = value;
  } else if (is_panel(name)) {
    Panel& panel = panels_.try_emplace(std::string(name), Panel{defaults_, {}}).first->second;
    Limits& known = panel.limits;
    known.*limit = value;
    if (known.min_fs && known.max_fs && known.min_ss && known.max_ss) {
      panel.range = {*known.min_fs, *known.max_fs, *known.min_ss, *known.max_ss};
    }
  }
}

const CrystfelRange* CrystfelPanels::find(std::string_view name) const {
  const auto found = panels_.find(name);
  return found == panels_.end() || !found->second.range ? nullptr : &*found->second.range;
}

}  // namespace pnflow
