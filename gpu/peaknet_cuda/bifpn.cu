#include "gpu/peaknet_cuda/bilinear.cuh"
#include "gpu/peaknet_cuda/device.cuh"

namespace pnflow {

namespace {

using namespace device;

constexpr int threads = 256;

// A thread's 8 channels of one of all images' pixels.
struct Place {
  bool there;
  int channel, x, y;
  std::size_t image, pixel;  // the pixel of all images

  __device__ Place(const PixelGrid& grid, int channels) {
    const std::size_t pieces = static_cast<std::size_t>(channels) / piece_channels;
    const std::size_t i = std::size_t{blockIdx.x} * threads + threadIdx.x;
    pixel = i / pieces;
    channel = static_cast<int>(i % pieces) * static_cast<int>(piece_channels);
    x = static_cast<int>(pixel % grid.width);
    y = static_cast<int>(pixel / grid.width % grid.height);
    image = pixel / grid.of_image();
    there = image < grid.images;
  }
};

// The first of the 2x2 values that lie over a pixel of `grid` in the map twice as large, and the
// others' distances from it.
struct Cell {
  std::size_t at[4];
  __device__ Cell(const Place& place, const PixelGrid& grid, int channels) {
    const std::size_t row = 2 * grid.width * channels;
    at[0] = ((place.image * grid.height + place.y) * 2 * (2 * grid.width) + 2 * place.x) *
                static_cast<std::size_t>(channels) +
            place.channel;
    at[1] = at[0] + channels;
    at[2] = at[0] + row;
    at[3] = at[2] + channels;
  }
};

// share_p p + share_m m + share_cell times the mean of `cell`, 2x2 pixels of a map twice as large.
template <class T>
__device__ __forceinline__ Eight fuse_pixel(float share_p, const Packed<T>& p, float share_m,
                                            const Packed<T>& m, float share_cell,
                                            const Packed<T> (&cell)[4]) {
  Eight sum = {};
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    const Eight values = unpack(cell[i]);
#pragma unroll
    for (int k = 0; k < 8; ++k) sum.v[k] += 0.25F * values.v[k];
  }
  const Eight of_p = unpack(p);
  const Eight of_m = unpack(m);
#pragma unroll
  for (int k = 0; k < 8; ++k) {
    sum.v[k] = fmaf(share_p, of_p.v[k], fmaf(share_m, of_m.v[k], share_cell * sum.v[k]));
  }
  return sum;
}

// share_p p + share_up up
template <class T>
__device__ __forceinline__ Eight fuse_pixel(float share_p, const Packed<T>& p, float share_up,
                                            const Eight& up) {
  Eight sum = unpack(p);
#pragma unroll
  for (int k = 0; k < 8; ++k) sum.v[k] = fmaf(share_p, sum.v[k], share_up * up.v[k]);
  return sum;
}

// A thread makes 2x2 output pixels, which lie over one of the deeper level. Traffic: p and the
// output once, the deeper level once (its neighbours come from the caches): 9 values for each of
// the deeper level's. Limit at 480x480 pixels of 256 channels in bfloat16 .0626 ms (an H200's 4.24
// TB/s); the prototype took .067.
template <class T>
__global__ void __launch_bounds__(threads)
    fuse_up(const T* __restrict__ p, const T* __restrict__ deeper, T* __restrict__ out,
            PixelGrid grid, int channels, float share_p, float share_deeper) {
  const Place place(grid, channels);
  if (!place.there) return;
  const Cell cell(place, grid, channels);
  Packed<T> own[4];
#pragma unroll
  for (int i = 0; i < 4; ++i) own[i] = load_constant(p + cell.at[i]);
  const T* low = deeper + place.image * grid.of_image() * channels + place.channel;
  Eight up[4];
  const auto value = [&](int y, int x) {
    return unpack(load_constant(low + (static_cast<std::size_t>(y) * grid.width + x) * channels));
  };
  upsample_cell(value, static_cast<int>(grid.height), static_cast<int>(grid.width), place.y,
                place.x, up);
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    store(out + cell.at[i], fuse_pixel(share_p, own[i], share_deeper, up[i]));
  }
}

// A thread makes one output pixel of 8 channels. Traffic: p, m, the output once and the shallower
// level once: 7 values for each output value; .0487 ms at 240x240 pixels of 256 channels in
// bfloat16 (an H200's 4.24 TB/s).
template <class T>
__global__ void __launch_bounds__(threads)
    fuse_down(const T* __restrict__ p, const T* __restrict__ m, const T* __restrict__ shallower,
              T* __restrict__ out, PixelGrid grid, int channels, float share_p, float share_m,
              float share_shallower) {
  const Place place(grid, channels);
  if (!place.there) return;
  const Cell cell(place, grid, channels);
  const std::size_t at = place.pixel * channels + place.channel;
  const Packed<T> packed_p = load_constant(p + at);
  const Packed<T> packed_m = load_constant(m + at);
  Packed<T> packed[4];
#pragma unroll
  for (int i = 0; i < 4; ++i) packed[i] = load_constant(shallower + cell.at[i]);
  store(out + at, fuse_pixel(share_p, packed_p, share_m, packed_m, share_shallower, packed));
}

