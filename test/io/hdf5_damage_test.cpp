#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <random>

#include "graph/error.h"
#include "io/hdf5_message.h"
#include "test/support/messages.h"

using namespace pnflow;

namespace {

using Buffer = std::vector<std::byte>;
const std::vector<std::string> image_paths = {"/data/data", "/data"};

// Reads all events of the image, each for itself; "read" or the reason, one per event, or the one
// reason why there is no image.
std::vector<std::string> fates(std::span<const std::byte> bytes) {
  std::vector<std::string> fates;
  try {
    const Hdf5Message message(bytes);
    const auto dataset = message.find(image_paths);
    if (!dataset) return {"absent"};
    Buffer out(dataset->event_bytes());
    for (std::size_t event = 0; event < dataset->events(); ++event) {
      try {
        dataset->read_event(event, out);
        fates.emplace_back("read");
      } catch (const DataError& error) {
        fates.push_back(error.reason());
      }
    }
  } catch (const DataError& error) {
    return {error.reason()};
  }
  return fates;
}

Buffer captured(const std::string& set) {
  return test::read_bytes(test::captured_messages(set).at(0));
}

void put(Buffer& bytes, std::size_t at, std::uint64_t value) {
  std::memcpy(&bytes[at], &value, sizeof value);
}

// Where the 64-bit numbers `a`, `b` stand one behind the other.
std::size_t find_pair(const Buffer& bytes, std::uint64_t a, std::uint64_t b) {
  const std::uint64_t wanted[] = {a, b};
  const auto* first = reinterpret_cast<const std::byte*>(wanted);
  const auto found = std::search(bytes.begin(), bytes.end(), first, first + sizeof wanted);
  REQUIRE(found != bytes.end());
  return static_cast<std::size_t>(found - bytes.begin());
}

Buffer typed_file(hid_t type) {
  return test::hdf5_file([&](hid_t file) {
    const std::vector<hsize_t> shape = {2, 3};
    const h5::Dataspace space(H5Screate_simple(2, shape.data(), nullptr));
    const h5::Dataset dataset(
        H5Dcreate2(file, "/data", type, space.get(), H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT));
  });
}

}  // namespace

TEST_CASE("Bytes that are no HDF5 file are named so") {
  CHECK(fates({}) == std::vector<std::string>{"not HDF5"});
  CHECK(fates(Buffer(7)) == std::vector<std::string>{"not HDF5"});
  CHECK(fates(Buffer(1000, std::byte{0x55})) == std::vector<std::string>{"not HDF5"});
}

TEST_CASE("A message cut anywhere is truncated") {
  const Buffer whole = captured("hdf5_bslz4_i16_odd");
  CHECK(fates(whole) == std::vector<std::string>(3, "read"));
  for (const std::size_t size : {std::size_t{8}, std::size_t{47}, std::size_t{48}, std::size_t{800},
                                 whole.size() / 2, whole.size() - 1}) {
    CAPTURE(size);
    // A copy of exactly that size, so that a sanitizer sees every byte read behind it.
    CHECK(fates(Buffer(whole.begin(), whole.begin() + static_cast<long>(size))) ==
          std::vector<std::string>{"truncated"});
  }
}

TEST_CASE(
    "A superblock of version 1, four bytes longer than the others, is not read beyond its end") {
  for (std::size_t size = 48; size < 52; ++size) {
    Buffer bytes = captured("hdf5_three_ranks");
    bytes.resize(size);
    bytes.shrink_to_fit();
    bytes[8] = std::byte{1};
    CHECK(fates(bytes) == std::vector<std::string>{"truncated"});
  }
}

TEST_CASE("A damaged chunk costs only its event") {
  for (const char* set : {"hdf5_bslz4_i16_odd", "hdf5_bszstd_f32_odd", "hdf5_gzip_f64_default",
                          "hdf5_gzip_shuffle_u16_panels", "hdf5_zfp_f64_mfx"}) {
    CAPTURE(std::string(set));
    Buffer bytes = captured(set);
    const Hdf5Message message(bytes);
    const auto file = std::make_shared<const Hdf5Image>(bytes);
    const std::size_t events = message.find(image_paths)->events();
    const std::string path = message.find(image_paths)->info().path;
    const h5::Dataset dataset(H5Dopen2(file->file(), path.c_str(), H5P_DEFAULT));
    const StoredChunk chunk = read_layout(dataset.get(), path, bytes).chunks.at(1);
    for (std::size_t i = 0; i < chunk.size; ++i) {
      bytes[chunk.offset + i] = static_cast<std::byte>(0xff - i % 5);
    }
    std::vector<std::string> wanted(events, "read");
    wanted[1] = "damaged chunk";
    CHECK(fates(bytes) == wanted);
  }
}

