#include "nodes/infer.h"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>
#include <random>
#include <set>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

#include "graph/error.h"
#include "graph/fake_run.h"
#include "segmap_helpers.h"

using namespace pnflow;
using namespace pnflow::test;
using namespace std::chrono_literals;

namespace {

using Clock = std::chrono::steady_clock;

// What the engine of these tests was given and does: a pixel of value 1 is a peak.
struct Probe {
  std::mutex mutex;
  std::vector<std::size_t> launches;               // images of each micro-batch
  std::vector<std::set<std::size_t>> widths;       // of its images
  std::function<void(std::size_t launch)> before;  // may throw or wait
  int buffers = 1;
  std::atomic<int> in_flight = 0;
  std::atomic<int> most_in_flight = 0;
};

class ProbeEngine : public InferenceEngine {
 public:
  ProbeEngine(Probe& probe, MapFormat output) : probe_(probe), output_(output) {}
  ~ProbeEngine() override {
    for (std::thread& thread : threads_) thread.join();
  }
  int buffers() const override { return probe_.buffers; }
  void launch(const MicroBatch& batch, Done done) override {
    const int now = ++probe_.in_flight;
    int most = probe_.most_in_flight;
    while (most < now && !probe_.most_in_flight.compare_exchange_weak(most, now)) {
    }
    if (probe_.buffers == 1) return work(batch, done);
    threads_.emplace_back([this, &batch, done = std::move(done)] { work(batch, done); });
  }

 private:
  void work(const MicroBatch& batch, const Done& done) {
    std::size_t number = 0;
    {
      const std::lock_guard lock(probe_.mutex);
      number = probe_.launches.size();
      probe_.launches.push_back(batch.images.size());
      probe_.widths.push_back({batch.geometry.width});
    }
    std::exception_ptr error;
    try {
      if (probe_.before) probe_.before(number);
      for (const EngineImage& image : batch.images) run(batch, image);
    } catch (...) {
      error = std::current_exception();
    }
    --probe_.in_flight;
    done(error);
  }
  void run(const MicroBatch& batch, const EngineImage& image) {
    const MapGeometry& g = batch.geometry;
    const auto row_bytes = g.map_bytes(output_) / g.map_height;
    dispatch(batch.dtype, [&](auto element) {
      const auto* pixels = reinterpret_cast<const decltype(element)*>(image.pixels);
      for (std::size_t y = 0; y < g.map_height; ++y) {
        std::vector<std::uint8_t> row(g.map_width);
        for (std::size_t x = 0; x < g.map_width; ++x) {
          if (y < g.top || y >= g.top + g.height || x < g.left || x >= g.left + g.width) continue;
          const std::size_t i = (y - g.top) * g.stride + x - g.left;
          row[x] = pixels[i] == 1 && !(image.bad && image.bad[i] != 0) ? 1 : 0;
        }
        store_map_row(row.data(), g, output_, image.map + y * row_bytes);
      }
    });
  }

  Probe& probe_;
  MapFormat output_;
  std::vector<std::thread> threads_;
};

struct ProbeFactory : EngineFactory {
  explicit ProbeFactory(Probe& p) : probe(p) {}
  std::vector<std::unique_ptr<InferenceEngine>> make(
      const EngineSettings& settings) const override {
    std::vector<std::unique_ptr<InferenceEngine>> engines;
    for (int i = 0; i < settings.instances; ++i) {
      engines.push_back(std::make_unique<ProbeEngine>(probe, settings.output));
    }
    return engines;
  }
  Probe& probe;
};

class InferOpen : public FakeOpen {
 public:
  using FakeOpen::FakeOpen;
  std::shared_ptr<const Region> region() const override { return limiter; }
  std::shared_ptr<Region> limiter;
};

// Images in which event e of the stream, panel p, is known by its pattern of ones.
template <class T>
Batch images(std::size_t first, std::size_t events, Shape image) {
  Shape shape{events};
  shape.insert(shape.end(), image.begin(), image.end());
  MutableArray array(*heap_pool(), dtype_of<T>, shape);
  std::mt19937 random;
  for (std::size_t e = 0; e < events; ++e) {
    random.seed(static_cast<unsigned>(first + e));
    auto part = array.raw_at(e);
    auto* pixels = reinterpret_cast<T*>(part.data());
    for (std::size_t i = 0; i < part.size() / sizeof(T); ++i)
      pixels[i] = static_cast<T>(random() % 4);
  }
  Batch batch(events);
  batch.set("image", std::move(array).freeze());
  return batch;
}

// One infer node in a run of its own.
struct Stage {
  struct Answer {
    Batch batch;
    EventStates states;
    Clock::time_point at;
  };

