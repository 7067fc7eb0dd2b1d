#include "gpu/peaknet/peaknet_weights.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <span>
#include <string>

#include "gpu/peaknet/safetensors.h"
#include "graph/error.h"

using namespace pnflow;

namespace {

// The sizes of scripts/peaknet.py.
const PeakNetConfig tiny{{16, 32, 64, 128}, {1, 1, 2, 1}, 2, 32, 64, true, 4};
const PeakNetConfig small{{16, 32, 64, 128}, {2, 2, 2, 2}, 1, 32, 32, true, 2};
const PeakNetConfig base{{96, 192, 384, 768}, {3, 3, 9, 3}, 2, 256, 256, false, 4};
const PeakNetConfig large{{352, 704, 1408, 2816}, {3, 3, 27, 3}, 4, 512, 256, true, 4};

// Shapes without values.
StateDict state_of(const PeakNetConfig& config) {
  StateDict state;
  for (const PeakNetTensor& tensor : tensors_of(config)) {
    const WeightType type = tensor.boolean ? WeightType::boolean : WeightType::f32;
    add_tensor(state, tensor.name, {type, tensor.shape, {}}, "made.pt");
  }
  return state;
}

void check_fault(const StateDict& state, const std::string& text) {
  CAPTURE(text);
  CHECK_THROWS_WITH_AS(peaknet_weights(state, "made.pt"), doctest::Contains(text.c_str()),
                       RunError);
}

std::size_t faults_of(const StateDict& state) {
  try {
    peaknet_weights(state, "made.pt");
  } catch (const RunError& error) {
    const std::string text = error.what();
    return static_cast<std::size_t>(std::ranges::count(text, '\n'));
  }
  return 0;
}

}  // namespace

