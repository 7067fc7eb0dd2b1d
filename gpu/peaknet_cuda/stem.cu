#include "gpu/peaknet_cuda/device.cuh"

namespace pnflow {

namespace {

using namespace device;

constexpr int threads = 256;
constexpr std::size_t most_shared_bytes = std::size_t{160} << 10U;

struct Patches {
  int patch, channels, lanes;
  int height, width;  // in patches
  int count;          // in all images
};

// The first pixel of a patch.
template <class In>
__device__ const In* first_pixel(const In* images, const Patches& patches, int index) {
  const int x = index % patches.width;
  const int row = index / patches.width;  // of all images, one below the other
  return images +
         (static_cast<std::size_t>(row) * patches.patch * patches.width + x) * patches.patch;
}

// A patch's pixels times the weights, bias, LayerNorm: some lanes to a patch, 8 channels or more to
// a lane, two patches at a time, so that each weight read from shared memory serves twice.
// Traffic: images once, the output once; 256 bytes a patch for 4x4 float32 pixels and 96 channels
// in bfloat16. Limit at 480x480 patches: .0139 ms (an H200's 4.24 TB/s); the prototype took .0367,
// bound by its 16 FMAs a channel.
template <class In, class T, int pieces>
__global__ void __launch_bounds__(threads)
    embed(const In* __restrict__ images, const float* __restrict__ weight,
          const float* __restrict__ bias, const float* __restrict__ norm_weight,
          const float* __restrict__ norm_bias, T* __restrict__ out, Patches patches) {
  extern __shared__ __align__(16) float shared[];  // [patch * patch + 3][padded]
  const LaneChannels<pieces> mine(patches.lanes, patches.channels);
  const int padded = patches.lanes * pieces * 8;
  const int places = patches.patch * patches.patch;
  for (int i = static_cast<int>(threadIdx.x); i < (places + 3) * padded; i += threads) {
    const int row = i / padded;
    const int c = i % padded;
    float value = 0;
    if (c < patches.channels) {
      const float* from = row < places        ? weight + row * patches.channels
                          : row == places     ? bias
                          : row == places + 1 ? norm_weight
                                              : norm_bias;
      value = from[c];
    }
    shared[i] = value;
  }
  __syncthreads();
  const int groups = threads / patches.lanes;
  const int group = static_cast<int>(threadIdx.x) / patches.lanes;
  const int each = 2 * groups;  // patches of a block at a time
  for (int first = static_cast<int>(blockIdx.x) * each; first < patches.count;
       first += static_cast<int>(gridDim.x) * each) {
    const int index = first + 2 * group;
    const In* from[2];
#pragma unroll
    for (int p = 0; p < 2; ++p) {
      from[p] = first_pixel(images, patches, min(index + p, patches.count - 1));
    }
    Eight sums[2][pieces];
#pragma unroll
    for (int k = 0; k < pieces; ++k) {
      sums[0][k] = sums[1][k] = unpack(load(shared + places * padded + mine.channel(k)));
    }
    for (int y = 0; y < patches.patch; ++y) {
      for (int x = 0; x < patches.patch; ++x) {
        const std::size_t at = static_cast<std::size_t>(y) * patches.width * patches.patch + x;
        const float pixel[2] = {static_cast<float>(from[0][at]), static_cast<float>(from[1][at])};
        const float* row = shared + (y * patches.patch + x) * padded;
#pragma unroll
        for (int k = 0; k < pieces; ++k) {
          const Eight w = unpack(load(row + mine.channel(k)));
#pragma unroll
          for (int i = 0; i < 8; ++i) {
            sums[0][k].v[i] = fmaf(w.v[i], pixel[0], sums[0][k].v[i]);
            sums[1][k].v[i] = fmaf(w.v[i], pixel[1], sums[1][k].v[i]);
          }
        }
      }
    }
#pragma unroll
    for (int p = 0; p < 2; ++p) {
      const float scale = mine.centre(sums[p], patches.channels);
      if (index + p >= patches.count) continue;
      T* to = out + static_cast<std::size_t>(index + p) * patches.channels;
#pragma unroll
      for (int k = 0; k < pieces; ++k) {
        if (!mine.has(k)) continue;
        const Eight w = unpack(load(shared + (places + 1) * padded + mine.channel(k)));
        const Eight b = unpack(load(shared + (places + 2) * padded + mine.channel(k)));
        Eight y;
#pragma unroll
        for (int i = 0; i < 8; ++i) y.v[i] = fmaf(sums[p][k].v[i] * scale, w.v[i], b.v[i]);
        store(to + mine.channel(k), y);
      }
    }
  }
}

template <class In, class T, int pieces>
void launch(const Stem& stem, const PixelGrid& grid, const void* images, void* out,
            cudaStream_t stream) {
  const int lanes = pixel_lanes(stem.channels).lanes;
  const Patches patches{
      static_cast<int>(stem.patch),  static_cast<int>(stem.channels), lanes,
      static_cast<int>(grid.height), static_cast<int>(grid.width),    static_cast<int>(grid.all())};
  const std::size_t padded = static_cast<std::size_t>(lanes) * pieces * piece_channels;
  const std::size_t bytes = (stem.patch * stem.patch + 3) * padded * sizeof(float);
  if (bytes > most_shared_bytes) throw std::invalid_argument("a patch of too many channels");
  const auto kernel = embed<In, T, pieces>;
  allow_shared_memory(kernel);
  const std::size_t each = std::size_t{2} * threads / static_cast<std::size_t>(lanes);
  const unsigned count = std::min(blocks(grid.all(), each), 1056U);  // 8 for each of 132 SMs
  kernel<<<count, threads, bytes, stream>>>(static_cast<const In*>(images), stem.linear.weight,
                                            stem.linear.bias, stem.norm.weight, stem.norm.bias,
                                            static_cast<T*>(out), patches);
  check(cudaPeekAtLastError(), "launch of embed");
}

}  // namespace

void stem(const Stem& stem, const PixelGrid& grid, const void* images, Precision of_images,
          Precision precision, void* out, cudaStream_t stream) {
  check_shape(grid, stem.channels);
  if (stem.patch == 0) throw std::invalid_argument("patches without pixels");
  with_type(precision, [&](auto type) {
    using T = decltype(type);
    with_pieces(stem.channels, [&](auto pieces) {
      if (of_images == Precision::float32) {
        return launch<float, T, pieces>(stem, grid, images, out, stream);
      }
      if (of_images != precision) throw std::invalid_argument("images of another precision");
      launch<T, T, pieces>(stem, grid, images, out, stream);
    });
  });
}

}  // namespace pnflow
