#include "gpu/peaknet/safetensors.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <nlohmann/json.hpp>
#include <set>
#include <string_view>
#include <vector>

#include "graph/error.h"
#include "graph/mapped_file.h"

namespace pnflow {

namespace {

using Json = nlohmann::json;

struct Extent {
  std::uint64_t begin = 0, end = 0;  // in the data behind the header
  std::string tensor;
};

class Parser {
 public:
  Parser(std::span<const std::byte> bytes, const std::shared_ptr<const void>& storage,
         const std::string& file)
      : bytes_(bytes), storage_(storage), file_(file) {}

  StateDict parse() {
    const Json header = parse_header();
    StateDict state;
    for (const auto& [name, entry] : header.items()) {
      if (name == "__metadata__") {
        check_metadata(entry);
      } else {
        add_tensor(state, name, tensor(quoted(name), entry), file_);
      }
    }
    check_coverage();
    return state;
  }

 private:
  [[noreturn]] void fail(const std::string& what) const {
    throw RunError(fmt::format("'{}' is no safetensors file that can be read: {}", file_, what));
  }

  // As in the file, so that nothing in a name can be taken for something else.
  static std::string quoted(const std::string& name) { return Json(name).dump(); }

  // Leaves in data_ what comes behind the header.
  Json parse_header() {
    constexpr std::size_t prefix = sizeof(std::uint64_t);
    std::uint64_t length = 0;
    if (bytes_.size() < prefix) {
      fail(fmt::format("it has {} bytes, and the length of its header takes 8", bytes_.size()));
    }
    std::memcpy(&length, bytes_.data(), prefix);
    const std::size_t rest = bytes_.size() - prefix;
    if (length > largest_safetensors_header) {
      fail(fmt::format("its header would have {} bytes, and at most {} are read", length,
                       largest_safetensors_header));
    }
    if (length > rest) {
      fail(fmt::format("truncated: its header has {} bytes, and {} are there", length, rest));
    }
    data_ = bytes_.subspan(prefix + length);
    const auto* const text = reinterpret_cast<const char*>(bytes_.data()) + prefix;
    std::set<std::string> names;
    std::set<std::string> keys;  // of the entry that is being read
    const auto watch = [&](int depth, Json::parse_event_t event, Json& value) {
      constexpr int deepest = 3;  // a number of a shape
      if (depth > deepest) fail("its header is nested deeper than an entry's lists");
      if (event == Json::parse_event_t::object_start) keys.clear();
      if (event == Json::parse_event_t::key &&
          !(depth == 1 ? names : keys).insert(value.get<std::string>()).second) {
        fail(fmt::format("its header has {} twice", value.dump()));
      }
      return true;
    };
    try {
      Json header = Json::parse(text, text + length, watch);
      if (!header.is_object()) fail("its header is no JSON object");
      return header;
    } catch (const Json::parse_error& error) {
      fail(fmt::format("its header is no JSON: byte {} of {} does not fit", error.byte, length));
    } catch (const Json::exception&) {
      fail("its header has numbers that JSON cannot have");
    }
  }

  void check_metadata(const Json& entry) const {
    const auto text = [](const Json& value) { return value.is_string(); };
    if (!entry.is_object() || !std::ranges::all_of(entry, text)) {
      fail("__metadata__ is no object of strings");
    }
  }

  WeightTensor tensor(const std::string& name, const Json& entry) {
    if (!entry.is_object()) fail(fmt::format("tensor {} is no JSON object", name));
    for (const auto& [key, value] : entry.items()) {
      if (key != "dtype" && key != "shape" && key != "data_offsets") {
        fail(fmt::format("tensor {} has {}, which no tensor has", name, quoted(key)));
      }
    }
    WeightTensor tensor;
    const auto dtype = entry.find("dtype");
    if (dtype == entry.end() || !dtype->is_string())
      fail(fmt::format("tensor {} has no dtype", name));
    const auto type = weight_type_named(dtype->get<std::string>());
    if (!type) fail(fmt::format("tensor {} has dtype {}, which is not known", name, dtype->dump()));
    tensor.type = *type;
    const auto shape = numbers(name, entry, "shape");
    tensor.shape.assign(shape.begin(), shape.end());
    const auto offsets = numbers(name, entry, "data_offsets");
    if (offsets.size() != 2) {
      fail(fmt::format("tensor {} has {} data_offsets, not 2", name, offsets.size()));
    }
    const Extent extent{offsets[0], offsets[1], name};
    if (extent.begin > extent.end || extent.end > data_.size()) {
      fail(fmt::format("tensor {} is at {} to {} of {} bytes", name, extent.begin, extent.end,
                       data_.size()));
    }
    const std::uint64_t size = extent.end - extent.begin;
    const std::uint64_t wanted = bytes_of(name, tensor);
    if (size != wanted) {
      fail(fmt::format("tensor {}, {} of {}, needs {} bytes and has {}", name,
                       to_string(tensor.shape), name_of(tensor.type), wanted, size));
    }
    tensor.bytes = data_.subspan(extent.begin, size);
    tensor.storage = storage_;
    extents_.push_back(extent);
    return tensor;
  }

  std::vector<std::uint64_t> numbers(const std::string& name, const Json& entry,
                                     const char* key) const {
    const auto list = entry.find(key);
    if (list == entry.end() || !list->is_array())
      fail(fmt::format("tensor {} has no {}", name, key));
    std::vector<std::uint64_t> numbers;
    for (const Json& value : *list) {
      if (!value.is_number_unsigned()) {
        fail(fmt::format("{} of tensor {} has something else than whole numbers", key, name));
      }
      numbers.push_back(value.get<std::uint64_t>());
    }
    return numbers;
  }

  std::uint64_t bytes_of(const std::string& name, const WeightTensor& tensor) const {
    std::uint64_t bytes = size_of(tensor.type);
    for (const std::uint64_t extent : tensor.shape) {
      if (__builtin_mul_overflow(bytes, extent, &bytes)) {
        fail(fmt::format("tensor {} of {} is larger than any memory", name,
                         to_string(tensor.shape)));
      }
    }
    return bytes;
  }

  void check_coverage() {
    std::ranges::sort(extents_, {}, [](const Extent& e) { return std::pair(e.begin, e.end); });
    std::uint64_t end = 0;
    std::string_view before = "the header";
    for (const Extent& extent : extents_) {
      if (extent.begin < end) fail(fmt::format("tensors {} and {} overlap", before, extent.tensor));
      if (extent.begin > end) {
        fail(fmt::format("{} bytes between {} and {} belong to no tensor", extent.begin - end,
                         before, extent.tensor));
      }
      end = extent.end;
      before = extent.tensor;
    }
    if (end != data_.size()) {
      fail(fmt::format("{} bytes at its end belong to no tensor", data_.size() - end));
    }
  }

  std::span<const std::byte> bytes_;
  std::span<const std::byte> data_;
  const std::shared_ptr<const void>& storage_;
  const std::string& file_;
  std::vector<Extent> extents_;
};

}  // namespace

StateDict read_safetensors(const std::filesystem::path& path) {
  const MappedFile file(path);
  return parse_safetensors(file.bytes(), file.owner(), path.string());
}

StateDict parse_safetensors(std::span<const std::byte> bytes,
                            const std::shared_ptr<const void>& storage, const std::string& file) {
  return Parser(bytes, storage, file).parse();
}

}  // namespace pnflow
