#include "graph/text_file.h"

#include <fstream>
#include <sstream>

namespace pnflow {

std::optional<std::string> read_text_file(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  // Unlike an iterator over it, this takes a directory for what it is.
  if (!in || in.peek() == std::ifstream::traits_type::eof()) {
    return in.is_open() && !in.bad() ? std::optional(std::string()) : std::nullopt;
  }
  std::ostringstream text;
  text << in.rdbuf();
  return in.bad() ? std::nullopt : std::optional(std::move(text).str());
}

}  // namespace pnflow
