#pragma once

#include <array>
#include <cstddef>
#include <string>
#include <vector>

namespace pnflow {

inline constexpr std::size_t peaknet_levels = 4;
inline constexpr std::size_t peaknet_classes = 2;  // 0 background, 1 peak
inline constexpr std::size_t peaknet_groups = 32;  // of the heads' GroupNorm
inline constexpr std::size_t peaknet_kernel =
    7;  // pixels a side of the backbone's depthwise convolutions
inline constexpr std::size_t peaknet_expansion = 4;  // of the channels within a ConvNeXt block

// What distinguishes one PeakNet from another.
struct PeakNetConfig {
  std::array<std::size_t, peaknet_levels> hidden_sizes{};  // channels of the backbone's stages
  std::array<std::size_t, peaknet_levels> depths{};        // their blocks
  std::size_t bifpn_blocks = 0;
  std::size_t features = 0;       // channels of the BiFPN blocks
  std::size_t head_features = 0;  // channels of the heads, a multiple of peaknet_groups
  bool learned_upsampling = false;
  std::size_t patch_size = 4;  // pixels a side

  // Of the deepest level, in pixels: what heights and widths of images are multiples of.
  std::size_t stride() const { return patch_size << (peaknet_levels - 1); }
  // Layers of a level's head: each doubles the resolution, except that level 0 has one that does
  // not.
  static std::size_t head_layers(std::size_t level) { return level == 0 ? 1 : level; }
  friend bool operator==(const PeakNetConfig&, const PeakNetConfig&) = default;
};

// "16, 32, 64, 128 channels in 2, 2, 2, 2 blocks, 1 BiFPN block of 32, heads of 32, patches of 2x2,
// learned upsampling"
std::string to_string(const PeakNetConfig& config);

}  // namespace pnflow
