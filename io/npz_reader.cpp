#include "io/npz_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "graph/error.h"
#include "io/numpy_field.h"

namespace pnflow {
namespace {

constexpr std::string_view suffix = ".npy";

}  // namespace

const FieldNames& NpzReader::usual_names() const {
  static const FieldNames names{.image = {"detector_data"},
                                .timestamp = {"timestamp"},
                                .wavelength = {"photon_wavelength"},
                                .photon_energy = {},
                                .original_shape = {"detector_data_original_shape"}};
  return names;
}

std::vector<std::string> NpzReader::names() const {
  std::vector<std::string> names;
  for (const ZipMember& member : directory_.members()) {
    const std::string_view name = member.name;
    if (name.ends_with(suffix)) names.emplace_back(name.substr(0, name.size() - suffix.size()));
  }
  std::ranges::sort(names);
  return names;
}

std::shared_ptr<const NpzMember> NpzReader::member(const ZipMember& member) const {
  const std::scoped_lock lock(mutex_);
  auto& opened = opened_[member.name];
  if (!opened) opened = std::make_shared<const NpzMember>(member, max_array_bytes_);
  return opened;
}

std::unique_ptr<MessageField> NpzReader::find(std::span<const std::string> names) const {
  for (const std::string& name : names) {
    const ZipMember* const found = directory_.find(name + std::string(suffix));
    if (found == nullptr) continue;
    try {
      auto array = member(*found);
      NumpyField::Description description{name, array->header().type, array->header().shape,
                                          std::string(array->storage()), found->data.size()};
      return std::make_unique<NumpyField>(std::move(description),
                                          [array = std::move(array)] { return array->data(); });
    } catch (const DataError& error) {
      throw DataError(error.reason(), fmt::format("{}: {}", name, error.detail()));
    }
  }
  return nullptr;
}

}  // namespace pnflow
