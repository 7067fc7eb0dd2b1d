#include <algorithm>
#include <cstring>
#include <optional>
#include <utility>
#include <vector>

#include "graph/error.h"
#include "nodes/decode.h"

namespace pnflow {

std::optional<Array> Decode::shared_images(const EventMessage& message, const Part& part,
                                           const Context& context) {
  if (&context.pool() != heap_pool().get()) return {};
  return message.images_in_place(part.first, part.count);
}

// Threads that have nothing else to do take a part; what failed is told in the events' order.
Array Decode::read_images(const EventMessage& message, const Part& part, MutableArray image,
                          Context& context) const {
  std::vector<std::optional<DataError>> faults(context.events());
  const auto read = [&](std::size_t event) {
    const auto pixels = image.raw_at(event);
    if (context.alive(event) && !context.aborting()) {
      try {
        return message.read_image(part.first + event, pixels);
      } catch (const DataError& error) {
        faults[event] = error;
      }
    }
    std::memset(pixels.data(), 0, pixels.size());
  };
  // Smaller ones are done before another thread has woken up.
  constexpr std::size_t worth_sharing = std::size_t{1} << 20U;
  const std::size_t at_once =
      image.raw().size() < worth_sharing ? part.first + part.count : message.images_at_once();
  const std::size_t first = part.first / at_once;
  const std::size_t groups = (part.first + part.count + at_once - 1) / at_once - first;
  context.share_out(groups, [&](std::size_t group) {
    const std::size_t begin = std::max((first + group) * at_once, part.first);
    const std::size_t end = std::min((first + group + 1) * at_once, part.first + part.count);
    for (std::size_t event = begin; event < end; ++event) read(event - part.first);
  });
  for (std::size_t event = 0; event < faults.size(); ++event) {
    if (const auto& fault = faults[event]) {
      context.fail(event, fault->reason(), place(part, event, fault->detail()));
    }
  }
  return std::move(image).freeze();
}

Array Decode::read_labels(const EventMessage& message, const Part& part, Context& context) const {
  Shape shape = message.event_shape();
  shape.insert(shape.begin(), part.count);
  MutableArray label(*heap_pool(), message.label_dtype(), std::move(shape));
  for (std::size_t event = 0; event < part.count; ++event) {
    const auto pixels = label.raw_at(event);
    try {
      message.read_label(part.first + event, pixels);
    } catch (const DataError& error) {
      context.fail(event, error.reason(), place(part, event, error.detail()));
      std::memset(pixels.data(), 0, pixels.size());
    }
  }
  return std::move(label).freeze();
}

}  // namespace pnflow
