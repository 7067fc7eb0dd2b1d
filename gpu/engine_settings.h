#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "gpu/map_geometry.h"

namespace pnflow {

class Trace;

// What becomes of pixel values before a network sees them.
//   none             they enter as they are
//   instance         (x - mean) / sqrt(variance + eps) over the good pixels of each image, before
//                    padding; padding enters as 0
//   instance_padded  the same over the padded image, its zeros included: what LCLStreamer's
//                    PeakNet pipeline does and its published models were trained with
//   photons          x / adu_per_photon: a network that knows what a photon is sees how significant
//                    a spot is whatever else is in the image
//   anscombe         anscombe(x / adu_per_photon), see gpu/anscombe.h: so that it also has the same
//                    noise to look through whatever the background; the shipped network's
enum class Normalize : std::uint8_t { none, instance, instance_padded, photons, anscombe };

// What these take.
struct NormalizeSettings {
  double eps = 1e-5;
  double adu_per_photon = 1;
};

// Whether it depends on what else is in the image.
constexpr bool needs_statistics(Normalize normalize) {
  return normalize == Normalize::instance || normalize == Normalize::instance_padded;
}

// Whether it is made of photons, for which it must know adu_per_photon.
constexpr bool counts_photons(Normalize normalize) {
  return normalize == Normalize::photons || normalize == Normalize::anscombe;
}

// The arithmetic in which a network runs: the type of its input, weights and activations. float32
// is the real one, without TF32.
enum class Precision : std::uint8_t { float32, bfloat16, float16 };

// Whether the work of a network on a GPU becomes CUDA graphs, one for each size of micro-batch,
// each launched as a whole. automatic: where it can, its work being the same for all images.
enum class CudaGraph : std::uint8_t { automatic, off };

// As a graph and a model's file name it.
constexpr const char* name_of(Precision precision) {
  switch (precision) {
    case Precision::float32: return "float32";
    case Precision::bfloat16: return "bfloat16";
    case Precision::float16: break;
  }
  return "float16";
}

// Bytes of a value.
constexpr std::size_t size_of(Precision precision) {
  return precision == Precision::float32 ? 4 : 2;
}

// The peak finder without a network; gpu/threshold.h says what each of these means. The defaults
// suit images with some 10 ADU to the photon.
struct ThresholdSettings {
  int radius = 7;             // pixels, 1 to 15
  double clip = 4;            // standard deviations
  double min_sigma = 4;       // ADU
  double snr = 7;             // standard deviations
  double min_intensity = 90;  // ADU
  double max_share = 0.8;
  double grow_snr = 2;  // standard deviations
  double grow_adu = 8;  // ADU
  int min_pixels = 3;   // 1 to 9
};

// Everything that an engine is asked for when it is made.
struct EngineSettings {
  std::string name;     // of the engine, for messages
  std::string weights;  // the model's file; empty: none
  Precision precision = Precision::float32;
  // GPUs, by index, one pipeline on each; an index may be there more than once. Empty: the CPU.
  std::vector<int> devices;
  int buffers = 2;  // sets of buffers of a pipeline: its micro-batches in flight
  CudaGraph cuda_graph = CudaGraph::automatic;
  int instances = 1;              // engines to make on the CPU
  int threads = 1;                // that one of these may compute with
  std::size_t batch_size = 1;     // images in a micro-batch, at most
  std::optional<MapPadding> pad;  // the size of all maps; nothing: each has its images' size
  NormalizeSettings normalize;
  MapFormat output = MapFormat::bits;
  bool logits = false;
  ThresholdSettings threshold;
  std::string node;        // whose tracks a trace shows
  Trace* trace = nullptr;  // of the run, stays until the engines have gone; nullptr: none is wanted
  // One line for the log, thread-safe; never empty.
  std::function<void(const std::string& line)> log = [](const std::string&) {};
};

}  // namespace pnflow
