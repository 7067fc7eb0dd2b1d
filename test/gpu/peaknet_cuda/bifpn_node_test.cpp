// A node of the BiFPN in one kernel, on Hopper GPUs.

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

#include "gpu/peaknet_cuda/hopper_kernels.h"
#include "test/gpu/peaknet_cuda/reference.h"

using namespace pnflow;
using namespace pnflow::test;

namespace {

constexpr auto f32 = Precision::float32;
constexpr auto bf16 = Precision::bfloat16;
constexpr std::size_t channels = 256;
// None of which bfloat16 has.
constexpr float up_shares[2] = {0.3F, 0.7F};
constexpr float down_shares[3] = {1 / 3.0F, 0.15F, 0.5F};

static_assert(bifpn_node_takes(256, 8192, 1023));
static_assert(!bifpn_node_takes(256, 8192, 1024));
static_assert(!bifpn_node_takes(256, 8191, 1));
static_assert(!bifpn_node_takes(256, most_node_pixels, 1));
static_assert(!bifpn_node_takes(128, 8192, 1));

bool here() {
  if (runs_hopper_kernels()) return true;
  MESSAGE("skipped: not a GPU of compute capability 9.0");
  return false;
}

enum class Way : std::uint8_t { up, down };

// The inputs and weights of a node, whose output is `grid`.
struct Node {
  Way way;
  PixelGrid grid;
  Values p, m, other, weight, norm_weight, norm_bias;

  Node(Way way_of_node, const PixelGrid& output) : way(way_of_node), grid(output) {
    const std::size_t count = grid.all() * channels;
    p = random_values(count, bf16, 1);
    if (way == Way::down) m = random_values(count, bf16, 2);
    other = random_values(way == Way::up ? count / 4 : count * 4, bf16, 3);
    weight = random_values(channels * channels, bf16, 4);
    norm_weight = random_values(channels, f32, 5);
    norm_bias = random_values(channels, f32, 6);
  }
  PixelGrid deeper() const { return {grid.images, grid.height / 2, grid.width / 2}; }

  Values output() const {
    const DeviceValues in_p(p, bf16);
    const DeviceValues in_m(m, bf16);
    const DeviceValues in_other(other, bf16);
    const DeviceValues w(weight, bf16);
    const DeviceValues norm_w(norm_weight, f32);
    const DeviceValues norm_b(norm_bias, f32);
    const DeviceAffine norm{norm_w.floats(), norm_b.floats()};
    const DeviceValues out(p.size(), bf16);
    if (way == Way::up) {
      bifpn_node_up(up_shares, norm, deeper(), w.data(), in_p.data(), in_other.data(), out.data(),
                    nullptr);
    } else {
      bifpn_node_down(down_shares, norm, grid, w.data(), in_p.data(), in_m.data(), in_other.data(),
                      out.data(), nullptr);
    }
    return out.values();
  }

  // By the kernel that does only this.
  Values fused() const {
    const DeviceValues in_p(p, bf16);
    const DeviceValues in_m(m, bf16);
    const DeviceValues in_other(other, bf16);
    const DeviceValues out(p.size(), bf16);
    if (way == Way::up) {
      fuse_with_deeper(up_shares, channels, deeper(), bf16, in_p.data(), in_other.data(),
                       out.data(), nullptr);
    } else {
      fuse_with_shallower(down_shares, channels, grid, bf16, in_p.data(), in_m.data(),
                          in_other.data(), out.data(), nullptr);
    }
    return out.values();
  }
};

Values pixel_of(const Values& values, std::size_t pixel) {
  const auto begin = values.begin() + static_cast<std::ptrdiff_t>(pixel * channels);
  return {begin, begin + static_cast<std::ptrdiff_t>(channels)};
}

// Every `step`-th pixel, and the last one.
void check_node(Way way, const PixelGrid& grid, std::size_t step) {
  CAPTURE(static_cast<int>(way));
  CAPTURE(grid.images);
  CAPTURE(grid.height);
  CAPTURE(grid.width);
  const Node node(way, grid);
  const Values actual = node.output();
  const Values fused = node.fused();
  double squares = 0;
  std::size_t count = 0;
  for (std::size_t pixel = 0; pixel < grid.all() - 1 + step; pixel += step) {
    const std::size_t which = std::min(pixel, grid.all() - 1);
    const Numbers z = product(numbers(pixel_of(fused, which)), channels, node.weight, {});
    Numbers expected = scaled(normalised(z, channels), node.norm_weight, node.norm_bias);
    const Values p = pixel_of(node.p, which);
    for (std::size_t c = 0; c < channels; ++c) expected[c] = gelu(expected[c]) + p[c];
    // `fused` has been rounded once, where the node has rounded each step towards it; with weights
    // up to 4 that can be seen, in few values.
    const Values found = pixel_of(actual, which);
    check_near(found, expected, bf16, 7);
    for (std::size_t c = 0; c < channels; ++c) {
      squares += (found[c] - expected[c]) * (found[c] - expected[c]);
    }
    count += channels;
  }
  CHECK(std::sqrt(squares / static_cast<double>(count)) < 0x1p-8);
}

}  // namespace

TEST_CASE("nodes of the BiFPN, small images") {
  if (!here()) return;
  for (const PixelGrid& grid : even_grids) check_node(Way::up, grid, 1);
  for (const PixelGrid& grid : awkward_grids) check_node(Way::down, grid, 1);
  // Several tiles to a warpgroup.
  for (const Way way : {Way::up, Way::down}) check_node(way, {500, 2, 2}, 7);
}

TEST_CASE("nodes of the BiFPN, more tiles than are worked on at once") {
  if (!here()) return;
  for (const Way way : {Way::up, Way::down}) {
    check_node(way, {2, 130, 106}, 37);
    check_node(way, {4, 120, 120}, 53);
  }
  check_node(Way::up, {1, 480, 480}, 997);
}

TEST_CASE("nodes of the BiFPN: the same bits in every run and batch") {
  if (!here()) return;
  for (const Way way : {Way::up, Way::down}) {
    const Node four(way, {4, 90, 134});
    Node one = four;
    one.grid.images = 1;
    const auto keep_last = [](Values& values) {
      values.erase(values.begin(), values.end() - static_cast<std::ptrdiff_t>(values.size() / 4));
    };
    keep_last(one.p);
    keep_last(one.m);
    keep_last(one.other);
    Values together = four.output();
    CHECK(four.output() == together);
    keep_last(together);
    CHECK(one.output() == together);
  }
}