  explicit Stage(Infer::Params params, int capacity = 0) : infer(with_engine(std::move(params))) {
    if (capacity > 0) {
      open_context.limiter = std::make_shared<Region>();
      open_context.limiter->capacity = capacity;
    }
    const std::shared_ptr<EngineFactory> factory = std::make_shared<ProbeFactory>(probe);
    open_context.registry().offer(std::string(engine_interface), "probe", factory);
  }
  static Infer::Params with_engine(Infer::Params params) {
    params.engine = "probe";
    return params;
  }
  void open() { infer.open(open_context); }

  void admit() {
    if (!open_context.limiter) return;
    ++open_context.limiter->inside;
    ++open_context.limiter->admitted;
  }
  void submit(Batch batch, std::vector<std::size_t> vetoed = {}) {
    Context context(batch.events());
    for (const std::size_t event : vetoed) context.veto(event, "test");
    const std::size_t number = submitted++;
    infer.submit(
        std::move(batch),
        Completion(std::move(context), [this, number](std::optional<Batch> b, const Context& c) {
          const std::lock_guard lock(mutex);
          REQUIRE(b);
          REQUIRE(answers.emplace(number, Answer{std::move(*b), *c.states(), Clock::now()}).second);
          arrived.notify_all();
        }));
  }
  void wait_for(std::size_t count) {
    std::unique_lock lock(mutex);
    REQUIRE(arrived.wait_for(lock, 20s, [&] { return answers.size() >= count; }));
  }

  Probe probe;
  FakeServices services;
  InferOpen open_context{services};
  std::mutex mutex;
  std::condition_variable arrived;
  std::map<std::size_t, Answer> answers;
  std::size_t submitted = 0;
  Infer infer;
};

bool is_peak(const Batch& batch, std::size_t event, std::size_t panel, std::size_t y,
             std::size_t x) {
  const Array& map = batch.array("segmap");
  const std::size_t row = map.shape().back();
  const auto height =
      static_cast<std::size_t>(std::get<std::int64_t>(*batch.attribute("segmap_height")));
  const std::size_t panels = map.rank() == 4 ? map.shape()[1] : 1;
  const std::size_t first = ((event * panels + panel) * height + y) * row;
  if (map.dtype() == DType::u8) return map.as<std::uint8_t>()[first + x] == 1;
  return (map.as<std::uint64_t>()[first + x / 64] >> (x % 64) & 1U) != 0;
}

// Every living event of the answer has the map of its own pixels, every other one an empty map.
void check_maps(const Stage::Answer& answer) {
  const Array& image = answer.batch.array("image");
  const std::size_t panels = image.rank() == 4 ? image.shape()[1] : 1;
  const std::size_t height = image.shape()[image.rank() - 2];
  const std::size_t width = image.shape().back();
  const auto number = [&](const char* name) {
    return static_cast<std::size_t>(std::get<std::int64_t>(*answer.batch.attribute(name)));
  };
  const std::size_t top = number("segmap_top");
  const std::size_t left = number("segmap_left");
  const std::size_t crop_height = number("crop_height");
  const std::size_t crop_width = number("crop_width");
  dispatch(image.dtype(), [&](auto element) {
    const auto pixels = image.as<decltype(element)>();
    for (std::size_t e = 0; e < answer.batch.events(); ++e) {
      for (std::size_t p = 0; p < panels; ++p) {
        for (std::size_t y = 0; y < number("segmap_height"); ++y) {
          for (std::size_t x = 0; x < number("segmap_width"); ++x) {
            const bool inside =
                y >= top && y < top + crop_height && x >= left && x < left + crop_width;
            const std::size_t row = (e * panels + p) * height + number("crop_top") + y - top;
            const bool lit = inside && answer.states[e].fate == Fate::alive &&
                             pixels[row * width + number("crop_left") + x - left] == 1;
            REQUIRE(is_peak(answer.batch, e, p, y, x) == lit);
          }
        }
      }
    }
  });
}

}  // namespace

