#include "gpu/peaknet/peaknet_weights.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <set>
#include <string_view>
#include <utility>

#include "graph/error.h"

namespace pnflow {

namespace {

constexpr std::size_t most_faults = 40;       // that are listed
constexpr std::size_t most_blocks = 256;      // in a row
constexpr std::size_t most_channels = 16384;  // of anything
constexpr std::size_t largest_patch = 64;     // pixels a side

// A tensor one of whose extents tells a size.
struct Witness {
  std::string name;
  std::size_t axis = 0;
  std::size_t more = 0;  // the extent is larger by this
};

class Deduction {
 public:
  Deduction(const StateDict& state, const std::string& file) : state_(state), file_(file) {}

  PeakNetConfig config() const {
    PeakNetConfig config;
    for (std::size_t s = 0; s < peaknet_levels; ++s) {
      const std::string number = std::to_string(s);
      const std::string stage = "backbone.encoder.stages." + number + ".layers.";
      const std::string norm = "backbone.hidden_states_norms.stage" + std::to_string(s + 1);
      config.hidden_sizes[s] = size(fmt::format("channels of stage {}", s), most_channels,
                                    {{norm + ".weight", 0},
                                     {norm + ".bias", 0},
                                     {stage + "0.dwconv.weight", 0},
                                     {stage + "0.pwconv2.bias", 0},
                                     {"backbone_to_bifpn." + number + ".weight", 1}});
      config.depths[s] = count(stage);
    }
    config.bifpn_blocks = count("bifpn.blocks.");
    config.features = size("channels of the BiFPN blocks", most_channels,
                           {{"backbone_to_bifpn.0.bias", 0},
                            {"backbone_to_bifpn.1.bias", 0},
                            {"backbone_to_bifpn.2.weight", 0},
                            {"bifpn.blocks.0.conv.m2.1.weight", 0},
                            {"seg_lateral_layers.0.layers.0.0.weight", 1}});
    config.head_features = size("channels of the heads", most_channels,
                                {{"seg_lateral_layers.0.layers.0.1.weight", 0},
                                 {"seg_lateral_layers.1.layers.0.1.bias", 0},
                                 {"seg_lateral_layers.2.layers.0.0.bias", 0},
                                 {"head_segmask.weight", 1}});
    if (config.head_features % peaknet_groups != 0) {
      refuse(fmt::format("{} channels of the heads, which must be a multiple of {}",
                         config.head_features, peaknet_groups));
    }
    config.patch_size = size("pixels a side of the patches", largest_patch,
                             {{"backbone.embeddings.patch_embeddings.weight", 2},
                              {"backbone.embeddings.patch_embeddings.weight", 3},
                              {"head_upsample_layer.0.weight", 2, 2}});
    config.learned_upsampling = state_.contains("head_upsample_layer.0.weight") ||
                                state_.contains("head_upsample_layer.0.bias");
    return config;
  }

 private:
  [[noreturn]] void refuse(const std::string& what) const {
    throw RunError(fmt::format("'{}' has no weights of a PeakNet: {}", file_, what));
  }

  // The extent for which most witnesses speak; the first of several such.
  std::size_t size(const std::string& what, std::size_t largest,
                   const std::vector<Witness>& witnesses) const {
    std::vector<std::size_t> votes;
    for (const Witness& witness : witnesses) {
      const auto found = state_.find(witness.name);
      if (found == state_.end() || found->second.shape.size() <= witness.axis) continue;
      const std::size_t extent = found->second.shape[witness.axis];
      if (extent > witness.more) votes.push_back(extent - witness.more);
    }
    if (votes.empty()) {
      refuse(fmt::format("nothing tells the {}: there is no '{}', for example", what,
                         witnesses.front().name));
    }
    const std::size_t most = *std::ranges::max_element(
        votes, {}, [&](std::size_t vote) { return std::ranges::count(votes, vote); });
    if (most > largest)
      refuse(fmt::format("{} {}, and at most {} are possible", most, what, largest));
    return most;
  }

  // One more than the largest number that follows `prefix` in a name; at least 1, since no part of
  // a PeakNet is without blocks.
  std::size_t count(const std::string& prefix) const {
    std::size_t count = 1;
    for (auto entry = state_.lower_bound(prefix);
         entry != state_.end() && entry->first.starts_with(prefix); ++entry) {
      const char* const end = entry->first.data() + entry->first.size();
      std::size_t number = 0;
      const auto [rest, error] = std::from_chars(entry->first.data() + prefix.size(), end, number);
      if (error != std::errc() || rest == end || *rest != '.') continue;
      if (number < most_blocks) count = std::max(count, number + 1);
    }
    return count;
  }

  const StateDict& state_;
  const std::string& file_;
};

bool is_number(WeightType type) {
  return type == WeightType::f32 || type == WeightType::f16 || type == WeightType::bf16 ||
         type == WeightType::f64;
}

std::string fault_of(const PeakNetTensor& wanted, const StateDict& state) {
  const auto found = state.find(wanted.name);
  if (found == state.end()) {
    return fmt::format("missing: {}, {}", wanted.name, to_string(wanted.shape));
  }
  const WeightTensor& tensor = found->second;
  if (tensor.shape != wanted.shape) {
    return fmt::format("{} is {}, and {} is expected", wanted.name, to_string(tensor.shape),
                       to_string(wanted.shape));
  }
  if (wanted.boolean ? tensor.type != WeightType::boolean : !is_number(tensor.type)) {
    return fmt::format("{} is of {}, and {} is expected", wanted.name, name_of(tensor.type),
                       wanted.boolean ? "BOOL" : "F32, F16, BF16 or F64");
  }
  // What a training leaves that has gone astray.
  if (!all_finite(tensor)) {
    return fmt::format("{} has values that are NaN or infinite", wanted.name);
  }
  return {};
}

}  // namespace

std::vector<PeakNetTensor> tensors_of(const PeakNetConfig& config) {
  std::vector<PeakNetTensor> tensors;
  make_peaknet(config, [&](PeakNetTensor tensor) {
    tensors.push_back(std::move(tensor));
    return 0;
  });
  return tensors;
}

PeakNetConfig deduce_peaknet(const StateDict& state, const std::string& file) {
  return Deduction(state, file).config();
}

PeakNetWeights peaknet_weights(StateDict state, const std::string& file) {
  const PeakNetConfig config = deduce_peaknet(state, file);
  std::vector<std::string> faults;
  std::set<std::string, std::less<>> known;
  for (const PeakNetTensor& wanted : tensors_of(config)) {
    known.insert(wanted.name);
    if (auto fault = fault_of(wanted, state); !fault.empty()) faults.push_back(std::move(fault));
  }
  for (const auto& [name, tensor] : state) {
    if (known.contains(name)) continue;
    faults.push_back(fmt::format("superfluous: {}, {}", name, to_string(tensor.shape)));
  }
  if (faults.empty()) return {config, std::move(state)};
  std::string text = fmt::format("'{}' does not fit a PeakNet with {}:", file, to_string(config));
  for (std::size_t i = 0; i < std::min(faults.size(), most_faults); ++i) text += "\n  " + faults[i];
  if (faults.size() > most_faults)
    text += fmt::format("\n  and {} more", faults.size() - most_faults);
  throw RunError(text);
}

std::size_t parameters_of(const PeakNetConfig& config) {
  std::size_t parameters = 0;
  for (const PeakNetTensor& tensor : tensors_of(config)) {
    if (!tensor.boolean) parameters += elements_of(tensor.shape);
  }
  return parameters;
}

}  // namespace pnflow
