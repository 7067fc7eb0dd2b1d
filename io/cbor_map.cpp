#include "io/cbor_map.h"

#include <cbor.h>
#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <optional>
#include <string>
#include <utility>

#include "graph/error.h"

namespace pnflow {
namespace {

constexpr std::size_t max_depth = 64;
constexpr std::size_t max_entries = 4096;

// Follows libcbor's items through the nesting and keeps those of the outermost map. What is wrong
// is kept, because libcbor, which calls this, is C: nothing is thrown through it.
class Walker {
 public:
  explicit Walker(std::vector<CborMap::Entry>& entries) : entries_(entries) {}

  bool done() const { return started_ && levels_.empty(); }
  const std::string& fault() const { return fault_; }
  void fail(std::string what) { fault_ = std::move(what); }

  void value(const std::optional<CborMap::Value>& value) {
    if (levels_.empty()) return fail("not a map");
    if (levels_.size() == 1) at_top(value);
    item_complete();
  }

  void open(std::optional<std::uint64_t> items, bool is_map) {
    if (levels_.empty() && !is_map) return fail("not a map");
    if (levels_.size() == max_depth) return fail(fmt::format("more than {} levels", max_depth));
    if (levels_.size() == 1) at_top({});
    started_ = true;
    levels_.push_back({items, is_map, 0});
    if (items == 0) close();
  }

  // The end of a map or list of unknown length.
  void stop() {
    if (levels_.empty() || levels_.back().items) return fail("an end where nothing began");
    if (levels_.back().is_map && levels_.back().seen % 2 != 0) return fail("a key without a value");
    close();
  }

 private:
  struct Level {
    std::optional<std::uint64_t> items;  // nothing: up to a stop
    bool is_map;
    std::uint64_t seen;
  };

  void at_top(const std::optional<CborMap::Value>& value) {
    if (levels_.back().seen % 2 == 0) {
      const auto* key = value ? std::get_if<std::string_view>(&*value) : nullptr;
      if (key == nullptr) return fail("a key that is not text");
      key_ = *key;
    } else if (value) {
      if (entries_.size() == max_entries) {
        return fail(fmt::format("more than {} keys", max_entries));
      }
      entries_.push_back({key_, *value});
    }
  }

  void item_complete() {
    Level& level = levels_.back();
    ++level.seen;
    if (level.items == level.seen) close();
  }

  void close() {
    levels_.pop_back();
    if (!levels_.empty()) item_complete();
  }

  std::vector<CborMap::Entry>& entries_;
  std::vector<Level> levels_;
  std::string_view key_;
  bool started_ = false;
  std::string fault_;
};

Walker& walker(void* context) { return *static_cast<Walker*>(context); }

template <class T>
void on_unsigned(void* context, T value) {
  walker(context).value(std::uint64_t{value});
}

// CBOR's negative numbers are -1 - value.
template <class T>
void on_negative(void* context, T value) {
  if (std::uint64_t{value} > std::numeric_limits<std::int64_t>::max()) {
    return walker(context).fail("an integer of more than 64 bits");
  }
  walker(context).value(-1 - static_cast<std::int64_t>(value));
}

void on_bytes(void* context, cbor_data data, std::size_t size) {
  walker(context).value(std::span(reinterpret_cast<const std::byte*>(data), size));
}
void on_text(void* context, cbor_data data, std::size_t size) {
  walker(context).value(std::string_view(reinterpret_cast<const char*>(data), size));
}
void on_pieces(void* context) { walker(context).fail("a text or byte string in pieces"); }
void on_list(void* context, std::size_t items) { walker(context).open(items, false); }
void on_endless_list(void* context) { walker(context).open({}, false); }
void on_map(void* context, std::size_t pairs) {
  constexpr std::size_t most = std::numeric_limits<std::size_t>::max() / 2;
  walker(context).open(std::min(pairs, most) * 2, true);
}
void on_endless_map(void* context) { walker(context).open({}, true); }
void on_tag(void*, std::uint64_t) {}  // says something about the item behind it, which comes next
void on_float(void* context, float value) { walker(context).value(static_cast<double>(value)); }
void on_double(void* context, double value) { walker(context).value(value); }
void on_bool(void* context, bool value) { walker(context).value(std::uint64_t{value}); }
void on_nothing(void* context) { walker(context).value({}); }
void on_stop(void* context) { walker(context).stop(); }

constexpr cbor_callbacks callbacks = {.uint8 = on_unsigned<std::uint8_t>,
                                      .uint16 = on_unsigned<std::uint16_t>,
                                      .uint32 = on_unsigned<std::uint32_t>,
                                      .uint64 = on_unsigned<std::uint64_t>,
                                      .negint64 = on_negative<std::uint64_t>,
                                      .negint32 = on_negative<std::uint32_t>,
                                      .negint16 = on_negative<std::uint16_t>,
                                      .negint8 = on_negative<std::uint8_t>,
                                      .byte_string_start = on_pieces,
                                      .byte_string = on_bytes,
                                      .string = on_text,
                                      .string_start = on_pieces,
                                      .indef_array_start = on_endless_list,
                                      .array_start = on_list,
                                      .indef_map_start = on_endless_map,
                                      .map_start = on_map,
                                      .tag = on_tag,
                                      .float2 = on_float,
                                      .float4 = on_float,
                                      .float8 = on_double,
                                      .undefined = on_nothing,
                                      .null = on_nothing,
                                      .boolean = on_bool,
                                      .indef_break = on_stop};

}  // namespace

CborMap::CborMap(std::span<const std::byte> bytes) {
  Walker walker(entries_);
  std::size_t at = 0;
  while (!walker.done()) {
    const auto rest = bytes.subspan(at);
    const cbor_decoder_result result = cbor_stream_decode(reinterpret_cast<cbor_data>(rest.data()),
                                                          rest.size(), &callbacks, &walker);
    if (result.status == CBOR_DECODER_NEDATA) {
      throw DataError("truncated", fmt::format("CBOR: {} bytes that end within a map", at));
    }
    if (result.status != CBOR_DECODER_FINISHED || result.read == 0) {
      walker.fail(fmt::format("no item at byte {}", at));
    }
    if (!walker.fault().empty()) throw DataError("damaged metadata", "CBOR: " + walker.fault());
    at += result.read;
  }
  if (at != bytes.size()) {
    throw DataError("damaged metadata", fmt::format("CBOR: {} bytes behind it", bytes.size() - at));
  }
}

const CborMap::Value* CborMap::find(std::string_view key) const {
  const auto found = std::ranges::find(entries_, key, &Entry::key);
  return found == entries_.end() ? nullptr : &found->value;
}

std::string_view CborMap::text(std::string_view key) const {
  const Value* value = find(key);
  const auto* text = value == nullptr ? nullptr : std::get_if<std::string_view>(value);
  return text == nullptr ? std::string_view{} : *text;
}

}  // namespace pnflow
