#include "io/hdf5_message_writer.h"

#include <fmt/format.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <stdexcept>

#include "io/codecs.h"
#include "io/filters.h"
#include "io/h5.h"
#include "io/hdf5_layout.h"

namespace pnflow {
namespace {

constexpr std::size_t core_increment = std::size_t{1} << 20U;
constexpr int gzip_level = 3;  // what LCLStreamer's examples use

void require(bool done, const std::string& path, const char* what) {
  if (!done) throw std::invalid_argument(fmt::format("{}: HDF5 cannot {}", path, what));
}

h5::Properties creation_properties(const NamedArray& field, std::span<const hsize_t> chunk,
                                   Hdf5Compression compression) {
  h5::Properties properties(H5Pcreate(H5P_DATASET_CREATE));
  bool set = H5Pset_chunk(properties.get(), static_cast<int>(chunk.size()), chunk.data()) >= 0 &&
             H5Pset_obj_track_times(properties.get(), false) >= 0;
  if (compression == Hdf5Compression::gzip) {
    const unsigned level = gzip_level;
    set = set &&
          H5Pset_filter(properties.get(), filter_id::deflate, H5Z_FLAG_OPTIONAL, 1, &level) >= 0;
  } else if (compression == Hdf5Compression::bitshuffle_lz4) {
    // Version 0.4 of the filter, element size, default block size, LZ4.
    const std::array<unsigned, 5> values = {0, 4, static_cast<unsigned>(size_of(field.dtype)), 0,
                                            2};
    set = set && H5Pset_filter(properties.get(), filter_id::bitshuffle, H5Z_FLAG_OPTIONAL,
                               values.size(), values.data()) >= 0;
  }
  require(set, field.name, "describe the dataset");
  return properties;
}

std::vector<std::byte> compress(std::span<const std::byte> event, DType dtype,
                                Hdf5Compression compression) {
  return compression == Hdf5Compression::gzip
             ? codecs::deflate(event, gzip_level)
             : codecs::bitshuffle_encode_chunk(event, size_of(dtype),
                                               codecs::BitshuffleCompressor::lz4);
}

void write_field(hid_t file, hid_t links, const NamedArray& field, Hdf5Compression compression) {
  check_named_array(field);
  const std::vector<hsize_t> extents(field.shape.begin(), field.shape.end());
  std::vector<hsize_t> chunk = extents;
  chunk[0] = 1;
  const h5::Properties properties = creation_properties(field, chunk, compression);
  const h5::Dataspace space(
      H5Screate_simple(static_cast<int>(extents.size()), extents.data(), nullptr));
  const h5::Dataset dataset(H5Dcreate2(file, field.name.c_str(), h5_type_of(field.dtype),
                                       space.get(), links, properties.get(), H5P_DEFAULT));
  require(static_cast<bool>(dataset), field.name, "create the dataset");

  const std::size_t event_bytes = field.data.size() / field.shape[0];
  std::vector<hsize_t> at(extents.size(), 0);
  for (; at[0] < extents[0]; ++at[0]) {
    std::span<const std::byte> stored = field.data.subspan(at[0] * event_bytes, event_bytes);
    std::vector<std::byte> compressed;
    if (compression != Hdf5Compression::none) {
      compressed = compress(stored, field.dtype, compression);
      stored = compressed;
    }
    require(
        H5Dwrite_chunk(dataset.get(), H5P_DEFAULT, 0, at.data(), stored.size(), stored.data()) >= 0,
        field.name, "write a chunk");
  }
}

}  // namespace

std::vector<std::byte> write_hdf5_message(std::span<const NamedArray> fields,
                                          Hdf5Compression compression) {
  const h5::SilentErrors silent;
  const h5::Properties access(H5Pcreate(H5P_FILE_ACCESS));
  const h5::Properties links(H5Pcreate(H5P_LINK_CREATE));
  // The core driver takes two files of one name for the same file.
  static std::atomic<std::uint64_t> counter = 0;
  const std::string name = fmt::format("pnflow-writer-{}", counter++);
  require(H5Pset_fapl_core(access.get(), core_increment, false) >= 0 &&
              H5Pset_create_intermediate_group(links.get(), 1) >= 0,
          name, "set up a file in memory");
  const h5::File file(H5Fcreate(name.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, access.get()));
  require(static_cast<bool>(file), name, "make a file in memory");
  for (const NamedArray& field : fields) write_field(file.get(), links.get(), field, compression);

  require(H5Fflush(file.get(), H5F_SCOPE_LOCAL) >= 0, name, "flush");
  const ssize_t size = H5Fget_file_image(file.get(), nullptr, 0);
  require(size > 0, name, "tell the size of the message");
  std::vector<std::byte> message(static_cast<std::size_t>(size));
  require(H5Fget_file_image(file.get(), message.data(), message.size()) == size, name,
          "hand out the message");
  return message;
}

}  // namespace pnflow
