#include "io/hdf5_layout.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <optional>

#include "graph/error.h"

namespace pnflow {
namespace {

// A dataset may not claim more than these, or a few flipped bits would ask for all memory. The
// densest filters (ZFP and Zstd on a blank image) make one byte of some ten thousand.
constexpr std::size_t max_expansion = 32768;
constexpr std::size_t always_plausible_bytes = std::size_t{64} << 20U;
constexpr std::size_t max_chunks = std::size_t{1} << 18U;
constexpr int max_rank = 8;

[[noreturn]] void fail(std::string reason, const std::string& path, const std::string& what) {
  throw DataError(std::move(reason), fmt::format("{}: {}", path, what));
}

DType read_dtype(hid_t dataset, const std::string& path) {
  const h5::Datatype type(H5Dget_type(dataset));
  if (!type) fail("damaged metadata", path, "no element type");
  for (const DType dtype : {DType::u8, DType::i8, DType::u16, DType::i16, DType::u32, DType::i32,
                            DType::u64, DType::i64, DType::f32, DType::f64}) {
    if (H5Tequal(type.get(), h5_type_of(dtype)) > 0) return dtype;
  }
  const bool big_endian = H5Tget_order(type.get()) == H5T_ORDER_BE;
  fail("wrong dtype", path,
       fmt::format("HDF5 type of class {} with {} bytes{}",
                   static_cast<int>(H5Tget_class(type.get())), H5Tget_size(type.get()),
                   big_endian ? ", big endian" : ""));
}

Shape to_shape(std::span<const hsize_t> extents) { return {extents.begin(), extents.end()}; }

Shape read_shape(hid_t space, const std::string& path) {
  if (H5Sget_simple_extent_type(space) == H5S_NULL) fail("wrong shape", path, "an empty dataspace");
  const int rank = H5Sget_simple_extent_ndims(space);
  if (rank < 0) fail("damaged metadata", path, "no shape");
  if (rank > max_rank) fail("wrong shape", path, fmt::format("{} axes", rank));
  std::array<hsize_t, max_rank> extents{};
  if (H5Sget_simple_extent_dims(space, extents.data(), nullptr) != rank) {
    fail("damaged metadata", path, "no shape");
  }
  return to_shape(std::span(extents).first(static_cast<std::size_t>(rank)));
}

std::vector<Filter> read_filters(hid_t properties, const std::string& path) {
  const int count = H5Pget_nfilters(properties);
  if (count < 0) fail("damaged metadata", path, "no list of filters");
  std::vector<Filter> filters;
  for (int i = 0; i < count; ++i) {
    std::array<unsigned, 64> values{};
    std::array<char, 64> name{};
    std::size_t used = values.size();
    unsigned flags = 0;
    unsigned config = 0;
    const H5Z_filter_t id = H5Pget_filter2(properties, static_cast<unsigned>(i), &flags, &used,
                                           values.data(), name.size() - 1, name.data(), &config);
    if (id < 0 || used > values.size()) fail("damaged metadata", path, "no such filter");
    filters.push_back(
        {id, name.data(), {values.begin(), values.begin() + static_cast<long>(used)}});
  }
  return filters;
}

// Bytes of `shape`, when they fit into 64 bits.
std::optional<std::size_t> bytes_of(const Shape& shape, DType dtype) {
  std::size_t bytes = size_of(dtype);
  for (const std::size_t extent : shape) {
    if (__builtin_mul_overflow(bytes, extent, &bytes)) return std::nullopt;
  }
  return bytes;
}

[[noreturn]] void implausible(const DatasetInfo& info, std::string_view what) {
  fail("implausible size", info.path,
       fmt::format("{} {} in chunks of {} {}", name_of(info.dtype), fmt::join(info.shape, "x"),
                   fmt::join(info.chunk, "x"), what));
}

// HDF5 lets nobody make a dataset whose chunks are longer than an axis can ever become, unless the
// axis is empty (H5Dcreate).
void check_chunk_fits(hid_t space, const DatasetInfo& info) {
  std::array<hsize_t, max_rank> most{};
  if (H5Sget_simple_extent_dims(space, nullptr, most.data()) < 0) {
    fail("damaged metadata", info.path, "no largest shape");
  }
  for (std::size_t axis = 0; axis < info.chunk.size(); ++axis) {
    if (info.shape[axis] > 0 && most[axis] != H5S_UNLIMITED && info.chunk[axis] > most[axis]) {
      implausible(info, fmt::format("along an axis of at most {}", most[axis]));
    }
  }
}

// The bytes that a stored chunk can stand for.
bool plausible_chunk(std::size_t chunk_bytes, std::size_t stored) {
  return chunk_bytes <= always_plausible_bytes || chunk_bytes / max_expansion <= stored;
}

void read_chunk_table(hid_t dataset, Hdf5Layout& layout, std::size_t image_bytes) {
  const DatasetInfo& info = layout.info;
  const std::size_t rank = info.shape.size();
  const auto chunk_bytes = bytes_of(info.chunk, info.dtype);
  if (!chunk_bytes || !plausible_chunk(*chunk_bytes, image_bytes)) implausible(info, "");
  std::size_t count = 1;
  for (std::size_t axis = 0; axis < rank; ++axis) {
    const std::size_t chunk = info.chunk[axis];
    if (chunk == 0) fail("damaged metadata", info.path, "chunks of no extent");
    layout.grid.push_back(info.shape[axis] / chunk + (info.shape[axis] % chunk != 0 ? 1 : 0));
    if (__builtin_mul_overflow(count, layout.grid.back(), &count)) implausible(info, "");
  }
  if (count > max_chunks) implausible(info, fmt::format("({} chunks)", count));
  const h5::Dataspace space(H5Dget_space(dataset));
  hsize_t stored = 0;
  if (H5Dget_num_chunks(dataset, space.get(), &stored) < 0) {
    fail("damaged metadata", info.path, "the index of chunks cannot be read");
  }
  if (stored > count) {
    fail("damaged metadata", info.path, fmt::format("{} chunks of {} in the index", stored, count));
  }
  // What was never written costs the writer nothing, so little of it is believed.
  if ((count - stored) * *chunk_bytes > always_plausible_bytes) {
    implausible(info, fmt::format("with {} of {} chunks written", stored, count));
  }
  layout.chunks.resize(count);
  for (hsize_t i = 0; i < stored; ++i) {
    std::array<hsize_t, max_rank> at{};
    StoredChunk chunk;
    haddr_t address = HADDR_UNDEF;
    hsize_t size = 0;
    if (H5Dget_chunk_info(dataset, space.get(), i, at.data(), &chunk.filter_mask, &address, &size) <
        0) {
      fail("damaged metadata", info.path, fmt::format("entry {} of the index of chunks", i));
    }
    std::size_t index = 0;
    bool inside = true;
    for (std::size_t axis = 0; axis < rank; ++axis) {
      inside = inside && at[axis] % info.chunk[axis] == 0 && at[axis] < info.shape[axis];
      index = index * layout.grid[axis] + at[axis] / info.chunk[axis];
    }
    if (!inside || layout.chunks[index].written) {
      fail("damaged metadata", info.path, fmt::format("entry {} of the index of chunks", i));
    }
    chunk.offset = address;
    chunk.size = size;
    chunk.written = address != HADDR_UNDEF;
    layout.chunks[index] = chunk;
  }
}

void read_contiguous(hid_t dataset, Hdf5Layout& layout, std::size_t image_bytes) {
  const auto bytes = bytes_of(layout.info.shape, layout.info.dtype);
  if (!bytes || *bytes > std::max(image_bytes, always_plausible_bytes))
    implausible(layout.info, "");
  const haddr_t address = H5Dget_offset(dataset);
  layout.chunks = {{address, *bytes, 0, address != HADDR_UNDEF}};
}

// Whether each block is one that Hdf5Dataset can read.
void check_sources(Hdf5Layout& layout) {
  DatasetInfo& info = layout.info;
  if (!bytes_of(info.shape, info.dtype)) implausible(info, "");
  info.sources = layout.sources.size();
  for (const VirtualSource& source : layout.sources) {
    bool inside = source.shape.size() == info.shape.size() && source.first < info.shape[0] &&
                  source.shape[0] <= info.shape[0] - source.first;
    for (std::size_t axis = 1; inside && axis < info.shape.size(); ++axis) {
      inside = source.shape[axis] <= info.shape[axis];
    }
    if (!inside) fail("damaged metadata", info.path, "a block outside of the virtual dataset");
    if (!source.whole) {
      fail("unsupported layout", info.path, "not whole datasets, one behind the other");
    }
  }
}

}  // namespace

hid_t h5_type_of(DType dtype) {
  switch (dtype) {
    case DType::u8: return H5T_STD_U8LE;
    case DType::i8: return H5T_STD_I8LE;
    case DType::u16: return H5T_STD_U16LE;
    case DType::i16: return H5T_STD_I16LE;
    case DType::u32: return H5T_STD_U32LE;
    case DType::i32: return H5T_STD_I32LE;
    case DType::u64: return H5T_STD_U64LE;
    case DType::i64: return H5T_STD_I64LE;
    case DType::f32: return H5T_IEEE_F32LE;
    case DType::f64: break;
  }
  return H5T_IEEE_F64LE;
}

Hdf5Layout read_layout(hid_t dataset, const std::string& path, std::span<const std::byte> image,
                       bool virtual_too) {
  const h5::SilentErrors silent;
  Hdf5Layout layout;
  DatasetInfo& info = layout.info;
  info.path = path;
  const h5::Properties properties(H5Dget_create_plist(dataset));
  if (!properties) fail("damaged metadata", path, "no creation properties");
  // Before anything else: these two can make HDF5 open other files that the message names.
  const H5D_layout_t kind = H5Pget_layout(properties.get());
  if ((kind == H5D_VIRTUAL && !virtual_too) || H5Pget_external_count(properties.get()) != 0) {
    fail("unsupported layout", path, "the data are said to be in other files");
  }
  // Without an end it is refused here; HDF5 would look into the sources for its shape.
  layout.sources = virtual_sources(dataset, path);
  info.dtype = read_dtype(dataset, path);
  const h5::Dataspace space(H5Dget_space(dataset));
  info.shape = read_shape(space.get(), path);
  info.filters = read_filters(properties.get(), path);
  H5D_fill_value_t fill = H5D_FILL_VALUE_UNDEFINED;
  if (H5Pfill_value_defined(properties.get(), &fill) >= 0 && fill == H5D_FILL_VALUE_USER_DEFINED &&
      H5Pget_fill_value(properties.get(), h5_type_of(info.dtype), layout.fill.data()) < 0) {
    fail("damaged metadata", path, "the fill value cannot be read");
  }
  if (kind == H5D_CHUNKED) {
    std::array<hsize_t, max_rank> extents{};
    const int rank = H5Pget_chunk(properties.get(), max_rank, extents.data());
    if (rank < 0 || static_cast<std::size_t>(rank) != info.shape.size()) {
      fail("damaged metadata", path, fmt::format("chunks of {} axes", rank));
    }
    info.chunk = to_shape(std::span(extents).first(info.shape.size()));
    check_chunk_fits(space.get(), info);
    read_chunk_table(dataset, layout, image.size());
  } else if (kind == H5D_CONTIGUOUS) {
    layout.kind = Hdf5Layout::Kind::contiguous;
    read_contiguous(dataset, layout, image.size());
  } else if (kind == H5D_VIRTUAL) {
    layout.kind = Hdf5Layout::Kind::in_sources;
    check_sources(layout);
  } else {
    layout.kind = Hdf5Layout::Kind::by_hdf5;
    // HDF5 1.10 copies as many bytes as the shape says, however few the header holds.
    const auto bytes = bytes_of(info.shape, info.dtype);
    if (!bytes || *bytes != H5Dget_storage_size(dataset)) implausible(info, "inside the header");
  }
  for (const Filter& filter : info.filters) {
    if (can_decode(filter)) continue;
    if (H5Zfilter_avail(filter.id) <= 0) {
      fail(fmt::format("unknown filter {}", filter.id), path, filter.name);
    }
    layout.kind = Hdf5Layout::Kind::by_hdf5;
  }
  return layout;
}

}  // namespace pnflow