TEST_CASE("messages of 1 to 7 events come back whole through any batch size and any shape") {
  for (const std::size_t batch_size : {1, 4, 8, 16}) {
    for (const int instances : {1, 3}) {
      CAPTURE(batch_size);
      Stage stage({.batch_size = batch_size,
                   .max_wait = 2ms,
                   .instances = instances,
                   .pad = MapPadding{20, 70, PadStyle::center},
                   .output = instances == 1 ? MapFormat::bits : MapFormat::uint8});
      stage.open();
      std::mt19937 random(7);
      std::size_t first = 0;
      std::size_t living = 0;
      for (int message = 0; message < 60; ++message) {
        const std::size_t events = 1 + random() % 7;
        std::vector<std::size_t> vetoed;
        if (random() % 3 == 0) vetoed.push_back(random() % events);
        const auto kind = random() % 4;
        const Shape shape = kind == 0 ? Shape{2, 11, 13} : kind == 1 ? Shape{9, 66} : Shape{20, 70};
        living += (events - vetoed.size()) * (kind == 0 ? 2 : 1);
        stage.submit(kind == 3 ? images<float>(first, events, shape)
                               : images<std::uint16_t>(first, events, shape),
                     vetoed);
        first += events;
      }
      stage.wait_for(60);
      for (const auto& [number, answer] : stage.answers) check_maps(answer);
      std::size_t run = 0;
      for (const std::size_t count : stage.probe.launches) {
        CHECK(count <= batch_size);
        run += count;
      }
      CHECK(run == living);
    }
  }
}

TEST_CASE("micro-batches fill across messages, and never mix shapes or dtypes") {
  Stage stage({.batch_size = 4, .max_wait = 10s});
  stage.open();
  // Shapes alternate, so that each micro-batch has to be put together from several messages.
  for (std::size_t i = 0; i < 8; ++i) stage.submit(images<std::uint16_t>(i, 1, {4, 4 + i % 2}));
  stage.wait_for(8);
  CHECK(stage.probe.launches == std::vector<std::size_t>{4, 4});
  for (const auto& widths : stage.probe.widths) CHECK(widths.size() == 1);
  // The same shape in another dtype waits by itself.
  stage.submit(images<std::uint16_t>(8, 3, {4, 4}));
  stage.submit(images<float>(11, 3, {4, 4}));
  std::this_thread::sleep_for(50ms);
  CHECK(stage.probe.launches.size() == 2);
  stage.infer.draining();
  stage.wait_for(10);
  CHECK(stage.probe.launches == std::vector<std::size_t>{4, 4, 3, 3});
}

TEST_CASE("a message larger than a batch is split") {
  Stage stage({.batch_size = 4, .max_wait = 10s});
  stage.open();
  stage.submit(images<std::uint16_t>(0, 4, {2, 5, 5}));
  stage.wait_for(1);
  CHECK(stage.probe.launches == std::vector<std::size_t>{4, 4});
  check_maps(stage.answers.at(0));
}

TEST_CASE("a lone message waits max_wait and no longer") {
  Stage stage({.batch_size = 8, .max_wait = 50ms});
  stage.open();
  const auto start = Clock::now();
  stage.submit(images<std::uint16_t>(0, 3, {5, 5}));
  stage.wait_for(1);
  CHECK(stage.answers.at(0).at - start >= 50ms);
  CHECK(stage.answers.at(0).at - start < 2s);
}

TEST_CASE("no waiting when the limiter has no credit left and all that it admitted is here") {
  Stage stage({.batch_size = 100, .max_wait = 1min}, 3);
  stage.open();
  for (int i = 0; i < 3; ++i) stage.admit();
  stage.submit(images<std::uint16_t>(0, 1, {5, 5}));
  stage.submit(images<std::uint16_t>(1, 1, {5, 5}));
  std::this_thread::sleep_for(60ms);
  CHECK(stage.probe.launches.empty());  // the third is on its way
  stage.submit(images<std::uint16_t>(2, 1, {5, 5}));
  stage.wait_for(3);
  CHECK(stage.probe.launches == std::vector<std::size_t>{3});
}

