#include "cli/cxi_file_set.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <iterator>

#include "graph/error.h"
#include "io/cxi_file.h"
#include "io/mapped_file.h"

namespace pnflow {
namespace {

std::string full_path(const std::string& path) {
  return std::filesystem::absolute(path).lexically_normal().string();
}

std::string file_name(const std::string& path) {
  return std::filesystem::path(path).filename().string();
}

}  // namespace

struct CxiFileSet::OpenFile {
  explicit OpenFile(const File& file) : of(&file), map(file.name), reader(map.bytes()) {}

  const File* of;
  MappedFile map;
  CxiReader reader;
};

CxiFileSet::CxiFileSet(const std::vector<std::string>& files) {
  for (const std::string& name : files) {
    files_.push_back(std::make_unique<File>());
    File* file = files_.back().get();
    file->name = name;
    file->first = events_;
    const CxiReader& cxi = reader(*file);
    file->seen.resize(cxi.events());
    events_ += cxi.events();
    const DatasetInfo* images = cxi.info(cxi_path::data);
    if (images != nullptr && images->shape.size() == 3) {
      file->height = images->shape[1];
      file->width = images->shape[2];
    }
    by_path_[full_path(name)] = file;
    const auto [entry, added] = by_name_.try_emplace(file_name(name), file);
    if (!added) entry->second = nullptr;
  }
}

CxiFileSet::~CxiFileSet() = default;

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
  auto found = by_path_.find(full_path(chunk.file));
  if (found == by_path_.end()) {
    found = by_name_.find(file_name(chunk.file));
    if (found == by_name_.end() || found->second == nullptr) return {};
  }
  if (*index >= found->second->seen.size()) return {};
  return Place{found->second, *index};
}

std::optional<CxiFileSet::Place> CxiFileSet::find(std::size_t number) {
  if (number >= events_) return {};
  const auto behind =
      std::ranges::upper_bound(files_, number, {}, [](const auto& file) { return file->first; });
  File* file = std::prev(behind)->get();
  return Place{file, number - file->first};
}

}  // namespace pnflow