// Some lanes to a pixel, and so many pixels in flight that a lane has 4 reads of each input or so.
// Traffic: z, p and the output once: .0834 ms at 480x480 pixels of 256 channels in bfloat16
// (an H200's 4.24 TB/s); the prototype took .100.
template <class T, int pieces>
__global__ void __launch_bounds__(threads)
    norm_gelu_add_pixels(const float* __restrict__ norm_weight, const float* __restrict__ norm_bias,
                         const T* z, const T* p, T* out, std::size_t count, int channels,
                         int lanes) {
  constexpr int pixels = pieces >= 3 ? 1 : 4 / pieces;
  const LaneChannels<pieces> mine(lanes, channels);
  const std::size_t group =
      (std::size_t{blockIdx.x} * threads + threadIdx.x) / static_cast<unsigned>(lanes);
  const std::size_t first = group * pixels;
  Packed<T> packed_z[pixels][pieces] = {};
  Packed<T> packed_p[pixels][pieces] = {};
#pragma unroll
  for (int j = 0; j < pixels; ++j) {
#pragma unroll
    for (int k = 0; k < pieces; ++k) {
      if (first + j >= count || !mine.has(k)) continue;
      const std::size_t at = (first + j) * channels + mine.channel(k);
      packed_z[j][k] = load(z + at);
      packed_p[j][k] = load(p + at);
    }
  }
#pragma unroll
  for (int j = 0; j < pixels; ++j) {
    Eight values[pieces];
#pragma unroll
    for (int k = 0; k < pieces; ++k) values[k] = unpack(packed_z[j][k]);
    const float scale = mine.centre(values, channels);
    if (first + j >= count) continue;
#pragma unroll
    for (int k = 0; k < pieces; ++k) {
      if (!mine.has(k)) continue;
      const Eight w = load_floats(norm_weight + mine.channel(k));
      const Eight b = load_floats(norm_bias + mine.channel(k));
      Eight sum = unpack(packed_p[j][k]);
#pragma unroll
      for (int i = 0; i < 8; ++i) {
        sum.v[i] += gelu<T>(fmaf(values[k].v[i] * scale, w.v[i], b.v[i]));
      }
      store(out + (first + j) * channels + mine.channel(k), sum);
    }
  }
}

unsigned pieces_in_blocks(std::size_t channels, const PixelGrid& grid) {
  check_shape(grid, channels);
  return blocks(grid.all() * (channels / piece_channels), threads);
}

}  // namespace

void fuse_with_deeper(const float (&shares)[2], std::size_t channels, const PixelGrid& deeper_grid,
                      Precision precision, const void* p, const void* deeper, void* out,
                      cudaStream_t stream) {
  with_type(precision, [&](auto type) {
    using T = decltype(type);
    fuse_up<<<pieces_in_blocks(channels, deeper_grid), threads, 0, stream>>>(
        static_cast<const T*>(p), static_cast<const T*>(deeper), static_cast<T*>(out), deeper_grid,
        static_cast<int>(channels), shares[0], shares[1]);
    check(cudaPeekAtLastError(), "launch of fuse_up");
  });
}

void fuse_with_shallower(const float (&shares)[3], std::size_t channels, const PixelGrid& grid,
                         Precision precision, const void* p, const void* m, const void* shallower,
                         void* out, cudaStream_t stream) {
  with_type(precision, [&](auto type) {
    using T = decltype(type);
    fuse_down<<<pieces_in_blocks(channels, grid), threads, 0, stream>>>(
        static_cast<const T*>(p), static_cast<const T*>(m), static_cast<const T*>(shallower),
        static_cast<T*>(out), grid, static_cast<int>(channels), shares[0], shares[1], shares[2]);
    check(cudaPeekAtLastError(), "launch of fuse_down");
  });
}

void norm_gelu_add(const DeviceAffine& norm, std::size_t channels, const PixelGrid& grid,
                   Precision precision, const void* z, const void* p, void* out,
                   cudaStream_t stream) {
  check_shape(grid, channels);
  with_type(precision, [&](auto type) {
    using T = decltype(type);
    with_pieces(channels, [&](auto pieces) {
      constexpr std::size_t pixels = pieces >= 3 ? 1 : 4 / pieces;
      const int lanes = pixel_lanes(channels).lanes;
      const std::size_t each = threads / static_cast<std::size_t>(lanes) * pixels;
      norm_gelu_add_pixels<T, pieces><<<blocks(grid.all(), each), threads, 0, stream>>>(
          norm.weight, norm.bias, static_cast<const T*>(z), static_cast<const T*>(p),
          static_cast<T*>(out), grid.all(), static_cast<int>(channels), lanes);
      check(cudaPeekAtLastError(), "launch of norm_gelu_add_pixels");
    });
  });
}

}  // namespace pnflow
