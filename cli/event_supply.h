#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "graph/array.h"
#include "graph/dtype.h"

namespace pnflow {

// Events in memory, as `pnflow push` packs them into messages.
struct SuppliedEvents {
  Shape shape;  // (B,H,W) or (B,C,H,W)
  std::vector<std::byte> pixels;
  std::vector<std::uint64_t> timestamps;  // packed; empty: not known
  std::vector<double> wavelengths;        // angstrom, NaN is missing; empty: not known
};

// Where the events come from that `pnflow push` packs into messages. Used by one thread.
class EventSupply {
 public:
  EventSupply() = default;
  EventSupply(const EventSupply&) = delete;
  EventSupply& operator=(const EventSupply&) = delete;
  virtual ~EventSupply();
  // Events that there are; nothing: without end.
  virtual std::optional<std::size_t> size() const = 0;
  // Of the pixels of all events.
  virtual DType dtype() const = 0;
  virtual const Shape& event_shape() const = 0;
  // `count` events from number `first` on, which exist. Throws RunError or DataError.
  virtual SuppliedEvents read(std::size_t first, std::size_t count) = 0;
  // The packed time stamp of an event that exists; 0 where it is not known.
  virtual std::uint64_t timestamp(std::size_t event) = 0;
};

}  // namespace pnflow
