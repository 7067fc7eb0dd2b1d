#pragma once

#include <atomic>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "gpu/engine.h"
#include "graph/batch.h"
#include "graph/context.h"
#include "graph/memory.h"
#include "graph/node.h"

namespace pnflow {

// What all images of a micro-batch have in common.
struct MicroBatchKey {
  DType dtype{};
  std::size_t height = 0;
  std::size_t width = 0;
  Normalize normalize{};
  friend auto operator<=>(const MicroBatchKey&, const MicroBatchKey&) = default;
};

// One message on its way through an engine: its images, each a panel of a living event, the memory
// of their results, and the answer owed for it. image() and settle() may be called from any thread,
// each image being settled once.
class InferMessage {
 public:
  struct Options {
    std::optional<MapPadding> pad;
    std::optional<MapCrop> crop;
    Normalize normalize = Normalize::instance;
    MapFormat output = MapFormat::bits;
    bool logits = false;
    std::optional<Array> mask;  // as load_mask() gives it; empty: the message's own, if it has one
    std::shared_ptr<MemoryPool> results;  // where results go; nullptr: the node's usual memory
  };
  // Why an image has no result: a reason for the ledger and a detail for the log.
  struct Failure {
    std::string reason;
    std::string detail;
  };

  // Takes the batch's field "image", (B,H,W) or (B,C,H,W). Throws DataError: no such field, a shape
  // that does not fit the mask, the crop or the padding.
  InferMessage(Batch batch, const Context& context, const Options& options);

  const MicroBatchKey& key() const { return key_; }
  const MapGeometry& geometry() const { return geometry_; }
  // Images to run: none of events that are not alive.
  std::size_t images() const { return living_.size() * panels_; }
  std::size_t images_per_event() const { return panels_; }
  // Bytes of each array that it has allocated for its results.
  std::vector<std::size_t> result_bytes();
  EngineImage image(std::size_t index);

  void owe(Completion completion) { completion_.emplace(std::move(completion)); }
  // Image `index` is done; true when no other is left, which is for answer() then.
  bool settle(std::size_t index, const Failure* failure);
  // The batch with the results. Events with a failed image, or with one for which the network has
  // given logits that are not finite, have failed, and an empty map.
  void answer();

 private:
  struct Failed {
    std::size_t event;
    Failure failure;
  };
  void choose_mask(const Options& options);
  void allocate(const Context& context, const Options& options);
  void clear_results(std::size_t event);
  void fail_not_finite();

  Batch batch_;
  Array image_;
  std::optional<Array> mask_;  // (C,H,W)
  bool own_mask_ = false;      // it is not the batch's yet
  MicroBatchKey key_;
  MapGeometry geometry_;
  std::size_t panels_ = 1;
  std::vector<std::size_t> living_;  // events
  std::optional<MutableArray> segmap_, logits_;
  std::vector<std::uint8_t> not_finite_;  // of each image, whether its logits are not
  std::optional<Completion> completion_;
  std::atomic<std::size_t> unsettled_;
  std::mutex mutex_;
  std::vector<Failed> failed_;
};

}  // namespace pnflow
