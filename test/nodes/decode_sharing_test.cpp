// What `decode` does with a message's pixels beside reading them: sharing their memory, and sharing
// the work out.
#include <doctest/doctest.h>

#include <atomic>
#include <functional>
#include <numeric>
#include <thread>

#include "graph/error.h"
#include "graph/fake_run.h"
#include "io/hdf5_image.h"
#include "io/hdf5_layout.h"
#include "io/npay_message_writer.h"
#include "io/npz_message_writer.h"
#include "nodes/decode.h"
#include "test/support/messages.h"
#include "test/support/simplon.h"

using namespace pnflow;

namespace {

using Bytes = std::vector<std::byte>;

// Every part on a thread of its own, the last one first.
struct Threads : test::FakeServices {
  void share_out(std::size_t n, const std::function<void(std::size_t)>& body) override {
    parts = n;
    std::vector<std::jthread> threads;
    for (std::size_t i = n; i-- > 0;) threads.emplace_back([&body, i] { body(i); });
  }
  std::size_t parts = 0;
};

// Memory of somebody else's, as pinned memory is.
struct OwnPool : test::FakeServices {
  MemoryPool& pool() override { return blocks; }
  BlockPool blocks{[](std::size_t bytes) { return new std::byte[bytes]; },
                   [](std::byte* block, std::size_t) { delete[] block; }};
};

struct Outcome {
  std::vector<std::string> fates;
  std::vector<std::int32_t> pixels;
  friend bool operator==(const Outcome&, const Outcome&) = default;
};

Outcome outcome(NodeServices& services, const Batch& message) {
  Context context(services, "socket", 0, nullptr);
  const Batch batch = Decode({}).process(message, context);
  Outcome outcome;
  for (const EventState& state : *context.states()) {
    outcome.fates.push_back(state.fate == Fate::alive ? "alive" : state.reason);
  }
  const auto pixels = batch.array("image").as<std::int32_t>();
  outcome.pixels.assign(pixels.begin(), pixels.end());
  return outcome;
}

// Whether the pixels are bytes of the message itself.
bool shares(NodeServices& services, const Batch& message) {
  Context context(services, "socket", 0, nullptr);
  const Batch batch = Decode({}).process(message, context);
  const auto wire = message.array("wire").raw();
  const auto image = batch.array("image").raw();
  return image.data() >= wire.data() && image.data() < wire.data() + wire.size();
}

// 12 events of 160x320 pixels, as large as is worth sharing out.
constexpr hsize_t events = 12;

Bytes counting(
    const std::vector<hsize_t>& chunk, const std::function<void(hid_t)>& change = [](hid_t) {}) {
  return test::counting_file({events, 160, 320}, chunk, change);
}

void damage(Bytes& bytes, std::size_t chunk) {
  const StoredChunk place = [&] {
    const Hdf5Image image(bytes);
    const h5::Dataset dataset(H5Dopen2(image.file(), "/data", H5P_DEFAULT));
    return read_layout(dataset.get(), "/data", bytes).chunks.at(chunk);
  }();
  std::fill_n(bytes.begin() + static_cast<std::ptrdiff_t>(place.offset), place.size,
              std::byte{0xff});
}

}  // namespace

TEST_CASE("Threads that share a message out give the pixels and fates that one thread gives") {
  const auto gzip = [](hid_t properties) { H5Pset_deflate(properties, 1); };
  for (const auto& [chunk, parts] : std::vector<std::pair<std::vector<hsize_t>, std::size_t>>{
           {{1, 160, 320}, 12}, {{1, 33, 100}, 12}, {{5, 160, 320}, 3}, {{12, 160, 320}, 1}}) {
    CAPTURE(chunk[0]);
    for (const bool damaged : {false, true}) {
      Bytes bytes = counting(chunk, gzip);
      if (damaged) {
        damage(bytes, 0);
        if (parts > 1) damage(bytes, 2);
      }
      test::FakeServices alone;
      Threads threads;
      const Batch message = test::wire_batch(bytes);
      const Outcome expected = outcome(alone, message);
      CHECK(outcome(threads, message) == expected);
      CHECK(threads.parts == parts);
      CHECK(alone.lines() == threads.lines());
      CHECK((std::ranges::count(expected.fates, "alive") < static_cast<long>(events)) == damaged);
    }
  }
}

