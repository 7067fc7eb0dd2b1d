#include "graph/solo_node.h"

#include <fmt/format.h>

#include <utility>

#include "graph/config.h"
#include "graph/error.h"
#include "graph/run_name.h"
#include "graph/solo_work.h"

namespace pnflow {

class SoloNode::Impl {
 public:
  Impl(const Plan& plan, std::size_t node, Registry& registry, int at_once)
      : run_{plan, registry, control_, ledger_, unique_run_name(plan.name), to_json(plan.resolved)},
        region_(plan.nodes[node].gate ? std::make_shared<Region>() : nullptr),
        work_(runtime_, region_, at_once, plan.window),
        runtime_(run_, node) {
    const PlannedNode& planned = runtime_.planned();
    if (kind() == NodeKind::source || kind() == NodeKind::gate) {
      throw RunError(fmt::format("'{}' is a {}: only transforms and sinks can run alone",
                                 planned.name, name_of(kind())));
    }
    if (at_once > 1 && kind() == NodeKind::transform && !planned.type->parallel) {
      throw RunError(fmt::format("'{}' ({}) works on one message at a time", planned.name,
                                 planned.type->name));
    }
    if (region_) region_->capacity = at_once;
    runtime_.set_region(region_);
  }

  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;
  ~Impl() {
    try {
      close();
    } catch (const std::exception& error) {
      runtime_.log(LogLevel::error, error.what());
    }
  }

  void open() {
    runtime_.node().open(runtime_);
    opened_ = true;
  }

  void close() {
    if (!std::exchange(opened_, false)) return;
    runtime_.node().draining();
    runtime_.node().close();
  }

  std::shared_ptr<MemoryPool> input_pool() { return runtime_.node().input_pool(); }

  void run(SoloWork::Input input, std::uint64_t messages) {
    const std::uint64_t begin = std::exchange(next_, next_ + messages);
    switch (kind()) {
      case NodeKind::transform: work_.process_all(input, begin, next_); break;
      case NodeKind::async_transform: work_.submit_all(input, begin, next_); break;
      default: work_.write_all(input, begin, next_); break;
    }
    if (const std::string error = control_.error(); !error.empty()) throw RunError(error);
  }

  Tally tally() const { return work_.tally(); }

 private:
  NodeKind kind() const { return runtime_.planned().type->kind; }

  RunControl control_;
  Ledger ledger_;
  RunState run_;
  std::shared_ptr<Region> region_;
  SoloWork work_;
  NodeRuntime runtime_;     // goes before `work_`, which its node may still owe answers
  std::uint64_t next_ = 0;  // messages so far
  bool opened_ = false;
};

SoloNode::SoloNode(const Plan& plan, std::size_t node, Registry& registry, int at_once)
    : impl_(std::make_unique<Impl>(plan, node, registry, at_once)) {}
SoloNode::~SoloNode() = default;
void SoloNode::open() { impl_->open(); }
std::shared_ptr<MemoryPool> SoloNode::input_pool() { return impl_->input_pool(); }
void SoloNode::run(std::span<const RecordedInput> input, std::uint64_t messages) {
  impl_->run(input, messages);
}
void SoloNode::close() { impl_->close(); }
SoloNode::Tally SoloNode::tally() const { return impl_->tally(); }

}  // namespace pnflow