TEST_CASE("the configuration of every size follows from its tensors' shapes") {
  for (const PeakNetConfig& config : {tiny, small, base, large}) {
    CAPTURE(to_string(config));
    CHECK(peaknet_weights(state_of(config), "made.pt").config == config);
  }
  CHECK(parameters_of(base) / 10'000 == 3316);
  CHECK(parameters_of(large) / 10'000 == 67301);
  CHECK(base.stride() == 32);
  CHECK(small.stride() == 16);
  CHECK(
      to_string(small) ==
      "16, 32, 64, 128 channels in 2, 2, 2, 2 blocks, 1 BiFPN block of 32, heads of 32, patches of "
      "2x2, learned upsampling");
}

TEST_CASE("other channels, depths and patches are deduced too") {
  const PeakNetConfig odd{{5, 3, 40, 7}, {1, 12, 1, 4}, 11, 9, 96, false, 3};
  CHECK(peaknet_weights(state_of(odd), "made.pt").config == odd);
}

TEST_CASE("the shipped network is one of size small, and its tensors are in their order") {
  const auto weights = peaknet_weights(
      read_safetensors(PNFLOW_TEST_DATA "/../../models/peaknet_small.safetensors"), "small");
  CHECK(weights.config == small);
  const auto tensors = tensors_of(small);
  CHECK(tensors.size() == weights.tensors.size());
  CHECK(tensors.front() ==
        PeakNetTensor{"backbone.embeddings.patch_embeddings.weight", {16, 1, 2, 2}});
  CHECK(tensors.back() == PeakNetTensor{"head_upsample_layer.0.bias", {2}});
  CHECK(floats_of(weights["backbone.embeddings.layernorm.weight"]).size() == 16);
}

TEST_CASE("each tensor that is missing is named, whichever it is") {
  const StateDict whole = state_of(tiny);
  for (const auto& [name, tensor] : whole) {
    StateDict state = whole;
    state.erase(name);
    CAPTURE(name);
    CHECK(faults_of(state) == 1);
    check_fault(state, "missing: " + name + ", " + to_string(tensor.shape));
  }
}

TEST_CASE("each tensor of another shape is named with both, whichever it is") {
  const StateDict whole = state_of(tiny);
  for (const auto& [name, tensor] : whole) {
    StateDict state = whole;
    Shape& shape = state.at(name).shape;
    for (std::size_t axis = 0; axis < shape.size(); ++axis) {
      shape = tensor.shape;
      shape[axis] += 1;
      CAPTURE(name);
      CAPTURE(axis);
      CHECK(faults_of(state) == 1);
      check_fault(state, name + " is " + to_string(shape) + ", and " + to_string(tensor.shape));
    }
    shape.push_back(1);
    CHECK(faults_of(state) >= 1);
  }
}

TEST_CASE("what is superfluous is named") {
  StateDict state = state_of(base);
  state["head_segmask.scale"] = {WeightType::f32, {7, 2}, {}};
  check_fault(state, "superfluous: head_segmask.scale, 7x2");
  CHECK(faults_of(state) == 1);
  state = state_of(base);
  state["bifpn.blocks.99999999999999999999.w_m"] = {WeightType::f32, {}, {}};
  check_fault(state, "superfluous: bifpn.blocks.99999999999999999999.w_m, scalar");
}

TEST_CASE("a block that is missing as a whole is missed tensor by tensor") {
  StateDict state = state_of(base);
  std::erase_if(state, [](const auto& entry) {
    return entry.first.starts_with("backbone.encoder.stages.2.layers.4.");
  });
  CHECK(faults_of(state) == 10);
  check_fault(state, "missing: backbone.encoder.stages.2.layers.4.grn.weight, 1x1x1x1536");
}

TEST_CASE("a type that weights cannot have is named") {
  StateDict state = state_of(tiny);
  for (const WeightType type : {WeightType::f16, WeightType::bf16, WeightType::f64}) {
    state.at("head_segmask.bias").type = type;
    CHECK(faults_of(state) == 0);
  }
  state.at("head_segmask.bias").type = WeightType::i32;
  check_fault(state, "head_segmask.bias is of I32, and F32, F16, BF16 or F64 is expected");
  state = state_of(tiny);
  state.at("bifpn.blocks.1.w_q_mask").type = WeightType::f32;
  check_fault(state, "bifpn.blocks.1.w_q_mask is of F32, and BOOL is expected");
}

TEST_CASE("a tensor with a value that is not finite is named") {
  StateDict state = state_of(tiny);
  for (const float odd : {NAN, INFINITY, -INFINITY}) {
    const std::array values{0.0F, odd};
    state.at("head_segmask.bias").bytes = std::as_bytes(std::span(values));
    check_fault(state, "head_segmask.bias has values that are NaN or infinite");
    CHECK(faults_of(state) == 1);
  }
  const std::array most{3e38F, -3e38F};
  state.at("head_segmask.bias").bytes = std::as_bytes(std::span(most));
  CHECK(faults_of(state) == 0);
}

TEST_CASE("what is no PeakNet is said to be none") {
  check_fault({}, "'made.pt' has no weights of a PeakNet: nothing tells the channels of stage 0");
  StateDict state = state_of(small);
  for (auto& [name, tensor] : state) {
    if (name.starts_with("seg_lateral_layers.") || name.starts_with("head_")) {
      std::ranges::replace(tensor.shape, std::size_t{32}, std::size_t{48});
    }
  }
  check_fault(state, "48 channels of the heads, which must be a multiple of 32");
  state = state_of(small);
  for (auto& [name, tensor] : state) {
    std::ranges::replace(tensor.shape, std::size_t{128}, std::size_t{1} << 60U);
  }
  check_fault(state, "1152921504606846976 channels of stage 3, and at most 16384 are possible");
}

TEST_CASE("many faults are counted after the first of them") {
  StateDict state = state_of(base);
  std::erase_if(state, [](const auto& entry) { return entry.first.ends_with(".bias"); });
  CHECK(faults_of(state) == 41);
  check_fault(state, " more");
}