TEST_CASE("Parts of a file are shared out by whole chunks") {
  const Bytes bytes =
      counting({5, 160, 320}, [](hid_t properties) { H5Pset_deflate(properties, 1); });
  Batch message = test::wire_batch(bytes);
  message.set_attribute("first_event", std::int64_t{3});
  message.set_attribute("event_count", std::int64_t{8});
  test::FakeServices alone;
  Threads threads;
  const Outcome expected = outcome(alone, message);
  CHECK(expected.pixels.front() == 3 * 160 * 320);
  CHECK(expected.pixels.back() == 11 * 160 * 320 - 1);
  CHECK(outcome(threads, message) == expected);
  CHECK(threads.parts == 3);
}

TEST_CASE("Pixels that lie in the message as they are to be are not copied") {
  for (const auto& chunk : std::vector<std::vector<hsize_t>>{{}, {1, 160, 320}}) {
    const Batch message = test::wire_batch(counting(chunk));
    test::FakeServices heap;
    OwnPool own;
    CHECK(shares(heap, message));
    CHECK_FALSE(shares(own, message));
    const Outcome shared = outcome(heap, message);
    CHECK(shared == outcome(own, message));
    std::vector<std::int32_t> truth(shared.pixels.size());
    std::iota(truth.begin(), truth.end(), 0);
    CHECK(shared.pixels == truth);
  }
}

TEST_CASE("Pixels that share a message's memory outlive all else of it") {
  std::optional<Array> image;
  {
    test::FakeServices heap;
    Context context(heap, "socket", 0, nullptr);
    image = Decode({}).process(test::wire_batch(counting({1, 160, 320})), context).array("image");
  }
  const auto pixels = image->as<std::int32_t>();
  CHECK(pixels.back() == static_cast<std::int32_t>(pixels.size()) - 1);
}

TEST_CASE("Pixels of several pieces, out of line, out of order or not whole are copied") {
  const auto copied = [](const Bytes& bytes) {
    test::FakeServices heap;
    return !shares(heap, test::wire_batch(bytes));
  };
  CHECK(copied(counting({2, 160, 320})));
  CHECK(copied(counting({1, 80, 320})));
  CHECK(copied(counting({1, 160, 320}, [](hid_t p) { H5Pset_fletcher32(p); })));
  // One byte in front of everything: elements that are not aligned.
  const Bytes bytes = counting({});
  const auto owner = std::make_shared<Bytes>(bytes.size() + 1);
  std::ranges::copy(bytes, owner->begin() + 1);
  Batch odd;
  odd.set_message_field("wire", Array(DType::u8, {bytes.size()}, {owner, owner->data() + 1}));
  test::FakeServices heap;
  CHECK_FALSE(shares(heap, odd));
  CHECK(outcome(heap, odd) == outcome(heap, test::wire_batch(bytes)));
}

TEST_CASE("Archives give the same pixels into memory of the nodes behind and into any other") {
  std::vector<std::int32_t> values(events * 160 * 320);
  std::iota(values.begin(), values.end(), 0);
  const auto arrays = [&](const char* name) {
    return std::vector<NamedArray>{
        {name, DType::i32, {events, 160, 320}, std::as_bytes(std::span(values))}};
  };
  for (Bytes bytes : {write_npz_message(arrays("detector_data"), NpzCompression::stored),
                      write_npz_message(arrays("detector_data"), NpzCompression::deflate),
                      write_npay_message(arrays("/data/data"))}) {
    for (const bool damaged : {false, true}) {
      if (damaged) bytes[bytes.size() / 2] ^= std::byte{0x10};
      const Batch message = test::wire_batch(bytes);
      test::FakeServices heap;
      OwnPool own;
      Threads threads;
      const Outcome expected = outcome(own, message);
      CHECK(outcome(heap, message) == expected);
      CHECK(outcome(threads, message) == expected);
      if (!damaged) CHECK(expected.pixels == values);
    }
  }
}
