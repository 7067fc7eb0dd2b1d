#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "graph/diagnostics.h"

namespace pnflow {

// Replaces `${NAME}` and `${NAME:-default}` in `text`, a scalar that stands at `at`, from the
// environment; `$${` becomes `${`. A default serves for a variable that is empty, too, as in a
// shell. Faults go to `diagnostics`, and what is wrong is left as it was.
std::string replace_environment(std::string_view text, Mark at, Diagnostics& diagnostics);

// The text is one reference and nothing else.
bool is_reference(std::string_view text);

}  // namespace pnflow
