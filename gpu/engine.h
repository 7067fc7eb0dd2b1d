#pragma once

#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "gpu/engine_settings.h"
#include "gpu/map_geometry.h"
#include "gpu/pipeline_figures.h"
#include "graph/dtype.h"
#include "graph/memory.h"

namespace pnflow {

// One image of a micro-batch: where its raw pixels are, and where its results go. The memory
// belongs to whoever launches the micro-batch and stays until that is done.
struct EngineImage {
  // height rows of width elements of the micro-batch's dtype, geometry.stride elements apart
  const std::byte* pixels = nullptr;
  const std::uint8_t* bad = nullptr;  // likewise, bytes, not 0 = bad; nullptr: none is
  std::byte* map = nullptr;           // MapGeometry::map_bytes() bytes, 8-byte aligned
  float* logits = nullptr;            // 2 x map_height x map_width, or nullptr: not wanted
  // Set to 1 where the network's logits are not all finite: the map then says nothing. Else left
  // alone. nullptr: not wanted.
  std::uint8_t* not_finite = nullptr;
  // What `bad` points into. An engine that keeps a copy of the mask keeps this too, so that as long
  // as it has the copy nothing else can be at that address.
  std::shared_ptr<const std::byte> bad_storage = {};
};

// The images of one launch: one dtype, one shape, one way to normalise.
struct MicroBatch {
  DType dtype = DType::u16;
  MapGeometry geometry;
  Normalize normalize = Normalize::none;
  std::vector<EngineImage> images;  // 1 to EngineSettings::batch_size
};

// One instance of a model on one device, with the whole stage around it: raw pixels go in, in the
// dtype in which they arrived; masking, padding, normalisation, the network, the decision between
// its classes and the packing of the map are the engine's, so that an engine on a device does them
// there. Made on the main thread; warm_up() and launch() are called by one other thread.
class InferenceEngine {
 public:
  // Called exactly once for each micro-batch, from any thread: with nullptr, all results being in
  // place, or with the error that left all of them undefined.
  using Done = std::function<void(std::exception_ptr error)>;

  InferenceEngine() = default;
  InferenceEngine(const InferenceEngine&) = delete;
  InferenceEngine& operator=(const InferenceEngine&) = delete;
  // Not before every launched micro-batch is done.
  virtual ~InferenceEngine();

  // Micro-batches that may be in flight at once: the sets of buffers of a device's pipeline. An
  // engine with one of them may run the micro-batch inside launch().
  virtual int buffers() const { return 1; }

  // Memory from which this engine takes pixels, and to which it brings results, fastest; nullptr:
  // any. Thread-safe.
  virtual std::shared_ptr<MemoryPool> pool() { return nullptr; }

  // True once nothing can be launched any more, its device having failed: whatever is launched is
  // done with the same error. Thread-safe.
  virtual bool lost() const { return false; }

  // What it has measured of itself; nothing: it does not. Thread-safe.
  virtual std::optional<PipelineFigures> figures() const { return {}; }

  // Does once what would make the first micro-batches slow, with images of the size that all will
  // have, where that is known. Called before launch(), by the thread that will call it: libraries
  // under a network keep what they have found out by thread, and an engine may bind the thread to
  // CPUs near its device. Throws RunError: the model does not fit such images, or the device has
  // too little memory for them.
  virtual void warm_up() {}

  // Takes the micro-batch; `batch` stays valid until `done` is called. Must not throw: what goes
  // wrong goes to `done`.
  virtual void launch(const MicroBatch& batch, Done done) = 0;
};

// An engine whose work is a function of the micro-batch on the calling thread.
class BlockingEngine : public InferenceEngine {
 public:
  void launch(const MicroBatch& batch, Done done) final;

 protected:
  // Fills the results of all images. An exception is the micro-batch's error.
  virtual void run(const MicroBatch& batch) = 0;
};

// Makes engines of one kind. Offered in a Registry as `engine_interface` under the engine's name,
// by pnflow itself and by its modules.
class EngineFactory {
 public:
  virtual ~EngineFactory();
  // settings.instances engines, which may share what they only read (a model's weights). Runs on
  // the main thread before any data come. Throws RunError: no such file, a model that does not
  // fit the settings (both sides are said), no such device.
  virtual std::vector<std::unique_ptr<InferenceEngine>> make(
      const EngineSettings& settings) const = 0;
};

inline constexpr std::string_view engine_interface = "pnflow.engine/2";

}  // namespace pnflow
