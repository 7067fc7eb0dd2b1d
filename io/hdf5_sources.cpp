#include "io/hdf5_sources.h"

#include <fmt/format.h>

#include <algorithm>
#include <span>
#include <utility>

#include "graph/error.h"
#include "graph/mapped_file.h"
#include "io/hdf5_message.h"

namespace pnflow {

struct Hdf5Sources::OpenFile {
  OpenFile(std::string as_named, const std::filesystem::path& path)
      : name(std::move(as_named)), map(path), message(map.bytes()) {}

  // nullptr: there is no such dataset.
  const Hdf5Dataset* find(const std::string& path) {
    const std::scoped_lock lock(mutex);
    const auto known = datasets.find(path);
    if (known != datasets.end()) return &known->second;
    auto found = message.find(std::span(&path, 1));
    return found ? &datasets.emplace(path, *std::move(found)).first->second : nullptr;
  }

  std::string name;
  MappedFile map;
  Hdf5Message message;
  std::mutex mutex;
  std::map<std::string, Hdf5Dataset> datasets;
};

Hdf5Sources::Hdf5Sources(std::filesystem::path file) : file_(std::move(file)) {}
Hdf5Sources::~Hdf5Sources() = default;

std::shared_ptr<Hdf5Sources::OpenFile> Hdf5Sources::open(const std::string& name) const {
  constexpr std::size_t most_open = 32;
  const std::scoped_lock lock(mutex_);
  const auto found = std::ranges::find(open_, name, [](const auto& file) { return file->name; });
  if (found != open_.end()) {
    std::rotate(found, found + 1, open_.end());
    return open_.back();
  }
  if (open_.size() == most_open) open_.erase(open_.begin());
  // "." is HDF5's name for the file of the virtual dataset itself; an absolute name stays what it
  // is.
  open_.push_back(
      std::make_shared<OpenFile>(name, name == "." ? file_ : file_.parent_path() / name));
  return open_.back();
}

std::shared_ptr<const Hdf5Dataset> Hdf5Sources::find(const VirtualSource& source) const {
  const auto missing = [&](const std::string& what) {
    return DataError("missing part", fmt::format("{}: {}", source.file, what));
  };
  std::shared_ptr<OpenFile> file;
  const Hdf5Dataset* dataset = nullptr;
  try {
    file = open(source.file);
    dataset = file->find(source.dataset);
  } catch (const RunError& error) {
    throw missing(error.what());
  } catch (const DataError& error) {
    throw missing(error.what());
  }
  if (dataset == nullptr) throw missing(fmt::format("there is no {}", source.dataset));
  if (!std::ranges::equal(dataset->info().shape, source.shape)) {
    throw missing(fmt::format("has {} in {}, not {}", to_string(dataset->info().shape),
                              source.dataset,
                              to_string(Shape(source.shape.begin(), source.shape.end()))));
  }
  return {std::move(file), dataset};
}

}  // namespace pnflow
