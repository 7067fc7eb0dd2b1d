#include "test/support/messages.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <numeric>
#include <stdexcept>

namespace pnflow::test {

std::vector<std::byte> read_bytes(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::runtime_error("cannot open " + path);
  std::vector<std::byte> bytes;
  std::transform(std::istreambuf_iterator<char>(file), {}, std::back_inserter(bytes),
                 [](char c) { return std::byte(c); });
  return bytes;
}

std::vector<std::string> captured_messages(const std::string& set) {
  std::vector<std::string> paths;
  const std::string directory = std::string(PNFLOW_TEST_DATA) + "/lclstreamer/" + set;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    if (entry.path().extension() == ".bin") paths.push_back(entry.path().string());
  }
  std::ranges::sort(paths);
  return paths;
}

std::vector<std::byte> hdf5_file(const std::function<void(hid_t file)>& build, bool latest_format) {
  static std::atomic<int> counter = 0;
  const auto path = std::filesystem::temp_directory_path() /
                    ("pnflow-test-" + std::to_string(getpid()) + "-" + std::to_string(counter++));
  {
    const h5::Properties access(H5Pcreate(H5P_FILE_ACCESS));
    if (latest_format) H5Pset_libver_bounds(access.get(), H5F_LIBVER_LATEST, H5F_LIBVER_LATEST);
    const h5::File file(H5Fcreate(path.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, access.get()));
    if (!file) throw std::runtime_error("cannot create " + path.string());
    build(file.get());
  }
  std::vector<std::byte> bytes = read_bytes(path.string());
  std::filesystem::remove(path);
  return bytes;
}

std::vector<std::byte> counting_file(const std::vector<hsize_t>& shape,
                                     const std::vector<hsize_t>& chunk,
                                     const std::function<void(hid_t properties)>& change,
                                     bool latest_format) {
  return hdf5_file(
      [&](hid_t file) {
        const h5::Properties properties(H5Pcreate(H5P_DATASET_CREATE));
        if (!chunk.empty()) {
          H5Pset_chunk(properties.get(), static_cast<int>(chunk.size()), chunk.data());
        }
        change(properties.get());
        const h5::Dataspace space(
            H5Screate_simple(static_cast<int>(shape.size()), shape.data(), nullptr));
        const h5::Dataset dataset(H5Dcreate2(file, "/data", H5T_STD_I32LE, space.get(), H5P_DEFAULT,
                                             properties.get(), H5P_DEFAULT));
        std::vector<std::int32_t> values(
            std::accumulate(shape.begin(), shape.end(), std::size_t{1}, std::multiplies<>()));
        std::iota(values.begin(), values.end(), 0);
        if (!dataset || H5Dwrite(dataset.get(), H5T_NATIVE_INT32, H5S_ALL, H5S_ALL, H5P_DEFAULT,
                                 values.data()) < 0) {
          throw std::runtime_error("HDF5 cannot write the test file");
        }
      },
      latest_format);
}

}  // namespace pnflow::test
