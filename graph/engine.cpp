#include "graph/engine.h"

#include <fmt/format.h>
#include <oneapi/tbb/global_control.h>
#include <oneapi/tbb/task_arena.h>

#include <algorithm>
#include <ranges>

#include "graph/config.h"
#include "graph/error.h"
#include "graph/log.h"
#include "graph/run_name.h"
#include "graph/source_runner.h"
#include "graph/stages.h"
#include "graph/stall_watch.h"

namespace pnflow {

namespace {

using oneapi::tbb::global_control;

}  // namespace

class Engine::Impl {
 public:
  Impl(const Plan& plan, Registry& registry, RunControl& control, Trace* trace)
      : plan_(plan),
        run_{plan,  registry, control, ledger_, unique_run_name(plan.name), to_json(plan.resolved),
             trace, true},
        // One more than the arena has: main waits in it for the end.
        threads_(global_control::max_allowed_parallelism,
                 static_cast<std::size_t>(plan.threads) + 1),
        // No slot is reserved for main, which sleeps: idle workers of a larger arena would spin.
        arena_(plan.threads, 0),
        window_(std::make_shared<Window>(plan.window)) {
    for (std::size_t i = 0; i < plan.nodes.size(); ++i) {
      runtimes_.push_back(std::make_unique<NodeRuntime>(run_, i));
    }
  }

  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;
  ~Impl() {
    sources_.clear();
    arena_.execute([this] {
      // An edge that was made has started work of its own, even if no source ever ran.
      if (graph_) graph_->wait_for_all();
      stages_.clear();
      graph_.reset();
    });
  }

  void open() {
    arena_.execute([this] { build(); });
    for (std::size_t i : std::views::iota(std::size_t{0}, runtimes_.size()) | std::views::reverse) {
      try {
        runtimes_[i]->node().open(*runtimes_[i]);
        ++opened_;
      } catch (const std::exception& error) {
        close_opened();
        throw RunError(fmt::format("{}: {}", runtimes_[i]->planned().name, error.what()));
      }
      share_pool(i);
    }
  }

  void run() {
    RunControl& control = run_.control;
    control.start_running([this] {
      started_ = Clock::now();
      if (run_.trace) run_.trace->start(started_);
      logger()->info("running: {} nodes, window {}, {} thread(s), run {}", plan_.nodes.size(),
                     plan_.window, plan_.threads, run_.run_name);
    });
    const StallWatch watch(plan_.stall_report, [this] { return status(); });
    for (const auto& source : sources_) {
      control.source_started();
      graph_->reserve_wait();
      source->start([this, &control] {
        graph_->release_wait();
        control.source_ended();
      });
    }
    control.wait_for_sources();
    for (const auto& runtime : runtimes_) runtime->node().draining();
    // Main helps only now: before, it would have spun for work.
    arena_.execute([this] { graph_->wait_for_all(); });
    for (const auto& source : sources_) source->join();
    for (const auto& stage : stages_) {
      if (stage) stage->finish();
    }
    wall_ = Clock::now() - started_.load();
    close_opened();
  }

  RunStatus status() const {
    RunStatus status;
    status.books = ledger_.books();
    status.window = plan_.window;
    status.live_messages = window_->live();
    status.max_live_messages = window_->max_live();
    const auto now = Clock::now();
    status.wall = wall_.load() != Clock::duration{} ? wall_.load() : now - started_.load();
    status.since_retirement = now - std::max(ledger_.last_retirement(), started_.load());
    for (const auto& runtime : runtimes_) status.nodes.push_back(status_of(*runtime));
    return status;
  }

  const std::string& run_name() const { return run_.run_name; }

 private:
  // Inside the arena, so that the flow graph belongs to it.
  void build() {
    graph_ = std::make_unique<flow::graph>();
    regions_.resize(runtimes_.size());
    for (std::size_t i = 0; i < runtimes_.size(); ++i) {
      NodeRuntime& runtime = *runtimes_[i];
      if (runtime.planned().type->kind == NodeKind::gate) {
        regions_[i] = std::make_shared<Region>();
        regions_[i]->capacity = static_cast<Gate&>(runtime.node()).capacity();
      }
      if (runtime.planned().gate) runtime.set_region(regions_[*runtime.planned().gate]);
      stages_.push_back(make_stage(*graph_, runtime, regions_[i]));
    }
    for (std::size_t i = 0; i < runtimes_.size(); ++i) connect(i);
  }

