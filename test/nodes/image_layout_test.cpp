#include "nodes/image_layout.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>
#include <vector>

#include "graph/error.h"

using namespace pnflow;

namespace {

std::string refusal(const Shape& stored, const ImageLayoutRequest& request) {
  try {
    layout_images("/data/data", stored, request);
  } catch (const DataError& error) {
    return error.reason();
  }
  return "accepted";
}

}  // namespace

TEST_CASE("images stay as they are when nothing is asked for") {
  const auto assembled = layout_images("i", {3, 85, 93}, {});
  CHECK(assembled.events == 3);
  CHECK(assembled.event_shape == Shape{85, 93});
  CHECK_FALSE(assembled.padded());
  const auto panels = layout_images("i", {3, 4, 85, 93}, {});
  CHECK(panels.event_shape == Shape{4, 85, 93});
  CHECK(layout_images("i", {3, 1, 85, 93}, {}).event_shape == Shape{1, 85, 93});
}

TEST_CASE("a configured shape adds or removes a panel axis of one, and refuses other images") {
  const auto request = [](Shape shape) {
    return ImageLayoutRequest{ProducerPadding::none, shape, {}};
  };
  CHECK(layout_images("i", {3, 1, 8, 9}, request({8, 9})).event_shape == Shape{8, 9});
  CHECK(layout_images("i", {3, 8, 9}, request({1, 8, 9})).event_shape == Shape{1, 8, 9});
  CHECK(refusal({3, 8, 9}, request({8, 8})) == "wrong shape");
  CHECK(refusal({3, 2, 8, 9}, request({8, 9})) == "wrong shape");
  CHECK(refusal({3, 2, 8, 9}, request({3, 8, 9})) == "wrong shape");
}

TEST_CASE("padding is undone by the message's original shape or by the configured one") {
  const auto center =
      layout_images("i", {2, 4, 96, 104}, {ProducerPadding::center, {}, Shape{2, 4, 85, 93}});
  CHECK(center.event_shape == Shape{4, 85, 93});
  CHECK(center.top == 5);
  CHECK(center.left == 5);
  const auto corner =
      layout_images("i", {2, 1, 96, 104}, {ProducerPadding::bottom_right, {85, 93}, {}});
  CHECK(corner.event_shape == Shape{85, 93});
  CHECK(corner.top == 0);
  CHECK(corner.left == 0);
  CHECK(refusal({2, 96, 104}, {ProducerPadding::center, {}, {}}) == "no original shape");
  CHECK(refusal({2, 96, 104}, {ProducerPadding::center, {97, 93}, {}}) == "wrong shape");
  CHECK(refusal({2, 96, 104}, {ProducerPadding::center, {84, 93}, Shape{2, 1, 85, 93}}) ==
        "wrong shape");
  CHECK(refusal({2, 96, 104}, {ProducerPadding::center, {}, Shape{3, 1, 85, 93}}) == "wrong shape");
  CHECK(refusal({2, 96, 104}, {ProducerPadding::center, {}, Shape{85, 93}}) == "wrong shape");
}

TEST_CASE("panels merged into the first axis become events again") {
  const auto by_message =
      layout_images("i", {6, 1, 96, 104}, {ProducerPadding::none, {}, Shape{2, 3, 85, 93}});
  CHECK(by_message.events == 2);
  CHECK(by_message.entries == 3);
  CHECK(by_message.event_shape == Shape{3, 96, 104});
  const auto by_shape =
      layout_images("i", {6, 1, 96, 104}, {ProducerPadding::center, {3, 85, 93}, {}});
  CHECK(by_shape.events == 2);
  CHECK(by_shape.event_shape == Shape{3, 85, 93});
  CHECK(refusal({5, 1, 96, 104}, {ProducerPadding::center, {3, 85, 93}, {}}) == "wrong shape");
}

TEST_CASE("an array that is no stack of images is refused") {
  CHECK(refusal({5}, {}) == "wrong shape");
  CHECK(refusal({5, 4}, {}) == "wrong shape");
  CHECK(refusal({5, 4, 3, 2, 1}, {}) == "wrong shape");
  CHECK(refusal({0, 4, 4}, {}) == "no events");
  CHECK(refusal({2, 4, 0}, {}) == "wrong shape");
}

TEST_CASE("cropping keeps the rows and columns inside the padding of every image") {
  const auto layout = layout_images("i", {1, 2, 4, 5}, {ProducerPadding::center, {2, 3, 2}, {}});
  REQUIRE(layout.top == 0);
  REQUIRE(layout.left == 1);
  std::vector<std::uint16_t> stored(40);
  for (std::size_t i = 0; i < stored.size(); ++i) stored[i] = static_cast<std::uint16_t>(i);
  std::vector<std::uint16_t> out(12);
  layout.crop(std::as_bytes(std::span(stored)), std::as_writable_bytes(std::span(out)), 2);
  CHECK(out == std::vector<std::uint16_t>{1, 2, 6, 7, 11, 12, 21, 22, 26, 27, 31, 32});
}
