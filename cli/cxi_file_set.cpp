#include "cli/cxi_file_set.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <span>

#include "graph/error.h"
#include "graph/mapped_file.h"
#include "io/cxi_file.h"

namespace pnflow {
namespace {

std::string full_path(const std::string& path) {
  return std::filesystem::absolute(path).lexically_normal().string();
}

std::string file_name(const std::string& path) {
  return std::filesystem::path(path).filename().string();
}

std::vector<CxiMasterPart> parts_of(const std::string& name, std::span<const std::byte> bytes) {
  try {
    return master_parts(bytes, name);
  } catch (const DataError& error) {
    throw RunError(fmt::format("'{}': {}", name, error.what()));
  }
}

}  // namespace

struct CxiFileSet::OpenFile {
  explicit OpenFile(const File& file) : of(&file), map(file.name), reader(map.bytes(), file.name) {}

  const File* of;
  MappedFile map;
  CxiReader reader;
};

CxiFileSet::CxiFileSet(const std::vector<std::string>& files) {
  std::vector<const File*> masters;  // whose parts are among the files
  for (const std::string& name : files) {
    files_.push_back(std::make_unique<File>());
    File* file = files_.back().get();
    file->name = name;
    file->first = events_;
    const CxiReader& cxi = reader(*file);
    file->parts = parts_of(name, open_.back()->map.bytes());
    if (parts_are_among(files, file->parts)) {
      masters.push_back(file);
      continue;
    }
    file->events = cxi.events();
    file->seen.resize(file->events);
    events_ += file->events;
    const DatasetInfo* images = cxi.info(cxi_path::data);
    if (images != nullptr && images->shape.size() == 3) {
      file->height = images->shape[1];
      file->width = images->shape[2];
    }
    add_name(name, {{.first = 0, .events = file->events, .file = file}});
  }
  for (const auto& file : files_) add_parts(*file);
  for (const File* master : masters) add_master(*master);
}

CxiFileSet::~CxiFileSet() = default;

void CxiFileSet::add_name(const std::string& name, const Ranges& ranges) {
  // A file that was named itself is found there, and not through a master.
  if (!by_path_.try_emplace(full_path(name), ranges).second) return;
  const auto [entry, added] = by_name_.try_emplace(file_name(name), ranges);
  if (!added) entry->second.clear();
}

// The parts of a master that is there without them: an event of theirs is one of its own.
void CxiFileSet::add_parts(File& master) {
  if (master.events == 0) return;
  for (const CxiMasterPart& part : master.parts) {
    add_name(part.path.string(),
             {{.first = 0, .events = part.events, .file = &master, .index = part.first}});
  }
}

// A master that is there with its parts: an event of it is one of theirs.
void CxiFileSet::add_master(const File& master) {
  Ranges ranges;
  for (const CxiMasterPart& part : master.parts) {
    const Ranges& found = named(part.path.string());
    if (found.size() != 1) continue;
    ranges.push_back(found.front());
    ranges.back().first = part.first;
    ranges.back().events = std::min(part.events, found.front().events);
  }
  add_name(master.name, ranges);
}

const CxiFileSet::Ranges& CxiFileSet::named(const std::string& path) const {
  static const Ranges none;
  if (const auto found = by_path_.find(full_path(path)); found != by_path_.end()) {
    return found->second;
  }
  const auto found = by_name_.find(file_name(path));
  return found == by_name_.end() ? none : found->second;
}

// Programs that work side by side take the images of neighbouring files.
const CxiReader& CxiFileSet::reader(const File& file) {
  constexpr std::size_t most_open = 8;
  const auto found = std::ranges::find(open_, &file, [](const auto& open) { return open->of; });
  if (found != open_.end()) {
    std::rotate(found, found + 1, open_.end());
    return open_.back()->reader;
  }
  if (open_.size() == most_open) open_.erase(open_.begin());
  try {
    open_.push_back(std::make_unique<OpenFile>(file));
  } catch (const DataError& error) {
    throw RunError(fmt::format("'{}': {}", file.name, error.what()));
  }
  return open_.back()->reader;
}

std::optional<CxiFileSet::Place> CxiFileSet::find(const StreamChunk& chunk) {
  const auto index = chunk.event_index();
  if (!index) return {};
  for (const Range& range : named(chunk.file)) {
    if (*index < range.first || *index - range.first >= range.events) continue;
    return Place{range.file, *index - range.first + range.index};
  }
  return {};
}

std::optional<CxiFileSet::Place> CxiFileSet::find(std::size_t number) {
  for (const auto& file : files_) {
    if (number >= file->first && number - file->first < file->events) {
      return Place{file.get(), number - file->first};
    }
  }
  return {};
}

std::string CxiFileSet::fault(const Place& place) {
  std::string fault = fault_at(place.file->parts, place.index);
  if (fault.empty() && !reader(*place.file).peak_count(place.index)) {
    fault = fmt::format("event {} of '{}' cannot be read", place.index, place.file->name);
  }
  return fault;
}

}  // namespace pnflow
