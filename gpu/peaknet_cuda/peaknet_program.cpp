#include "gpu/peaknet_cuda/peaknet_program.h"

#include <fmt/format.h>

#include "gpu/peaknet_cuda/hopper_kernels.h"

namespace pnflow {

PeakNetProgram::PeakNetProgram(const PlacedPeakNet& net, LibraryOperations& libraries,
                               const DeviceImages& images, DepthwiseSums sums, Watch watch)
    : net_(net),
      parts_(net.parts()),
      precision_(net.precision()),
      hopper_(precision_ == Precision::bfloat16 && runs_hopper_kernels()),
      libraries_(libraries),
      images_(images),
      sums_(sums),
      watch_(std::move(watch)) {
  const auto whole = [stride = net.config().stride()](std::size_t pixels) {
    return (pixels + stride - 1) / stride * stride;
  };
  const std::size_t patch = net.config().patch_size;
  patches_ = {images.images, whole(images.height) / patch, whole(images.width) / patch};
  record();
  plan_ = program_.plan();
}

void PeakNetProgram::run(const void* images, cudaStream_t stream) {
  images_.values = const_cast<void*>(images);
  program_.run(stream);
}

LevelScores PeakNetProgram::scores() const {
  return {floats(scores_[0]), {floats(scores_[1]), floats(scores_[2]), floats(scores_[3])}};
}

// ---------------------------------------------------------------- the network

void PeakNetProgram::record() {
  unmark_images();
  Levels levels;
  Activation x = embeddings();
  tell("backbone.embeddings", x);
  for (std::size_t s = 0; s < peaknet_levels; ++s) {
    const PlacedBackboneStage& stage = parts_.stages[s];
    for (std::size_t b = 0; b < stage.blocks.size(); ++b) {
      convnext(stage.blocks[b], x);
      tell(fmt::format("backbone.encoder.stages.{}.layers.{}", s, b), x);
    }
    const bool last = s + 1 == peaknet_levels;
    const auto [seen, cells] = normalised(x, last);
    levels[s] = linear(stage.adapter, seen, net_.config().features);
    tell(fmt::format("backbone_to_bifpn.{}", s), levels[s]);
    if (last) break;
    x = linear(*parts_.stages[s + 1].downsampling, cells, net_.config().hidden_sizes[s + 1]);
  }
  for (std::size_t b = 0; b < parts_.bifpn.size(); ++b) {
    levels = bifpn(parts_.bifpn[b], levels);
    for (std::size_t l = 0; l < peaknet_levels; ++l) {
      tell(fmt::format("bifpn.blocks.{}.{}", b, l), levels[l]);
    }
  }
  for (std::size_t l = 0; l < peaknet_levels; ++l) {
    scores_[l] = head(l, levels[l]);
    program_.keep(scores_[l]);
  }
  merged_ = float_result(patches_.all() * net_.scores());
  program_.keep(merged_);
}

PeakNetProgram::Activation PeakNetProgram::embeddings() {
  const Activation x = activation(patches_, net_.config().hidden_sizes[0]);
  const auto embed = [this, x](const void* images, cudaStream_t stream) {
    stem(parts_.embeddings, patches_, images, images_.precision, precision_, at(x), stream);
  };
  const std::size_t patch = net_.config().patch_size;
  if (images_.height == patches_.height * patch && images_.width == patches_.width * patch) {
    program_.step({x.values}, [=, this](cudaStream_t stream) { embed(images_.values, stream); });
  } else {
    const Result padded = padded_images();
    program_.step({padded, x.values},
                  [=, this](cudaStream_t stream) { embed(at(padded), stream); });
  }
  return x;
}

// x += narrow(response norm(GELU(wide(norm(depthwise(x))))))
void PeakNetProgram::convnext(const PlacedBlock& block, const Activation& x) {
  const Activation seen = like(x);
  const std::size_t first_mark = marks_ * x.grid.images;
  ++marks_;
  program_.step({x.values, seen.values, exceeded_}, [=, this, &block](cudaStream_t stream) {
    auto* const exceeded = reinterpret_cast<unsigned*>(at(exceeded_)) + first_mark;
    depthwise_norm(block.depthwise, x.channels, x.grid, sums_, exceeded, precision_, at(x),
                   at(seen), stream);
  });
  const auto [wide, parts, count] = expanded(block.wide, seen);
  const Result responses = float_result(x.grid.images * wide.channels);
  const Result narrow =
      program_.result(x.grid.images * x.channels * wide.channels * size_of(precision_));
  program_.step({parts, responses, narrow}, [=, this, &block, channels = wide.channels,
                                             parts = parts, count = count](cudaStream_t stream) {
    fold_responses(channels, x.channels, x.grid.images, precision_, floats(parts), count,
                   block.response_weight, block.narrow.weight, floats(responses), at(narrow),
                   stream);
  });
  GemmShape shape{x.grid.of_image(), x.channels, wide.channels, GemmEpilogue::bias};
  shape.add = true;
  shape.batch = x.grid.images;
  multiply(shape, wide.values, &narrow, block.narrow, x.values);
}

PeakNetProgram::Levels PeakNetProgram::bifpn(const PlacedBiFpnBlock& block, const Levels& p) {
  Levels m = p;
  for (std::size_t l = 3; l-- > 0;) m[l] = mixed_up(block.m[l], p[l], m[l + 1]);
  Levels q = m;
  for (std::size_t l = 1; l < peaknet_levels; ++l) {
    q[l] = mixed_down(block.q[l - 1], p[l], m[l], q[l - 1]);
  }
  return q;
}

// Level 0's scores, or those of a deeper level at the resolution of level 1.
DeviceProgram::Result PeakNetProgram::head(std::size_t level, Activation x) {
  const auto& layers = parts_.heads[level];
  for (std::size_t i = 0;; ++i) {
    const Activation seen = convolved(layers[i], x);
    const Result affine = float_result(seen.grid.images * seen.channels * 2);
    const Result sums = float_result(
        seen.grid.images * group_parts(seen.grid.of_image(), seen.channels) * seen.channels * 2);
    program_.step({seen.values, sums, affine},
                  [=, this, norm = layers[i].norm](cudaStream_t stream) {
                    group_norm_affine(norm, seen.channels, seen.grid, precision_, at(seen),
                                      floats(sums), floats(affine), stream);
                  });
    if (i + 1 == layers.size()) {
      const Result scores = float_result(seen.grid.all() * net_.scores());
      program_.step({seen.values, affine, scores}, [=, this](cudaStream_t stream) {
        gelu_scores(floats(affine), seen.channels, net_.scores(), parts_.score_weight, seen.grid,
                    precision_, at(seen), floats(scores), stream);
      });
      return scores;
    }
    x = activation({seen.grid.images, 2 * seen.grid.height, 2 * seen.grid.width}, seen.channels);
    program_.step({seen.values, affine, x.values}, [=, this](cudaStream_t stream) {
      gelu_up(floats(affine), seen.channels, seen.grid, precision_, at(seen), at(x), stream);
    });
  }
}

}  // namespace pnflow
