// The layers of which peaknet_program.cpp makes the network: steps of its program.

#include "gpu/cuda/cuda_check.h"
#include "gpu/peaknet_cuda/hopper_kernels.h"
#include "gpu/peaknet_cuda/peaknet_program.h"

namespace pnflow {

// No depthwise convolution has exceeded the range of its sums so far.
void PeakNetProgram::unmark_images() {
  std::size_t blocks = 0;
  for (const std::size_t depth : net_.config().depths) blocks += depth;
  const std::size_t bytes = blocks * patches_.images * sizeof(unsigned);
  exceeded_ = program_.result(bytes);
  program_.step({exceeded_}, [=, this](cudaStream_t stream) {
    check(cudaMemsetAsync(at(exceeded_), 0, bytes, stream), "cudaMemsetAsync");
  });
}

DeviceProgram::Result PeakNetProgram::padded_images() {
  const std::size_t patch = net_.config().patch_size;
  const std::size_t pixel = size_of(images_.precision);
  const std::size_t pitch = patches_.width * patch * pixel;
  const std::size_t rows = patches_.height * patch;
  const Result padded = program_.result(images_.images * rows * pitch);
  program_.step({padded}, [=, this](cudaStream_t stream) {
    check(cudaMemsetAsync(at(padded), 0, images_.images * rows * pitch, stream), "cudaMemsetAsync");
    const std::size_t row = images_.width * pixel;
    cudaMemcpy3DParms copy{};
    copy.srcPtr = {images_.values, row, row, images_.height};
    copy.dstPtr = {at(padded), pitch, pitch, rows};
    copy.extent = {row, images_.height, images_.images};
    copy.kind = cudaMemcpyDeviceToDevice;
    check(cudaMemcpy3DAsync(&copy, stream), "cudaMemcpy3DAsync");
  });
  return padded;
}

// GELU(wide(seen)) and the sums of its squares.
PeakNetProgram::Expanded PeakNetProgram::expanded(const PlacedLinear& layer,
                                                  const Activation& seen) {
  const std::size_t channels = peaknet_expansion * seen.channels;
  const PixelGrid& grid = seen.grid;
  if (hopper_ && wide_gelu_takes(seen.channels)) {
    const Activation h = activation(grid, channels);
    const std::size_t count = wide_gelu_parts(grid.of_image());
    const Result parts = float_result(grid.images * count * channels);
    program_.step({seen.values, h.values, parts}, [=, this, &layer](cudaStream_t stream) {
      wide_gelu(seen.channels, seen.grid, at(seen), layer.weight, layer.bias, at(h), floats(parts),
                stream);
    });
    return {h, parts, count};
  }
  const bool exact = precision_ == Precision::float32;  // cuBLASLt's GELU is not
  const Activation h =
      linear(layer, seen, channels, exact ? GemmEpilogue::bias : GemmEpilogue::bias_gelu);
  const std::size_t count = response_parts(grid.of_image(), channels);
  const Result parts = float_result(grid.images * count * channels);
  program_.step({h.values, parts}, [=, this](cudaStream_t stream) {
    response_sums(h.channels, h.grid, precision_, exact, at(h), floats(parts), stream);
  });
  return {h, parts, count};
}

std::pair<PeakNetProgram::Activation, PeakNetProgram::Activation> PeakNetProgram::normalised(
    const Activation& x, bool last) {
  const Activation seen = like(x);
  if (last) {
    program_.step({x.values, seen.values}, [=, this](cudaStream_t stream) {
      normalise(x.channels, x.grid, precision_, at(x), at(seen), nullptr, stream);
    });
    return {seen, {}};
  }
  const Activation cells =
      activation({x.grid.images, x.grid.height / 2, x.grid.width / 2}, 4 * x.channels);
  program_.step({x.values, seen.values, cells.values}, [=, this](cudaStream_t stream) {
    normalise(x.channels, x.grid, precision_, at(x), at(seen), at(cells), stream);
  });
  return {seen, cells};
}

PeakNetProgram::Activation PeakNetProgram::linear(const PlacedLinear& layer, const Activation& x,
                                                  std::size_t outputs, GemmEpilogue epilogue) {
  const Activation y = activation(x.grid, outputs);
  multiply({x.grid.all(), outputs, x.channels, epilogue}, x.values, nullptr, layer, y.values);
  return y;
}

PeakNetProgram::Activation PeakNetProgram::mixed_up(const PlacedNode& node, const Activation& p,
                                                    const Activation& deeper) {
  const Activation out = like(p);
  const bool at_once =
      hopper_ && bifpn_node_takes(p.channels, p.grid.of_image(), node.largest_weight);
  program_.step({p.values, deeper.values, out.values}, [=, this, &node](cudaStream_t stream) {
    const float shares[2] = {node.shares[0], node.shares[1]};
    if (at_once) {
      bifpn_node_up(shares, node.norm, deeper.grid, node.pointwise, at(p), at(deeper), at(out),
                    stream);
    } else {
      fuse_with_deeper(shares, p.channels, deeper.grid, precision_, at(p), at(deeper), at(out),
                       stream);
    }
  });
  return at_once ? out : mixed(node, out, p);
}

PeakNetProgram::Activation PeakNetProgram::mixed_down(const PlacedNode& node, const Activation& p,
                                                      const Activation& m,
                                                      const Activation& shallower) {
  const Activation out = like(p);
  const bool at_once =
      hopper_ && bifpn_node_takes(p.channels, p.grid.of_image(), node.largest_weight);
  program_.step({p.values, m.values, shallower.values, out.values},
                [=, this, &node](cudaStream_t stream) {
                  const float shares[3] = {node.shares[0], node.shares[1], node.shares[2]};
                  if (at_once) {
                    bifpn_node_down(shares, node.norm, p.grid, node.pointwise, at(p), at(m),
                                    at(shallower), at(out), stream);
                  } else {
                    fuse_with_shallower(shares, p.channels, p.grid, precision_, at(p), at(m),
                                        at(shallower), at(out), stream);
                  }
                });
  return at_once ? out : mixed(node, out, p);
}

// GELU(norm(pointwise(mean))) + p
PeakNetProgram::Activation PeakNetProgram::mixed(const PlacedNode& node, const Activation& mean,
                                                 const Activation& p) {
  const Activation y = linear({node.pointwise, nullptr}, mean, mean.channels, GemmEpilogue::none);
  program_.step({y.values, p.values}, [=, this, norm = node.norm](cudaStream_t stream) {
    norm_gelu_add(norm, y.channels, y.grid, precision_, at(y), at(p), at(y), stream);
  });
  return y;
}

PeakNetProgram::Activation PeakNetProgram::convolved(const PlacedHeadLayer& layer,
                                                     const Activation& x) {
  const Activation y = activation(x.grid, net_.config().head_features);
  Convolution& convolution = libraries_.convolution({x.grid, x.channels, y.channels, precision_});
  const auto operands = [=, this, conv = layer.conv] {
    return ConvolutionOperands{at(x), conv.weight, conv.bias, at(y)};
  };
  program_.step(
      {x.values, y.values},
      [=, this, &convolution](cudaStream_t stream) {
        libraries_.run(convolution, operands(), stream);
      },
      [=, this, &convolution](cudaStream_t stream) {
        libraries_.choose(convolution, operands(), stream);
      });
  return y;
}

// With the weight of the layer, or one that has been made of it.
void PeakNetProgram::multiply(const GemmShape& wanted, Result x, const Result* made_weight,
                              const PlacedLinear& layer, Result out) {
  GemmShape shape = wanted;
  shape.precision = precision_;
  Gemm& product = libraries_.product(shape);
  const bool made = made_weight != nullptr;
  const Result weight = made ? *made_weight : x;
  const auto operands = [=, this] {
    return GemmOperands{at(x), made ? at(weight) : layer.weight, layer.bias, at(out)};
  };
  program_.step(
      {x, weight, out},
      [=, this, &product](cudaStream_t stream) { libraries_.run(product, operands(), stream); },
      [=, this, &product](cudaStream_t stream) { libraries_.choose(product, operands(), stream); });
}

PeakNetProgram::Activation PeakNetProgram::activation(const PixelGrid& grid, std::size_t channels) {
  return {program_.result(grid.all() * channels * size_of(precision_)), grid, channels};
}

void PeakNetProgram::tell(const std::string& part, const Activation& x) {
  if (!watch_) return;
  program_.step({x.values}, [=, this](cudaStream_t stream) {
    check(cudaStreamSynchronize(stream), "cudaStreamSynchronize");
    watch_(part, at(x), x.grid, x.channels);
  });
}

}  // namespace pnflow