TEST_CASE("A chunk that is said to lie outside the message costs only its event") {
  Buffer bytes = test::counting_file({3, 100}, {1, 100});
  const auto file = std::make_shared<const Hdf5Image>(bytes);
  const h5::Dataset dataset(H5Dopen2(file->file(), "/data", H5P_DEFAULT));
  const StoredChunk chunk = read_layout(dataset.get(), "/data", bytes).chunks.at(1);
  // Its B-tree key ends with the element's offset 0; the address follows.
  const std::size_t at = find_pair(bytes, 0, chunk.offset) + 8;
  for (const std::uint64_t address :
       {std::uint64_t{bytes.size()}, std::uint64_t{bytes.size() - 399},
        std::uint64_t{0xfffffffffffffe00U}}) {
    put(bytes, at, address);
    CAPTURE(address);
    const auto seen = fates(bytes);
    CHECK(seen == std::vector<std::string>{"read", "truncated", "read"});
  }
}

TEST_CASE("A shape of 2^60 elements is implausible and allocates nothing") {
  Buffer bytes = test::counting_file({3, 100}, {1, 100});
  const std::size_t at = find_pair(bytes, 3, 100);
  put(bytes, at, std::uint64_t{1} << 60U);
  CHECK(fates(bytes) == std::vector<std::string>{"implausible size"});
  put(bytes, at, 3);
  put(bytes, at + 8, std::uint64_t{1} << 60U);
  CHECK(fates(bytes) == std::vector<std::string>{"implausible size"});
  put(bytes, at, ~std::uint64_t{0});
  CHECK(fates(bytes).at(0) != "read");
  Buffer contiguous = test::counting_file({3, 100}, {});
  put(contiguous, find_pair(contiguous, 3, 100), std::uint64_t{1} << 58U);
  CHECK(fates(contiguous).at(0) != "read");
}

TEST_CASE("Types that no pixel has are named") {
  const h5::Datatype half(H5Tcopy(H5T_IEEE_F32LE));
  H5Tset_fields(half.get(), 15, 10, 5, 0, 10);
  H5Tset_size(half.get(), 2);
  H5Tset_ebias(half.get(), 15);
  const h5::Datatype text(H5Tcopy(H5T_C_S1));
  for (const hid_t type : {H5T_STD_I16BE, H5T_IEEE_F32BE, half.get(), text.get()}) {
    CHECK(fates(typed_file(type)) == std::vector<std::string>{"wrong dtype"});
  }
}

TEST_CASE("A filter that nobody knows is named by its number") {
  const Buffer bytes = test::hdf5_file([](hid_t file) {
    const h5::Properties properties(H5Pcreate(H5P_DATASET_CREATE));
    const std::vector<hsize_t> shape = {2, 3};
    const std::vector<hsize_t> chunk = {1, 3};
    H5Pset_chunk(properties.get(), 2, chunk.data());
    H5Pset_filter(properties.get(), 12345, H5Z_FLAG_OPTIONAL, 0, nullptr);
    const h5::Dataspace space(H5Screate_simple(2, shape.data(), nullptr));
    const h5::Dataset dataset(H5Dcreate2(file, "/data", H5T_STD_I16LE, space.get(), H5P_DEFAULT,
                                         properties.get(), H5P_DEFAULT));
  });
  CHECK(fates(bytes) == std::vector<std::string>{"unknown filter 12345"});
}