TEST_CASE("messages that pass by do not make the others wait for them for ever") {
  Stage stage({.batch_size = 100, .max_wait = 1min}, 2);
  stage.open();
  // Two messages without living events are admitted and gone again.
  stage.open_context.limiter->admitted += 2;
  stage.admit();
  stage.submit(images<std::uint16_t>(0, 1, {5, 5}));
  stage.admit();
  stage.submit(images<std::uint16_t>(1, 1, {5, 5}));
  stage.wait_for(2);
  CHECK(stage.probe.launches == std::vector<std::size_t>{2});
}

TEST_CASE("while the engine is busy images gather") {
  Stage stage({.batch_size = 8, .max_wait = 0ms});
  std::atomic<bool> go = false;
  stage.probe.before = [&](std::size_t) {
    while (!go) std::this_thread::sleep_for(1ms);
  };
  stage.open();
  stage.submit(images<std::uint16_t>(0, 1, {5, 5}));
  while (stage.probe.in_flight == 0) std::this_thread::sleep_for(1ms);
  for (std::size_t i = 1; i < 13; ++i) stage.submit(images<std::uint16_t>(i, 1, {5, 5}));
  go = true;
  stage.wait_for(13);
  CHECK(stage.probe.launches == std::vector<std::size_t>{1, 8, 4});
}

TEST_CASE("the failure of a micro-batch costs its events and no others") {
  Stage stage({.batch_size = 4, .max_wait = 10s});
  stage.probe.before = [](std::size_t launch) {
    if (launch == 1) throw std::runtime_error("the kernel has failed");
  };
  stage.open();
  // Events 0-3 | 4-7 | 8-11, in messages of three: the second batch touches messages 1 and 2.
  for (std::size_t i = 0; i < 4; ++i) stage.submit(images<std::uint16_t>(3 * i, 3, {5, 5}));
  stage.wait_for(4);
  std::size_t event = 0;
  for (const auto& [number, answer] : stage.answers) {
    check_maps(answer);
    for (const EventState& state : answer.states) {
      const bool failed = event >= 4 && event < 8;
      CHECK((state.fate == Fate::failed) == failed);
      CHECK(state.reason == (failed ? "inference" : ""));
      ++event;
    }
  }
  CHECK(event == 12);
}

TEST_CASE("an engine with several sets of buffers has that many micro-batches in flight") {
  Stage stage({.batch_size = 2, .max_wait = 0ms});
  stage.probe.buffers = 3;
  stage.probe.before = [&](std::size_t launch) {
    const auto deadline = Clock::now() + 5s;
    while (launch < 3 && stage.probe.most_in_flight < 3 && Clock::now() < deadline) {
      std::this_thread::sleep_for(1ms);
    }
  };
  stage.open();
  for (std::size_t i = 0; i < 20; ++i) stage.submit(images<std::uint16_t>(2 * i, 2, {5, 5}));
  stage.wait_for(20);
  CHECK(stage.probe.most_in_flight == 3);
  for (const auto& [number, answer] : stage.answers) check_maps(answer);
}

TEST_CASE("an image that cannot be used is a named failure of its message alone") {
  Stage stage({.batch_size = 1, .pad = MapPadding{6, 6, PadStyle::center}});
  stage.open();
  stage.submit(images<std::uint16_t>(0, 2, {7, 5}));
  stage.submit(Batch(1));
  stage.submit(images<std::uint16_t>(0, 2, {6, 5}));
  stage.wait_for(3);
  CHECK(stage.answers.at(0).states[1].reason == "wrong shape");
  CHECK(stage.answers.at(1).states[0].reason == "missing field");
  CHECK(stage.answers.at(2).states[1].fate == Fate::alive);
}

