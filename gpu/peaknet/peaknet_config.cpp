#include "gpu/peaknet/peaknet_config.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace pnflow {

std::string to_string(const PeakNetConfig& config) {
  return fmt::format(
      "{} channels in {} blocks, {} BiFPN block{} of {}, heads of {}, patches of {}x{}{}",
      fmt::join(config.hidden_sizes, ", "), fmt::join(config.depths, ", "), config.bifpn_blocks,
      config.bifpn_blocks == 1 ? "" : "s", config.features, config.head_features, config.patch_size,
      config.patch_size, config.learned_upsampling ? ", learned upsampling" : "");
}

}  // namespace pnflow