  void connect(std::size_t i) {
    NodeRuntime& runtime = *runtimes_[i];
    std::vector<flow::receiver<Message>*> receivers;
    for (const std::size_t next : runtime.planned().to) {
      runtime.add_successor(*runtimes_[next]);
      receivers.push_back(&stages_[next]->input());
      if (stages_[i]) flow::make_edge(*stages_[i]->output(), *receivers.back());
    }
    if (runtime.planned().type->kind != NodeKind::source) return;
    sources_.push_back(std::make_unique<SourceRunner>(
        runtime, window_, plan_.deciding_sinks(i), plan_.keeps_wire,
        [receivers = std::move(receivers)](const Message& message) {
          return std::ranges::all_of(receivers, [&](auto* to) { return to->try_put(message); });
        }));
  }

  // The node's wish for its input's memory, or else what a node behind it wishes.
  void share_pool(std::size_t i) {
    for (const std::size_t next : runtimes_[i]->planned().to) {
      if (wishes_[next]) {
        runtimes_[i]->set_pool(wishes_[next]);
        wishes_[i] = wishes_[next];
      }
    }
    if (auto wish = runtimes_[i]->node().input_pool()) wishes_[i] = std::move(wish);
  }

  // From sources to sinks. A node that fails to close does not keep the others from it.
  void close_opened() {
    for (std::size_t i = runtimes_.size() - opened_; i < runtimes_.size(); ++i)
      close(*runtimes_[i]);
    opened_ = 0;
  }

  // Data that are lost in the end are a loss like any other: `on_error` says what follows from it.
  void close(NodeRuntime& runtime) {
    try {
      runtime.node().close();
    } catch (const std::exception& error) {
      const bool is_loss = dynamic_cast<const DataError*>(&error) != nullptr;
      const OnError policy = runtime.planned().on_error;
      if (is_loss && policy != OnError::stop && policy != OnError::wait) {
        runtime.log(LogLevel::error, error.what());
      } else {
        runtime.fail_run(error.what());
      }
    }
  }

  RunStatus::NodeStatus status_of(NodeRuntime& runtime) const {
    RunStatus::NodeStatus status;
    status.name = runtime.planned().name;
    status.type = runtime.planned().type->name;
    status.workers = runtime.planned().workers;
    status.body = runtime.metrics().snapshot();
    if (runtime.planned().type->kind == NodeKind::sink) {
      status.write = runtime.write_metrics().snapshot();
      status.writers = static_cast<Sink&>(runtime.node()).writers(status.workers);
    }
    status.figures = runtime.node().figures();
    if (const auto& region = regions_[runtime.index()]) {
      status.credits_out = region->inside;
      status.capacity = region->capacity;
    }
    return status;
  }

  const Plan& plan_;
  Ledger ledger_;
  RunState run_;
  global_control threads_;
  oneapi::tbb::task_arena arena_;
  std::shared_ptr<Window> window_;
  std::vector<std::unique_ptr<NodeRuntime>> runtimes_;
  std::vector<std::shared_ptr<Region>> regions_;  // of gates, by node
  std::map<std::size_t, std::shared_ptr<MemoryPool>> wishes_;
  std::unique_ptr<flow::graph> graph_;
  std::vector<std::unique_ptr<FlowStage>> stages_;  // by node; of sources nullptr
  std::vector<std::unique_ptr<SourceRunner>> sources_;
  std::size_t opened_ = 0;  // so many of the last nodes are open
  std::atomic<Clock::time_point> started_{Clock::now()};
  std::atomic<Clock::duration> wall_{};
};

Engine::Engine(const Plan& plan, Registry& registry, RunControl& control, Trace* trace)
    : impl_(std::make_unique<Impl>(plan, registry, control, trace)) {}
Engine::~Engine() = default;
void Engine::open() { impl_->open(); }
void Engine::run() { impl_->run(); }
RunStatus Engine::status() const { return impl_->status(); }
const std::string& Engine::run_name() const { return impl_->run_name(); }

}  // namespace pnflow
