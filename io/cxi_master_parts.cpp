#include "io/cxi_master_parts.h"

#include <fmt/format.h>

#include <algorithm>
#include <system_error>

#include "graph/error.h"
#include "io/cxi_file.h"
#include "io/cxi_reader.h"
#include "io/mapped_file.h"

namespace pnflow {
namespace {

// The name of a file from that of a mapping, in which % stands twice.
std::string file_name(const std::string& source) {
  std::string name;
  for (std::size_t i = 0; i < source.size(); ++i) {
    name += source[i];
    if (source[i] == '%' && i + 1 < source.size() && source[i + 1] == '%') ++i;
  }
  return name;
}

std::string fault_of(const std::filesystem::path& part, const VirtualSource& source) {
  std::error_code error;
  if (!std::filesystem::exists(part, error)) return "there is no such file";
  try {
    const MappedFile map(part.string());
    const CxiReader reader(map.bytes());
    const DatasetInfo* images = reader.info(source.dataset);
    if (images == nullptr) return fmt::format("has no {} that can be read", source.dataset);
    if (!std::ranges::equal(images->shape, source.shape)) {
      return fmt::format("has {} in {}, not {}", to_string(images->shape), source.dataset,
                         to_string(Shape(source.shape.begin(), source.shape.end())));
    }
    if (reader.events() != source.shape[0]) {
      return fmt::format("has peaks of {} events, not {}", reader.events(), source.shape[0]);
    }
  } catch (const std::exception& fault) {
    return fault.what();
  }
  return {};
}

}  // namespace

std::vector<CxiMasterPart> master_parts(std::span<const std::byte> bytes,
                                        const std::filesystem::path& path) {
  const Hdf5Message master(bytes);
  std::vector<CxiMasterPart> parts;
  for (const VirtualSource& source : master.virtual_sources(cxi_path::data)) {
    // Relative to the master; an absolute name stays what it is.
    const std::string name = file_name(source.file);
    parts.push_back({.file = name,
                     .first = source.first,
                     .events = source.shape[0],
                     .fault = fault_of(path.parent_path() / name, source)});
  }
  std::ranges::sort(parts, {}, &CxiMasterPart::first);
  return parts;
}

}  // namespace pnflow
