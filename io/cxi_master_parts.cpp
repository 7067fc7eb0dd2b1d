#include "io/cxi_master_parts.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <set>
#include <system_error>

#include "graph/error.h"
#include "graph/mapped_file.h"
#include "io/cxi_file.h"
#include "io/cxi_reader.h"

namespace pnflow {
namespace {

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

std::vector<VirtualSource> sources_of(const Hdf5Message& master) {
  try {
    return master.virtual_sources(cxi_path::data);
  } catch (const DataError& error) {
    // Another program's, which does not say which events are in which file.
    if (error.reason() == "unsupported layout") return {};
    throw;
  }
}

}  // namespace

std::vector<CxiMasterPart> master_parts(std::span<const std::byte> bytes,
                                        const std::filesystem::path& path) {
  std::vector<CxiMasterPart> parts;
  for (const VirtualSource& source : sources_of(Hdf5Message(bytes))) {
    // Relative to the master; an absolute name stays what it is.
    const auto place = path.parent_path() / source.file;
    parts.push_back({.file = source.file,
                     .path = place,
                     .first = source.first,
                     .events = source.shape[0],
                     .fault = fault_of(place, source)});
  }
  return parts;
}

std::string fault_at(std::span<const CxiMasterPart> parts, std::size_t event) {
  const auto behind = std::ranges::upper_bound(parts, event, {}, &CxiMasterPart::first);
  if (behind == parts.begin()) return {};
  const CxiMasterPart& part = *std::prev(behind);
  if (part.fault.empty() || event - part.first >= part.events) return {};
  return part.file + ": " + part.fault;
}

bool parts_are_among(const std::vector<std::string>& files,
                     const std::vector<CxiMasterPart>& parts) {
  std::error_code error;
  std::set<std::filesystem::path> given;
  for (const std::string& file : files) {
    given.insert(std::filesystem::weakly_canonical(file, error));
  }
  std::size_t there = 0;
  for (const CxiMasterPart& part : parts) {
    if (!std::filesystem::exists(part.path, error)) continue;
    if (!given.contains(std::filesystem::weakly_canonical(part.path, error))) return false;
    ++there;
  }
  return there > 0;
}

}  // namespace pnflow