TEST_CASE("Data said to lie in other files are not looked for") {
  const Buffer external = test::hdf5_file([](hid_t file) {
    const h5::Properties properties(H5Pcreate(H5P_DATASET_CREATE));
    H5Pset_external(properties.get(), "/etc/hostname", 0, 6);
    const std::vector<hsize_t> shape = {2, 3};
    const h5::Dataspace space(H5Screate_simple(2, shape.data(), nullptr));
    const h5::Dataset dataset(H5Dcreate2(file, "/data", H5T_STD_U8LE, space.get(), H5P_DEFAULT,
                                         properties.get(), H5P_DEFAULT));
  });
  CHECK(fates(external) == std::vector<std::string>{"unsupported layout"});
}

TEST_CASE("Groups that lead back to themselves in many ways are each looked into once") {
  const Buffer bytes = test::hdf5_file([](hid_t file) {
    const h5::Group group(H5Gcreate2(file, "/data", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT));
    for (const char* name : {"/data/a", "/data/b", "/data/c", "/data/d", "/up"}) {
      H5Lcreate_hard(file, "/data", file, name, H5P_DEFAULT, H5P_DEFAULT);
    }
    H5Lcreate_hard(file, "/", file, "/data/root", H5P_DEFAULT, H5P_DEFAULT);
    const h5::Dataspace space(H5Screate(H5S_SCALAR));
    const h5::Dataset dataset(H5Dcreate2(file, "/data/data", H5T_STD_I32LE, space.get(),
                                         H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT));
  });
  CHECK(Hdf5Message(bytes).paths() == std::vector<std::string>{"/data/data"});
}

TEST_CASE("Chunks of no extent, or longer than their axis can become, are not believed") {
  Buffer bytes = test::counting_file({3, 100}, {1, 100});
  // Extents of the data layout message: 1, 100, element size 4, 32 bits each.
  const std::uint32_t extents[] = {1, 100, 4};
  const auto* first = reinterpret_cast<const std::byte*>(extents);
  const auto found = std::search(bytes.begin(), bytes.end(), first, first + sizeof extents);
  REQUIRE(found != bytes.end());
  found[4] = std::byte{0};  // HDF5 1.10 would divide by it
  CHECK(fates(bytes) == std::vector<std::string>{"damaged metadata"});
  found[4] = std::byte{101};
  CHECK(fates(bytes) == std::vector<std::string>{"implausible size"});
  found[4] = std::byte{100};
  found[0] = std::byte{4};
  CHECK(fates(bytes) == std::vector<std::string>{"implausible size"});
  found[0] = std::byte{1};
  CHECK(fates(bytes) == std::vector<std::string>(3, "read"));
}

TEST_CASE("A heap in whose free list or names HDF5 1.10 would be lost is damaged metadata") {
  Buffer bytes = captured("hdf5_three_ranks");
  std::size_t heaps = 0;
  const std::string signature = "HEAP";
  for (std::size_t at = 0; at + 32 < bytes.size(); ++at) {
    if (std::memcmp(&bytes[at], signature.data(), signature.size()) != 0) continue;
    std::uint64_t data = 0;
    std::memcpy(&data, &bytes[at + 24], sizeof data);
    Buffer bad = bytes;
    put(bad, at + 16, 0);  // the free list begins at the heap's first byte,
    put(bad, data, 0);     // and so does the rest of it
    CHECK(fates(bad) == std::vector<std::string>{"damaged metadata"});
    std::uint64_t size = 0;
    std::memcpy(&size, &bytes[at + 8], sizeof size);
    Buffer endless = bytes;
    endless[data + size - 1] = std::byte{'x'};  // a name that goes on behind the heap
    CHECK(fates(endless) == std::vector<std::string>{"damaged metadata"});
    ++heaps;
  }
  CHECK(heaps == 2);
}

