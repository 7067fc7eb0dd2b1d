#include "graph/array.h"

#include <doctest/doctest.h>

#include <numeric>

#include "graph/batch.h"
#include "graph/error.h"

using namespace pnflow;

namespace {

Array counting(Shape shape) {
  MutableArray array(*heap_pool(), DType::i32, std::move(shape));
  auto values = array.as<std::int32_t>();
  std::iota(values.begin(), values.end(), 0);
  return std::move(array).freeze();
}

std::string reason_of(const auto& call) {
  try {
    call();
  } catch (const DataError& error) {
    return error.reason();
  }
  return "no error";
}

}  // namespace

TEST_CASE("slices and entries of an array share its storage") {
  const Array array = counting({4, 2, 3});
  const Array middle = array.slice(1, 2);
  CHECK(middle.shape() == Shape{2, 2, 3});
  CHECK(middle.as<std::int32_t>()[0] == 6);
  CHECK(middle.at(1).shape() == Shape{2, 3});
  CHECK(middle.at(1).as<std::int32_t>()[5] == 17);
  CHECK(middle.storage().get() == array.storage().get() + 24);
  CHECK(array.slice(4, 0).elements() == 0);
  CHECK_THROWS_AS(array.slice(3, 2), std::out_of_range);
  CHECK_THROWS_AS(array.at(4), std::out_of_range);
}

TEST_CASE("an array is read as the type it has") {
  const Array array = counting({2});
  CHECK(reason_of([&] { array.as<float>(); }) == "wrong dtype");
  CHECK(reason_of([&] { array.reshaped({3}); }) == "wrong shape");
  CHECK(array.reshaped({1, 2}).shape() == Shape{1, 2});
}

TEST_CASE("a size that overflows is refused before anything is allocated") {
  const std::size_t huge = std::size_t{1} << 33;
  CHECK(reason_of([&] {
          MutableArray(*heap_pool(), DType::f64, {huge, huge});
        }) == "implausible size");
  CHECK(reason_of([&] { MutableArray(*heap_pool(), DType::f64, {std::size_t{1} << 62}); }) ==
        "implausible size");
}

TEST_CASE("every dtype has a name, a size and a way back") {
  for (int i = 0; i <= static_cast<int>(DType::f64); ++i) {
    const auto dtype = static_cast<DType>(i);
    CHECK(dtype_named(name_of(dtype)) == dtype);
    CHECK(dispatch(dtype, [](auto element) { return dtype_of<decltype(element)>; }) == dtype);
  }
  CHECK_FALSE(dtype_named("float16").has_value());
}

TEST_CASE("a batch takes fields of its own number of events only") {
  Batch batch(2);
  batch.set("image", counting({2, 3, 3}));
  CHECK(reason_of([&] { batch.set("image", counting({3, 3, 3})); }) == "wrong shape");
  batch.set_message_field("mask", counting({3, 3}));
  RaggedTable peaks;
  peaks.offsets = {0, 1, 3};
  peaks.columns.emplace("x", counting({3}));
  batch.set("peaks", peaks);
  CHECK(batch.table("peaks").rows_of(1) == 2);
  peaks.columns.emplace("y", counting({2}));
  CHECK(reason_of([&] { batch.set("peaks", peaks); }) == "wrong shape");
  CHECK(reason_of([&] { batch.array("segmap"); }) == "missing field");
  CHECK(reason_of([&] { batch.table("peaks").column("z"); }) == "missing field");
  CHECK(batch.bytes() == 4 * (18 + 9));
}

TEST_CASE("a copy of a batch does not change with it") {
  Batch batch(1);
  batch.set("image", counting({1, 4}));
  Batch other = batch;
  other.drop("image").set_attribute("normalized", true);
  CHECK(batch.has("image"));
  CHECK(batch.attribute("normalized") == nullptr);
  CHECK(std::get<bool>(*other.attribute("normalized")));
}
