#include "io/simplon_message.h"

#include <fmt/format.h>

#include <charconv>
#include <string_view>

#include "graph/error.h"

namespace pnflow {
namespace {

constexpr std::byte control{'c'};
constexpr std::byte image{'m'};

SimplonMessage::Kind kind_of(const CborMap& map) {
  const std::string_view type = map.text("type");
  if (type == "image") return SimplonMessage::Kind::image;
  if (type == "start") return SimplonMessage::Kind::start;
  if (type == "stop") return SimplonMessage::Kind::stop;
  throw DataError("damaged metadata", fmt::format("Simplon message of type '{}'", type));
}

std::span<const std::byte> map_bytes(std::span<const std::byte> bytes) {
  if (SimplonMessage::recognises(bytes)) return bytes.subspan(1);
  throw DataError("damaged metadata", fmt::format("{} bytes are no Simplon message", bytes.size()));
}

}  // namespace

bool SimplonMessage::recognises(std::span<const std::byte> bytes) {
  constexpr unsigned major_type_map = 5;
  return bytes.size() >= 2 && (bytes[0] == control || bytes[0] == image) &&
         std::to_integer<unsigned>(bytes[1]) >> 5U == major_type_map;
}

SimplonMessage::SimplonMessage(std::span<const std::byte> bytes)
    : map_(map_bytes(bytes)), kind_(kind_of(map_)) {}

std::string SimplonMessage::run() const {
  const CborMap::Value* run = map_.find(kind_ == Kind::start ? "run_number" : "run");
  if (run == nullptr) return {};
  return std::visit(
      [](const auto& value) -> std::string {
        if constexpr (std::is_same_v<std::decay_t<decltype(value)>, std::span<const std::byte>>) {
          return {};
        } else {
          return fmt::format("{}", value);
        }
      },
      *run);
}

Shape SimplonMessage::image_shape() const {
  const std::string_view text = map_.text("shape");
  Shape shape;
  const char* at = text.data();
  const char* const end = at + text.size();
  while (at != end) {
    std::size_t extent = 0;
    const auto [stop, error] = std::from_chars(at, end, extent);
    if (error != std::errc{} || extent == 0 || (stop != end && *stop != 'x')) break;
    shape.push_back(extent);
    at = stop == end ? stop : stop + 1;
  }
  if (at != end || shape.size() < 2 || shape.size() > 3 || text.back() == 'x') {
    throw DataError("wrong shape", fmt::format("the start message's shape is '{}'; expected HxW "
                                               "or CxHxW",
                                               text));
  }
  return shape;
}

}  // namespace pnflow