TEST_CASE("What is said to reach behind the end of its header message is damaged metadata") {
  const auto refused = [](const Buffer& good, const std::vector<int>& pattern, std::size_t at,
                          int value) {
    REQUIRE(fates(good).front() == "read");
    Buffer bytes = good;
    const auto found = std::ranges::search(bytes, pattern, {},
                                           [](std::byte b) { return std::to_integer<int>(b); });
    REQUIRE(!found.empty());
    found[at] = static_cast<std::byte>(value);
    return fates(bytes) == std::vector<std::string>{"damaged metadata"};
  };
  const Buffer filled = test::counting_file({3, 100}, {1, 100}, [](hid_t properties) {
    const std::int32_t value = 0x12345678;
    H5Pset_fill_value(properties, H5T_NATIVE_INT32, &value);
  });
  CHECK(refused(filled, {4, 0, 0, 0, 0x78, 0x56, 0x34, 0x12}, 0, 255));
  const Buffer compact = test::counting_file(
      {2, 3}, {}, [](hid_t properties) { H5Pset_layout(properties, H5D_COMPACT); });
  CHECK(refused(compact, {3, 0, 24, 0, 0, 0, 0, 0, 1, 0, 0, 0}, 3, 1));  // version, class, size
  const Buffer gzip = test::counting_file({3, 100}, {1, 100},
                                          [](hid_t properties) { H5Pset_deflate(properties, 1); });
  CHECK(refused(gzip, {'d', 'e', 'f', 'l', 'a', 't', 'e', 0}, 7, 'x'));  // a name without end
  CHECK(refused(gzip, {1, 0, 8, 0, 1, 0, 1, 0, 'd', 'e'}, 7, 1));        // 257 values
}

TEST_CASE("Types of members, names and tags are followed to their end, and are of no pixel") {
  const auto close = [](hid_t type) { return h5::Datatype(type); };
  const auto inner = close(H5Tcreate(H5T_COMPOUND, 12));
  H5Tinsert(inner.get(), "first", 0, H5T_NATIVE_INT32);
  H5Tinsert(inner.get(), "a name of more than eight", 4, H5T_NATIVE_DOUBLE);
  const auto enumeration = close(H5Tenum_create(H5T_NATIVE_INT8));
  for (const std::int8_t value : {0, 1}) {
    H5Tenum_insert(enumeration.get(), value == 0 ? "FALSE" : "TRUE", &value);
  }
  const hsize_t extents[] = {3, 4};
  const auto array = close(H5Tarray_create2(inner.get(), 2, extents));
  const auto text = close(H5Tcopy(H5T_C_S1));
  H5Tset_size(text.get(), H5T_VARIABLE);
  const auto tagged = close(H5Tcreate(H5T_OPAQUE, 3));
  H5Tset_tag(tagged.get(), "a tag");
  const auto outer = close(H5Tcreate(H5T_COMPOUND, 1024));
  std::size_t offset = 0;
  for (const auto* type : {&inner, &enumeration, &array, &text, &tagged}) {
    H5Tinsert(outer.get(), ("member " + std::to_string(offset)).c_str(), offset, type->get());
    offset += 200;
    CHECK(fates(typed_file(type->get())) == std::vector<std::string>{"wrong dtype"});
  }
  CHECK(fates(typed_file(outer.get())) == std::vector<std::string>{"wrong dtype"});
  Buffer bytes = typed_file(tagged.get());
  const int head[] = {0x15, 8, 0, 0, 3, 0, 0, 0};  // version and class, length of the tag, size
  const auto found =
      std::ranges::search(bytes, head, {}, [](std::byte b) { return std::to_integer<int>(b); });
  REQUIRE(!found.empty());
  found[1] = std::byte{255};
  CHECK(fates(bytes) == std::vector<std::string>{"damaged metadata"});
}

TEST_CASE("Flipped bits end in pixels or in a named reason, never worse") {
  std::vector<Buffer> messages;
  for (const char* set : {"hdf5_bslz4_i16_odd", "hdf5_gzip_shuffle_u16_panels",
                          "hdf5_none_u16_panels", "hdf5_zfp_i32", "hdf5_three_ranks"}) {
    messages.push_back(captured(set));
  }
  std::map<std::string, int> seen;
  std::mt19937 random(20240229);
  for (int round = 0; round < 1500; ++round) {
    Buffer bytes = messages[random() % messages.size()];
    // Half of the flips go into the first 12 KiB, where most of the metadata stands.
    for (unsigned flips = 1 + random() % 4; flips > 0; --flips) {
      const std::size_t range =
          random() % 2 == 0 ? bytes.size() : std::min<std::size_t>(bytes.size(), 12288);
      bytes[random() % range] ^= static_cast<std::byte>(1U << random() % 8);
    }
    for (const std::string& fate : fates(bytes)) ++seen[fate];
  }
  CHECK(seen["read"] > 1000);
  CHECK(seen["damaged chunk"] > 100);
  CHECK(seen["damaged metadata"] > 5);
}
