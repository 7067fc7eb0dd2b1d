#include "io/hdf5_reader.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <utility>

namespace pnflow {
namespace {

class Hdf5ArrayField final : public MessageField {
 public:
  explicit Hdf5ArrayField(Hdf5Dataset dataset) : dataset_(std::move(dataset)) {}
  const std::string& name() const override { return dataset_.info().path; }
  DType dtype() const override { return dataset_.info().dtype; }
  const Shape& shape() const override { return dataset_.info().shape; }
  void read(std::size_t index, std::span<std::byte> out) const override {
    dataset_.read_event(index, out);
  }
  std::span<const std::byte> in_place(std::size_t first, std::size_t count) const override {
    return dataset_.in_place(first, count);
  }
  std::size_t entries_at_once() const override { return dataset_.events_at_once(); }
  std::string storage() const override {
    const DatasetInfo& info = dataset_.info();
    std::vector<std::string> parts;
    if (info.sources > 0) parts.push_back(fmt::format("in {} other files", info.sources));
    if (!info.chunk.empty()) parts.push_back("chunks of " + to_string(info.chunk));
    for (const Filter& filter : info.filters) parts.push_back(describe(filter));
    return parts.empty() ? "contiguous" : fmt::format("{}", fmt::join(parts, ", "));
  }
  std::optional<std::size_t> stored_bytes() const override {
    return dataset_.info().sources > 0 ? std::nullopt : std::optional(dataset_.stored_bytes());
  }

 private:
  Hdf5Dataset dataset_;
};

}  // namespace

const FieldNames& Hdf5Reader::usual_names() const {
  static const FieldNames names{
      .image = {"/data/data", "/data", "/entry_1/data_1/data"},
      .timestamp = {"/data/timestamp", "/timestamp", "/LCLS/detector_1/timestamp"},
      .wavelength = {"/data/wavelength", "/wavelength"},
      .photon_energy = {"/LCLS/photon_energy_eV"},
      .original_shape = {"/data/original_shape"}};
  return names;
}

std::unique_ptr<MessageField> Hdf5Reader::find(std::span<const std::string> names) const {
  auto dataset = message_.find(names);
  return dataset ? std::make_unique<Hdf5ArrayField>(std::move(*dataset)) : nullptr;
}

}  // namespace pnflow
