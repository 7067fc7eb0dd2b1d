#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "gpu/engine.h"
#include "graph/node.h"
#include "graph/spec.h"
#include "nodes/infer_message.h"
#include "nodes/micro_batcher.h"

namespace pnflow {

// Runs a model over the images of messages. Micro-batches span messages in here only: a message is
// answered when its last image is back. Each instance of the engine has a thread that feeds it.
class Infer : public AsyncTransform {
 public:
  struct Params {
    std::string engine = {};
    std::string weights = {};
    Precision precision = Precision::float32;
    std::size_t batch_size = 1;
    Duration max_wait = std::chrono::milliseconds(20);
    int instances = 1;
    int threads = 1;
    std::optional<MapPadding> pad = {};
    Normalize normalize = Normalize::instance;
    double normalize_eps = 1e-5;
    MapFormat output = MapFormat::bits;
    bool logits = false;
    std::string mask = {};
    std::string mask_dataset = {};
    ThresholdSettings threshold = {};
  };
  static void describe(Spec<Params>& spec);

  explicit Infer(Params params);
  ~Infer() override;
  // Throws RunError: what EngineFactory::make() and load_mask() throw, a module that is not there.
  void open(OpenContext& context) override;
  void submit(Batch batch, Completion completion) override;
  void draining() override;
  void close() override;
  std::shared_ptr<MemoryPool> input_pool() override;

 private:
  void make_engines(OpenContext& context);
  void feed(InferenceEngine& engine);
  void settle(const Launch& launch, const InferMessage::Failure* failure);
  void look_at_first(const InferMessage& message, std::size_t events, bool normalized);

  Params params_;
  InferMessage::Options options_;
  NodeServices* services_ = nullptr;
  std::shared_ptr<const Region> region_;
  std::vector<std::unique_ptr<InferenceEngine>> engines_;
  std::unique_ptr<MicroBatcher> batcher_;
  std::vector<std::jthread> feeders_;  // one for each engine
  std::atomic<bool> seen_first_ = false;
  std::atomic<bool> seen_normalized_ = false;
};

}  // namespace pnflow
