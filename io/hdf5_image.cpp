#include "io/hdf5_image.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <cstring>

#include "graph/error.h"
#include "io/byte_order.h"
#include "io/hdf5_header.h"

namespace pnflow {
namespace {

constexpr std::array<unsigned char, 8> signature = {0x89, 'H', 'D', 'F', '\r', '\n', 0x1a, '\n'};
constexpr std::size_t core_increment = 65536;  // only matters to files that grow

using ImageSpan = std::span<const std::byte>;

// HDF5 asks these for memory for its copies of the image, and gets the image itself each time. It
// is opened for reading, so the core driver never writes to it.
void* image_of(void* user) {
  return const_cast<std::byte*>(static_cast<const ImageSpan*>(user)->data());
}
void* allocate_image(std::size_t size, H5FD_file_image_op_t, void* user) {
  return size <= static_cast<const ImageSpan*>(user)->size() ? image_of(user) : nullptr;
}
void* copy_image(void* to, const void*, std::size_t, H5FD_file_image_op_t, void*) { return to; }
void* resize_image(void*, std::size_t, H5FD_file_image_op_t, void*) { return nullptr; }
herr_t free_image(void*, H5FD_file_image_op_t, void*) { return 0; }
void* share_user(void* user) { return user; }
herr_t free_user(void*) { return 0; }

// A message cut off by its sender still opens, and then the cut shows only where a chunk is
// missing; the superblock says how long the file was (HDF5 File Format Specification 3.0, section
// II.A).
void check_superblock(ImageSpan bytes) {
  constexpr std::size_t shortest = 48;
  if (bytes.size() < shortest) {
    throw DataError("truncated", fmt::format("{} bytes of an HDF5 file", bytes.size()));
  }
  const auto byte_at = [&](std::size_t i) { return std::to_integer<unsigned>(bytes[i]); };
  const unsigned version = byte_at(8);
  if (version > 3) {
    throw DataError("damaged metadata", fmt::format("HDF5 superblock of version {}", version));
  }
  const std::size_t sizes = version < 2 ? 13 : 9;
  if (byte_at(sizes) != 8 || byte_at(sizes + 1) != 8) {
    throw DataError("damaged metadata", fmt::format("HDF5 addresses of {} and lengths of {} bytes",
                                                    byte_at(sizes), byte_at(sizes + 1)));
  }
  constexpr std::array<std::size_t, 4> base_at = {24, 28, 12, 12};
  const std::size_t base = base_at[version];
  constexpr std::size_t three_addresses = 24;  // base, something else, end of the file
  if (bytes.size() < base + three_addresses) {
    throw DataError("truncated", fmt::format("{} bytes of an HDF5 file", bytes.size()));
  }
  if (little_endian<std::uint64_t>(bytes.subspan(base)) != 0) {
    throw DataError("damaged metadata", "HDF5 base address is not 0");
  }
  const auto end = little_endian<std::uint64_t>(bytes.subspan(base + 16));
  if (end > bytes.size()) {
    throw DataError("truncated", fmt::format("{} bytes of an HDF5 file of {}", bytes.size(), end));
  }
}

}  // namespace

bool looks_like_hdf5(std::span<const std::byte> bytes) {
  return bytes.size() >= signature.size() &&
         std::memcmp(bytes.data(), signature.data(), signature.size()) == 0;
}

Hdf5Image::Hdf5Image(std::span<const std::byte> bytes) : bytes_(bytes) {
  if (!looks_like_hdf5(bytes)) {
    throw DataError("not HDF5", fmt::format("{} bytes without HDF5's signature", bytes.size()));
  }
  check_superblock(bytes);
  check_root_group(bytes);
  const h5::Turn turn;
  const h5::SilentErrors silent;
  const h5::Properties access(H5Pcreate(H5P_FILE_ACCESS));
  H5FD_file_image_callbacks_t callbacks = {allocate_image, copy_image, resize_image, free_image,
                                           share_user,     free_user,  &bytes_};
  // The core driver takes two files of one name for the same file, so each image has its own name.
  static std::atomic<std::uint64_t> counter = 0;
  const std::string name = fmt::format("pnflow-message-{}", counter++);
  if (H5Pset_fapl_core(access.get(), core_increment, false) < 0 ||
      H5Pset_fclose_degree(access.get(), H5F_CLOSE_STRONG) < 0 ||
      H5Pset_file_image_callbacks(access.get(), &callbacks) < 0 ||
      H5Pset_file_image(access.get(), image_of(&bytes_), bytes_.size()) < 0) {
    throw DataError("damaged metadata", "HDF5 does not take the message as a file image");
  }
  file_ = h5::File(H5Fopen(name.c_str(), H5F_ACC_RDONLY, access.get()));
  if (!file_) throw DataError("damaged metadata", "HDF5 cannot open the message");
}

Hdf5Image::~Hdf5Image() {
  const h5::Turn turn;
  file_.reset();
}

}  // namespace pnflow
