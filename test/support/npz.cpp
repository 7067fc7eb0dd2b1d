#include "test/support/npz.h"

#include <zip.h>

#include <algorithm>
#include <memory>
#include <sstream>
#include <string_view>

namespace pnflow::test {
namespace {

struct CloseArchive {
  void operator()(zip_t* archive) const { zip_discard(archive); }
};
struct CloseMember {
  void operator()(zip_file_t* member) const { zip_fclose(member); }
};

// The .npy format, version 1 to 3: magic, version, length of the header, a Python dictionary.
NpyArray parse_npy(const std::string& npy) {
  if (npy.size() < 12 || npy.compare(0, 6, "\x93NUMPY") != 0) {
    throw std::runtime_error("not an .npy file");
  }
  const auto byte_at = [&](std::size_t i) { return static_cast<unsigned char>(npy[i]); };
  const bool first_version = byte_at(6) == 1;
  const std::size_t begin = first_version ? 10 : 12;
  std::size_t length = byte_at(8) | static_cast<std::size_t>(byte_at(9)) << 8U;
  if (!first_version) {
    length |= static_cast<std::size_t>(byte_at(10)) << 16U;
    length |= static_cast<std::size_t>(byte_at(11)) << 24U;
  }
  const std::string header = npy.substr(begin, length);
  const auto between = [&](const std::string& before, char after) {
    const std::size_t from = header.find(before);
    if (from == std::string::npos) throw std::runtime_error("no " + before + " in " + header);
    const std::size_t start = from + before.size();
    return header.substr(start, header.find(after, start) - start);
  };
  NpyArray array;
  array.descr = between("'descr': '", '\'');
  std::istringstream extents(between("'shape': (", ')'));
  for (std::string extent; std::getline(extents, extent, ',');) {
    if (extent.find_first_of("0123456789") != std::string::npos) {
      array.shape.push_back(std::stoull(extent));
    }
  }
  if (array.shape.size() > 1 && header.find("'fortran_order': False") == std::string::npos) {
    throw std::runtime_error("not in C order");
  }
  const std::string_view data = std::string_view(npy).substr(begin + length);
  array.bytes.resize(data.size());
  std::ranges::transform(data, array.bytes.begin(), [](char c) { return std::byte(c); });
  return array;
}

}  // namespace

std::string NpyArray::text() const {
  std::string text;
  for (std::size_t i = 0; i + 3 < bytes.size() && bytes[i] != std::byte{0}; i += 4) {
    text += static_cast<char>(bytes[i]);
  }
  return text;
}

std::map<std::string, NpyArray> read_npz(const std::string& path) {
  int error = 0;
  const std::unique_ptr<zip_t, CloseArchive> archive(zip_open(path.c_str(), ZIP_RDONLY, &error));
  if (!archive) throw std::runtime_error("cannot open " + path);
  std::map<std::string, NpyArray> arrays;
  const zip_int64_t count = zip_get_num_entries(archive.get(), 0);
  for (zip_int64_t i = 0; i < count; ++i) {
    zip_stat_t status;
    const auto index = static_cast<zip_uint64_t>(i);
    if (zip_stat_index(archive.get(), index, 0, &status) != 0) {
      throw std::runtime_error("damaged archive " + path);
    }
    std::string content(status.size, '\0');
    const std::unique_ptr<zip_file_t, CloseMember> member(zip_fopen_index(archive.get(), index, 0));
    if (!member || zip_fread(member.get(), content.data(), content.size()) !=
                       static_cast<zip_int64_t>(content.size())) {
      throw std::runtime_error("cannot read " + std::string(status.name) + " of " + path);
    }
    std::string name = status.name;
    if (name.ends_with(".npy")) name.resize(name.size() - 4);
    arrays.emplace(name, parse_npy(content));
  }
  return arrays;
}

}  // namespace pnflow::test