TEST_CASE("the model sees the crop alone, and the answer says where that lies") {
  for (const MapFormat output : {MapFormat::bits, MapFormat::uint8}) {
    Stage stage({.batch_size = 3,
                 .max_wait = 1ms,
                 .crop = MapCrop{.height = 5, .width = 9, .top = 3, .left = {}},
                 .pad = MapPadding{8, 70, PadStyle::center},
                 .output = output});
    stage.open();
    std::vector<std::uint8_t> bad(2 * 11 * 14);
    std::mt19937 random(3);
    for (auto& b : bad) b = random() % 5 == 0 ? 1 : 0;
    stage.submit(images<std::uint16_t>(0, 2, {2, 11, 14}));
    stage.submit(images<float>(2, 5, {10, 13}));
    stage.submit(images<float>(7, 1, {10, 8}));  // narrower than the crop
    stage.submit(images<std::uint16_t>(0, 2, {2, 11, 14})
                     .set_message_field("mask", make_array({2, 11, 14}, bad)));
    stage.wait_for(4);
    check_maps(stage.answers.at(0));
    check_maps(stage.answers.at(1));
    CHECK(stage.answers.at(2).states[0].reason == "wrong shape");
    const Batch& all = stage.answers.at(0).batch;
    const Batch& masked = stage.answers.at(3).batch;
    std::size_t lost = 0;
    for (std::size_t y = 0; y < 5; ++y) {
      for (std::size_t x = 0; x < 9; ++x) {
        // The crop's first column is (14 - 9) / 2; in the map it is at row 1, column 30.
        const bool usable = bad[(11 + y + 3) * 14 + x + 2] == 0;
        const bool was = is_peak(all, 1, 1, 1 + y, 30 + x);
        REQUIRE(is_peak(masked, 1, 1, 1 + y, 30 + x) == (was && usable));
        lost += was && !usable ? 1 : 0;
      }
    }
    CHECK(lost > 0);
  }
}

TEST_CASE("closing answers every message first") {
  Stage stage({.batch_size = 64, .max_wait = 1min});
  stage.open();
  for (std::size_t i = 0; i < 5; ++i) stage.submit(images<std::uint16_t>(i, 1, {5, 5}));
  stage.infer.draining();
  stage.infer.close();
  CHECK(stage.answers.size() == 5);
  for (const auto& [number, answer] : stage.answers) check_maps(answer);
}

TEST_CASE("an abort answers what waits and what comes at once") {
  Stage stage({.batch_size = 64, .max_wait = 1min});
  stage.open();
  for (std::size_t i = 0; i < 5; ++i) stage.submit(images<std::uint16_t>(i, 1, {5, 5}));
  const auto start = Clock::now();
  stage.services.abort = true;
  stage.submit(images<std::uint16_t>(5, 1, {5, 5}));
  stage.wait_for(6);
  CHECK(Clock::now() - start < 2s);
  CHECK(stage.probe.launches.empty());
  for (const auto& [number, answer] : stage.answers) CHECK(answer.states[0].reason == "aborted");
}

TEST_CASE("a message's own mask is used, and one that does not fit is refused with both shapes") {
  Stage stage({.batch_size = 1});
  stage.open();
  MutableArray mask(*heap_pool(), DType::u8, {2, 5, 5});
  std::ranges::fill(mask.as<std::uint8_t>(), 0);
  std::ranges::fill(mask.raw_at(1), std::byte{1});
  const Array frozen = std::move(mask).freeze();
  Batch fits = images<std::uint16_t>(0, 1, {2, 5, 5});
  fits.set_message_field("mask", frozen);
  stage.submit(fits);
  Batch other = images<std::uint16_t>(0, 1, {3, 5, 5});
  other.set_message_field("mask", frozen);
  stage.submit(other);
  stage.wait_for(2);
  std::size_t peaks[2] = {0, 0};
  for (std::size_t i = 0; i < 50; ++i)
    peaks[i / 25] += is_peak(stage.answers.at(0).batch, 0, i / 25, i / 5 % 5, i % 5);
  CHECK(peaks[0] > 0);
  CHECK(peaks[1] == 0);
  CHECK(stage.answers.at(1).states[0].reason == "wrong shape");
}

TEST_CASE("too small a limiter, and images that are normalised already, are said once") {
  Stage stage({.batch_size = 16, .max_wait = 0ms}, 2);
  stage.open();
  for (std::size_t i = 0; i < 3; ++i) {
    Batch batch = images<float>(i, 2, {5, 5});
    batch.set_attribute("normalized", true);
    stage.submit(std::move(batch));
  }
  stage.wait_for(3);
  std::size_t fill = 0;
  std::size_t normalized = 0;
  for (const std::string& line : stage.services.lines()) {
    fill += line.find("will not fill") != std::string::npos ? 1 : 0;
    normalized += line.find("normalised") != std::string::npos ? 1 : 0;
  }
  CHECK(fill == 1);
  CHECK(normalized == 1);
}

TEST_CASE("an engine that nobody offers is refused with the names of those that are") {
  FakeServices services;
  InferOpen open{services};
  Infer infer({.engine = "magic"});
  CHECK_THROWS_WITH_AS(infer.open(open), doctest::Contains("there are: none, threshold"), RunError);
}
