#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "gpu/engine.h"
#include "graph/node.h"
#include "graph/spec.h"
#include "nodes/device_list.h"
#include "nodes/infer_message.h"
#include "nodes/micro_batcher.h"

namespace pnflow {

// Runs a model over the images of messages. Micro-batches span messages in here only: a message is
// answered when its last image is back. Each instance of the engine has a thread that feeds it.
class Infer : public AsyncTransform {
 public:
  // What follows when a GPU fails, beside the loss of what was on it.
  enum class OnDeviceError : std::uint8_t { stop, go_on };
  struct Params {
    std::string engine = {};
    std::string weights = {};
    Precision precision = Precision::float32;
    DeviceList devices = {};
    int buffers = 2;
    CudaGraph cuda_graph = CudaGraph::automatic;
    OnDeviceError on_device_error = OnDeviceError::stop;
    std::size_t batch_size = 1;
    Duration max_wait = std::chrono::milliseconds(20);
    int instances = 1;
    int threads = 1;
    std::optional<MapCrop> crop = {};
    std::optional<MapPadding> pad = {};
    Normalize normalize = Normalize::instance;
    double normalize_eps = 1e-5;
    std::optional<double> adu_per_photon = {};
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
  std::vector<Figure> figures() override;

 private:
  // The size of the maps, where it is known before images come.
  std::optional<MapPadding> map_size() const;
  EngineSettings engine_settings(const OpenContext& context) const;
  void start_feeders();
  void feed(InferenceEngine& engine);
  void give_up(const InferenceEngine& engine, const std::string& error);
  void settle(const Launch& launch, const InferMessage::Failure* failure);
  void reserve_results(InferMessage& message);
  void look_at_first(const InferMessage& message, std::size_t events, bool normalized);

  Params params_;
  InferMessage::Options options_;
  NodeServices* services_ = nullptr;
  std::shared_ptr<const Region> region_;
  int window_ = 0;
  std::vector<std::unique_ptr<InferenceEngine>> engines_;
  std::unique_ptr<MicroBatcher> batcher_;
  std::vector<std::jthread> feeders_;  // one for each engine
  std::mutex reserved_mutex_;
  std::set<std::size_t> reserved_;  // bytes of results
  std::mutex lost_mutex_;
  std::set<const InferenceEngine*> lost_;
  std::atomic<int> engines_left_ = 0;
  std::atomic<bool> seen_first_ = false;
  std::atomic<bool> seen_normalized_ = false;
};

}  // namespace pnflow
