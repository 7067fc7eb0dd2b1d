#include "graph/environment.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>

namespace pnflow {

namespace {

constexpr std::string_view opening = "${";
constexpr std::string_view default_mark = ":-";

bool is_variable_name(std::string_view name) {
  const auto allowed = [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) || c == '_';
  };
  return !name.empty() && !std::isdigit(static_cast<unsigned char>(name.front())) &&
         std::ranges::all_of(name, allowed);
}

// What `inside` of ${inside} stands for; nothing, and a fault, when it stands for nothing.
std::optional<std::string> look_up(std::string_view inside, Mark at, Diagnostics& diagnostics) {
  const std::size_t split = inside.find(default_mark);
  const std::string name(inside.substr(0, split));
  if (!is_variable_name(name)) {
    diagnostics.error(at, fmt::format("'${{{}}}' does not name an environment variable", inside),
                      "write ${NAME} or ${NAME:-default}; $${ is a plain ${");
    return {};
  }
  const char* found = std::getenv(name.c_str());
  if (split != std::string_view::npos) {
    if (found != nullptr && *found != '\0') return found;
    return std::string(inside.substr(split + default_mark.size()));
  }
  if (found != nullptr) return found;
  diagnostics.error(at, fmt::format("environment variable '{}' is not set", name),
                    fmt::format("${{{}:-value}} gives it a default", name));
  return {};
}

// Points at the place in the scalar when the line shows it as it is, behind a quotation mark or
// not.
Mark mark_inside(Mark at, std::string_view text, std::size_t offset,
                 const Diagnostics& diagnostics) {
  const std::string_view line = diagnostics.line_at(at);
  const auto column = static_cast<std::size_t>(std::max(at.column, 1)) - 1;
  const std::size_t found = line.find(text, column);
  if (found > column + 1) return at;
  at.column = static_cast<int>(found + offset) + 1;
  return at;
}

}  // namespace

std::string replace_environment(std::string_view text, Mark at, Diagnostics& diagnostics) {
  std::string out;
  std::size_t done = 0;
  for (std::size_t i; (i = text.find(opening, done)) != std::string_view::npos;) {
    const std::size_t body = i + opening.size();
    if (i > done && text[i - 1] == '$') {
      out.append(text.substr(done, i - 1 - done)).append(opening);
      done = body;
      continue;
    }
    out.append(text.substr(done, i - done));
    const Mark here = mark_inside(at, text, i, diagnostics);
    const std::size_t end = text.find('}', body);
    if (end == std::string_view::npos) {
      diagnostics.error(here, "'${' without its '}'", "write ${NAME} or ${NAME:-default}");
      done = i;
      break;
    }
    const auto value = look_up(text.substr(body, end - body), here, diagnostics);
    out.append(value ? *value : std::string(text.substr(i, end + 1 - i)));
    done = end + 1;
  }
  return out.append(text.substr(done));
}

bool is_reference(std::string_view text) {
  return text.starts_with(opening) && text.find('}') == text.size() - 1;
}

}  // namespace pnflow
