#include "gpu/peaknet_cuda/depthwise_kernel.cuh"

namespace pnflow {

namespace {

using namespace device;

constexpr std::size_t most_fused_channels = std::size_t{2} * most_threads;
constexpr std::size_t general_threads = 192;

template <int fixed_channels, int columns, class T, class Pair, bool norm>
void launch(const DeviceAffine& linear, std::size_t channels, const PixelGrid& grid, const void* x,
            void* out, const Range& range, cudaStream_t stream) {
  const std::size_t pairs = norm ? channels / 2 : divisor_up_to(channels / 2, general_threads);
  const std::size_t slices = channels / 2 / pairs;
  std::size_t side_by_side = std::min<std::size_t>(
      std::max<std::size_t>(1, general_threads / pairs), blocks(grid.width, columns));
  if constexpr (fixed_channels > 0) side_by_side = side_by_side_for(fixed_channels);
  const std::size_t threads = (pairs * side_by_side + warp - 1) / warp * warp;
  const std::size_t across = blocks(grid.width, columns * side_by_side);
  const std::size_t at_once =
      static_cast<std::size_t>(attribute_of_device(cudaDevAttrMultiProcessorCount)) *
      least_blocks_for(fixed_channels);
  // Images are seldom computed once more: few blocks find out soonest that there are none.
  const std::size_t rows = range.only_images != nullptr
                               ? grid.height
                               : strip_rows(grid.height, across * slices * grid.images, at_once);
  // What any kernel may have without asking: two channels to a thread.
  static_assert(std::size_t{2} * window * columns * threads_for(fixed_channels) * sizeof(T) <=
                48 << 10U);
  const std::size_t bytes = norm ? window * columns * side_by_side * channels * sizeof(T) : 0;
  const Strips strips{static_cast<int>(grid.height),  static_cast<int>(grid.width),
                      static_cast<int>(channels),     static_cast<int>(pairs),
                      static_cast<int>(side_by_side), static_cast<int>(rows),
                      static_cast<int>(across),       static_cast<int>(lanes_of_three(channels))};
  const auto kernel = depthwise<fixed_channels, columns, T, Pair, norm>;
  const dim3 size(static_cast<unsigned>(across * slices), blocks(grid.height, rows),
                  static_cast<unsigned>(grid.images));
  kernel<<<size, static_cast<unsigned>(threads), bytes, stream>>>(
      static_cast<const T*>(x), linear.weight, linear.bias, static_cast<T*>(out), strips, range);
  check(cudaPeekAtLastError(), "launch of depthwise");
}

// The convolution, and the norm where a block has registers for all channels.
template <int columns, class T, class Pair>
void choose(const DeviceAffine& linear, std::size_t channels, const PixelGrid& grid, const void* x,
            void* out, const Range& range, cudaStream_t stream) {
  const auto start = [&]<int fixed, bool norm = true, int own_columns = columns>() {
    launch<fixed, own_columns, T, Pair, norm>(linear, channels, grid, x, out, range, stream);
  };
  // Of pairs of float16 there is room for more, which pays for the largest images.
  constexpr int columns_of_96 = Pair::limited ? 6 : columns;
  switch (channels) {
    case 96: return start.template operator()<96, true, columns_of_96>();
    case 192: return start.template operator()<192>();
    case 384: return start.template operator()<384>();
    case 768: return start.template operator()<768>();
    default: break;
  }
  if (channels <= most_fused_channels) return start.template operator()<0>();
  start.template operator()<0, false>();
}

}  // namespace

void depthwise_norm(const DeviceAffine& linear, std::size_t channels, const PixelGrid& grid,
                    DepthwiseSums sums, unsigned* exceeded, Precision precision, const void* x,
                    void* out, cudaStream_t stream) {
  check_shape(grid, channels);
  with_type(precision, [&](auto type) {
    using T = decltype(type);
    Range range{exceeded, nullptr};
    if (sums == DepthwiseSums::float16) {
      if constexpr (std::is_same_v<T, float>) {
        throw std::invalid_argument("float16 sums of float32 activations");
      } else {
        choose<4, T, HalfPair>(linear, channels, grid, x, out, range, stream);
        range.only_images = exceeded;
      }
    }
    choose<2, T, FloatPair>(linear, channels, grid, x, out, range, stream);
  });
  if (channels > most_fused_channels) {
    normalise(channels, grid, precision, out, out, nullptr, stream);
  }
}

}  // namespace pnflow
