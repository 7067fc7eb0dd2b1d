#include "graph/tapped_run.h"

#include <algorithm>
#include <ranges>
#include <utility>
#include <vector>

#include "graph/engine.h"
#include "graph/error.h"
#include "graph/log.h"
#include "graph/run_control.h"

namespace pnflow {

namespace {

// The nodes that lead to `node`, under their new numbers, and `end` behind the last of them. A
// source leads to itself.
Plan part_of(const Plan& plan, std::size_t node, const NodeType& end) {
  std::vector<bool> leads = plan.leading_to(node);
  leads[node] = plan.nodes[node].type->kind == NodeKind::source;
  std::vector<std::size_t> number(plan.nodes.size());
  Plan part = plan;
  part.nodes.clear();
  for (std::size_t n = 0; n < plan.nodes.size(); ++n) {
    if (!leads[n]) continue;
    number[n] = part.nodes.size();
    part.nodes.push_back(plan.nodes[n]);
  }
  const std::size_t last = part.nodes.size();
  PlannedNode sink;
  sink.name = plan.nodes[node].name;
  sink.type = &end;
  sink.params = end.new_params();
  for (std::size_t n = 0; n < plan.nodes.size(); ++n) {
    if (!leads[n]) continue;
    PlannedNode& kept = part.nodes[number[n]];
    if (kept.on_error == OnError::keep) kept.on_error = OnError::skip;
    for (std::size_t& before : kept.from) before = number[before];
    if (kept.gate) kept.gate = number[*kept.gate];
    kept.to.clear();
    for (const std::size_t next : plan.nodes[n].to) {
      if (next == node) continue;
      if (leads[next]) kept.to.push_back(number[next]);
    }
    const bool ends_here = n == node || std::ranges::count(plan.nodes[n].to, node) > 0;
    if (!ends_here) continue;
    kept.to.push_back(last);
    sink.from.push_back(number[n]);
  }
  part.keeps_wire = false;
  const auto is = [](NodeKind kind) {
    return [kind](const PlannedNode& n) { return n.type->kind == kind; };
  };
  if (std::ranges::count_if(part.nodes, is(NodeKind::source)) == 1) {
    sink.ordered = sink.resequence = true;
    for (PlannedNode& gate : part.nodes | std::views::filter(is(NodeKind::gate))) {
      gate.resequence = true;
    }
  }
  part.nodes.push_back(std::move(sink));
  return part;
}

class QuietLog {
 public:
  QuietLog() = default;
  QuietLog(const QuietLog&) = delete;
  QuietLog& operator=(const QuietLog&) = delete;
  ~QuietLog() { logger()->set_level(level_); }
  void from_now_on() { logger()->set_level(spdlog::level::off); }

 private:
  spdlog::level::level_enum level_ = logger()->level();
};

}  // namespace

class TappedRun::Tap : public Sink {
 public:
  struct Params {
    const Look* look = nullptr;
    std::shared_ptr<MemoryPool> memory{};
    std::function<void()> stop{};
  };
  explicit Tap(Params params) : params_(std::move(params)) {}

  std::shared_ptr<MemoryPool> input_pool() override { return params_.memory; }
  std::unique_ptr<Prepared> prepare(const Batch& batch, Context& context) const override {
    if (context.aborting() || (*params_.look)(batch, context)) return nullptr;
    params_.stop();
    return nullptr;
  }
  void write(std::unique_ptr<Prepared>, Delivery&& delivery) override {
    std::move(delivery).deliver();
  }

 private:
  Params params_;
};

TappedRun::TappedRun(const Plan& plan, std::size_t node, Look look,
                     std::shared_ptr<MemoryPool> memory)
    : look_(std::move(look)), memory_(std::move(memory)) {
  tap_.name = "tap";
  tap_.kind = NodeKind::sink;
  tap_.parallel = true;
  tap_.new_params = [] { return std::make_shared<Tap::Params>(); };
  tap_.make = [](const void* params) -> std::unique_ptr<Node> {
    return std::make_unique<Tap>(*static_cast<const Tap::Params*>(params));
  };
  plan_ = part_of(plan, node, tap_);
}

Books TappedRun::run(Registry& registry) {
  RunControl control;
  QuietLog log;
  auto& params = *static_cast<Tap::Params*>(plan_.nodes.back().params.get());
  params = {&look_, memory_, [&] {
              log.from_now_on();
              control.abort();
            }};
  Books books;
  {
    Engine engine(plan_, registry, control);
    engine.open();
    engine.run();
    books = engine.status().books;
  }
  if (const std::string error = control.error(); !error.empty()) throw RunError(error);
  return books;
}

}  // namespace pnflow
