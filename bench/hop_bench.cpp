// The cost of a hop: a message from one node's body to the next one's, with window, fates, ledger
// and measurements, beside a bare chain of oneTBB function_nodes that pass a shared_ptr.
#include <benchmark/benchmark.h>
#include <oneapi/tbb/flow_graph.h>
#include <oneapi/tbb/global_control.h>
#include <oneapi/tbb/task_arena.h>

#include <memory>
#include <semaphore>

#include "graph/engine.h"
#include "graph/log.h"
#include "graph/registry.h"

namespace {

using namespace pnflow;
namespace flow = oneapi::tbb::flow;

constexpr int messages = 20'000;
constexpr int window = 16;
constexpr int threads = 2;

struct Messages : Source {
  struct Params {};
  static void describe(Spec<Params>&) {}
  explicit Messages(Params) {}
  std::optional<Batch> next(SourceContext&) override {
    return sent++ < messages ? std::optional(Batch(1)) : std::nullopt;
  }
  int sent = 0;
};

struct Pass : Transform {
  struct Params {};
  static void describe(Spec<Params>&) {}
  explicit Pass(Params) {}
  Batch process(const Batch& batch, Context&) const { return batch; }
};

struct End : Sink {
  struct Params {};
  static void describe(Spec<Params>&) {}
  explicit End(Params) {}
  std::unique_ptr<Prepared> prepare(const Batch&, Context&) const override { return nullptr; }
  void write(std::unique_ptr<Prepared>, Delivery&& delivery) override {
    std::move(delivery).deliver();
  }
};

void append(Plan& plan, const Registry& registry, const std::string& type) {
  PlannedNode node;
  node.name = type + std::to_string(plan.nodes.size());
  node.type = registry.find(type);
  node.params = node.type->new_params();
  node.workers = type == "pass" ? threads : 1;
  if (!plan.nodes.empty()) {
    node.from = {plan.nodes.size() - 1};
    plan.nodes.back().to = {plan.nodes.size()};
  }
  plan.nodes.push_back(std::move(node));
}

// range(0): transforms in the chain. The time of a hop is the difference of two lengths.
void pnflow_chain(benchmark::State& state) {
  logger()->set_level(spdlog::level::warn);
  Registry registry;
  registry.add<Messages>("messages");
  registry.add<Pass>("pass");
  registry.add<End>("end");
  Plan plan;
  plan.name = "hop";
  plan.window = window;
  plan.threads = threads;
  plan.resolved.kind = Value::Kind::map;
  append(plan, registry, "messages");
  for (int i = 0; i < state.range(0); ++i) append(plan, registry, "pass");
  append(plan, registry, "end");
  for (auto _ : state) {
    RunControl control;
    Engine engine(plan, registry, control);
    engine.open();
    engine.run();
  }
  state.SetItemsProcessed(state.iterations() * messages * (state.range(0) + 1));
}

void tbb_chain(benchmark::State& state) {
  using Handle = std::shared_ptr<int>;
  const oneapi::tbb::global_control limit(oneapi::tbb::global_control::max_allowed_parallelism,
                                          threads + 1);
  oneapi::tbb::task_arena arena(threads, 0);
  for (auto _ : state) {
    arena.execute([&] {
      flow::graph graph;
      std::counting_semaphore<> slots(window);
      std::vector<std::unique_ptr<flow::function_node<Handle, Handle>>> chain;
      for (int i = 0; i < state.range(0); ++i) {
        chain.push_back(std::make_unique<flow::function_node<Handle, Handle>>(
            graph, threads, [](Handle handle) { return handle; }));
        if (i > 0) flow::make_edge(*chain[chain.size() - 2], *chain.back());
      }
      flow::function_node<Handle> end(graph, flow::serial, [&](const Handle&) {
        slots.release();
        return flow::continue_msg{};
      });
      flow::make_edge(*chain.back(), end);
      graph.reserve_wait();
      std::thread source([&] {
        for (int i = 0; i < messages; ++i) {
          slots.acquire();
          chain.front()->try_put(std::make_shared<int>(i));
        }
        graph.release_wait();
      });
      source.join();
      graph.wait_for_all();
    });
  }
  state.SetItemsProcessed(state.iterations() * messages * (state.range(0) + 1));
}

BENCHMARK(pnflow_chain)->Arg(1)->Arg(65)->Arg(257)->UseRealTime()->Unit(benchmark::kMillisecond);
BENCHMARK(tbb_chain)->Arg(1)->Arg(65)->Arg(257)->UseRealTime()->Unit(benchmark::kMillisecond);

}  // namespace

BENCHMARK_MAIN();
