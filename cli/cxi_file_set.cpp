#include "cli/cxi_file_set.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <utility>

#include "graph/error.h"
#include "io/cxi_file.h"

namespace pnflow {
namespace {

std::string full_path(const std::string& path) {
  return std::filesystem::absolute(path).lexically_normal().string();
}

std::string file_name(const std::string& path) {
  return std::filesystem::path(path).filename().string();
}

}  // namespace

CxiFileSet::File::File(std::string path)
    : name(std::move(path)), map(name), reader(map.bytes()), seen(reader.events()) {
  const DatasetInfo* images = reader.info(cxi_path::data);
  if (images == nullptr || images->shape.size() != 3) return;
  height = images->shape[1];
  width = images->shape[2];
}

CxiFileSet::CxiFileSet(const std::vector<std::string>& files) {
  for (const std::string& name : files) {
    try {
      files_.push_back(std::make_unique<File>(name));
    } catch (const DataError& error) {
      throw RunError(fmt::format("'{}': {}", name, error.what()));
    }
    File* file = files_.back().get();
    file->first = events_;
    events_ += file->seen.size();
    by_path_[full_path(name)] = file;
    const auto [entry, added] = by_name_.try_emplace(file_name(name), file);
    if (!added) entry->second = nullptr;
  }
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
