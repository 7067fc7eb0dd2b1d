// Writes events of a simulated ePix10k2M (uint16, 300 peaks) to CXI files as a graph does, and
// prints the seconds from the first event until the last file has its name on the disk.
//
//     pnflow_cxi_writer_bench DIRECTORY EVENTS WORKERS COMPRESSION
//
// bench/cxi_writer.py runs it beside `dd`, the compressor alone and h5py.

#include <fmt/format.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <deque>
#include <exception>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "graph/fake_run.h"
#include "io/simulation.h"
#include "nodes/cxi_writer.h"

namespace {

using namespace pnflow;

constexpr std::size_t distinct_events = 16;
constexpr std::size_t peaks_per_event = 300;

std::vector<Batch> make_events() {
  SimulationSettings settings;
  settings.panels = 16;
  settings.height = 352;
  settings.width = 384;
  settings.min_peaks = settings.max_peaks = peaks_per_event;
  const Simulation simulation(settings);
  std::vector<Batch> events;
  for (std::size_t event = 0; event < distinct_events; ++event) {
    MutableArray image(*heap_pool(), DType::u16, {1, 16, 352, 384});
    const auto found = simulation.render(event, std::as_writable_bytes(image.as<std::uint16_t>()));
    RaggedTable peaks;
    peaks.offsets = {0, found.size()};
    MutableArray panel(*heap_pool(), DType::i32, {found.size()}),
        npix(*heap_pool(), DType::i32, {found.size()});
    MutableArray y(*heap_pool(), DType::f64, {found.size()}),
        x(*heap_pool(), DType::f64, {found.size()});
    for (std::size_t i = 0; i < found.size(); ++i) {
      panel.as<std::int32_t>()[i] = found[i].panel;
      npix.as<std::int32_t>()[i] = 9;
      y.as<double>()[i] = found[i].y;
      x.as<double>()[i] = found[i].x;
    }
    const Array amplitude =
        array_of(*heap_pool(), std::vector<float>(found.size(), settings.min_amplitude));
    peaks.columns["panel"] = std::move(panel).freeze();
    peaks.columns["npix"] = std::move(npix).freeze();
    peaks.columns["y"] = std::move(y).freeze();
    peaks.columns["x"] = std::move(x).freeze();
    for (const char* name : {"total", "maximum", "snr"}) peaks.columns[name] = amplitude;
    Batch batch(1);
    batch.set("image", std::move(image).freeze());
    batch.set("peaks", std::move(peaks));
    batch.set("timestamp", array_of(*heap_pool(), std::vector<std::uint64_t>{event + 1}));
    batch.set("photon_energy", array_of(*heap_pool(), std::vector<double>{9500}));
    events.push_back(std::move(batch));
  }
  return events;
}

// What stands between the workers and the writing threads in a graph.
class Queue {
 public:
  void push(std::unique_ptr<Sink::Prepared> prepared, std::size_t room) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return items_.size() < room; });
    items_.push_back(std::move(prepared));
    changed_.notify_all();
  }
  void end() {
    const std::lock_guard lock(mutex_);
    ended_ = true;
    changed_.notify_all();
  }
  // nullptr: there is no more.
  std::unique_ptr<Sink::Prepared> pop() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return ended_ || !items_.empty(); });
    if (items_.empty()) return nullptr;
    auto prepared = std::move(items_.front());
    items_.pop_front();
    changed_.notify_all();
    return prepared;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::unique_ptr<Sink::Prepared>> items_;
  bool ended_ = false;
};

double write_all(const CxiWriter::Params& params, int events, int workers) {
  const std::vector<Batch> batches = make_events();
  test::FakeServices services;
  test::FakeOpen open(services);
  CxiWriter writer(params);
  writer.open(open);
  std::atomic<int> next = 0, delivered = 0;
  Queue queue;
  const auto start = std::chrono::steady_clock::now();
  {
    std::vector<std::jthread> writers;
    for (int i = 0; i < writer.writers(workers); ++i) {
      writers.emplace_back([&] {
        while (auto prepared = queue.pop()) {
          writer.write(std::move(prepared),
                       Delivery(EventStates(1), [&](const EventStates& states) {
                         delivered += states[0].fate == Fate::delivered ? 1 : 0;
                       }));
        }
      });
    }
    {
      std::vector<std::jthread> preparing;
      for (int i = 0; i < workers; ++i) {
        preparing.emplace_back([&] {
          for (int event = next++; event < events; event = next++) {
            Context context(1);
            queue.push(
                writer.prepare(batches[static_cast<std::size_t>(event) % batches.size()], context),
                2 * static_cast<std::size_t>(workers));
          }
        });
      }
    }
    queue.end();
  }
  writer.close();
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  if (delivered != events) {
    for (const std::string& line : services.lines()) fmt::print(stderr, "{}\n", line);
    throw std::runtime_error(fmt::format("{} of {} events were written", delivered.load(), events));
  }
  return seconds.count();
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 5) {
    fmt::print(stderr, "usage: {} DIRECTORY EVENTS WORKERS COMPRESSION\n", argv[0]);
    return 2;
  }
  try {
    CxiWriter::Params params;
    params.directory = argv[1];
    params.compression = argv[4];
    fmt::print("{:.4f}\n", write_all(params, std::atoi(argv[2]), std::atoi(argv[3])));
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 1;
  }
}
