#include <doctest/doctest.h>

#include "gpu/peaknet_cuda/shapes.h"

using namespace pnflow;

TEST_CASE("every number of channels has lanes for all of its pieces") {
  for (std::size_t channels = 8; channels <= most_channels; channels += 8) {
    const auto [lanes, pieces] = pixel_lanes(channels);
    CAPTURE(channels);
    CHECK(32 % lanes == 0);
    CHECK(static_cast<std::size_t>(lanes * pieces) * piece_channels >= channels);
    CHECK(static_cast<std::size_t>(lanes * pieces) * piece_channels < 2 * channels + 8);
    if (channels <= 768) CHECK(lanes_of_three(channels) * 24 >= channels);
    if (channels <= 768) CHECK(lanes_of_three(channels) <= 32);
  }
  CHECK(pixel_lanes(96).lanes == 4);
  CHECK(pixel_lanes(96).pieces == 3);
  CHECK(pixel_lanes(256).lanes == 32);
  CHECK(pixel_lanes(256).pieces == 1);
  CHECK(pixel_lanes(most_channels + 8).lanes == 0);
}

TEST_CASE("strips of rows are as long as the device is kept busy by them") {
  // PeakNet base, 8 images, on 132 processors.
  CHECK(strip_rows(480, 20 * 8, 264) == 64);
  CHECK(strip_rows(120, 30 * 8, 264) == 120);
  CHECK(strip_rows(60, 15 * 8, 132) == 60);
  // One image: short strips, for there is too little to do side by side.
  CHECK(strip_rows(60, 15, 132) < 15);
  CHECK(strip_rows(1, 1, 132) == 1);
  for (std::size_t height = 1; height < 300; height += 7) {
    for (const std::size_t across : {1, 10, 1000}) {
      const std::size_t rows = strip_rows(height, across, 132);
      CHECK(rows >= 1);
      CHECK(rows <= height);
    }
  }
}

TEST_CASE("an image's sums are cut into some parts, by its shape alone") {
  CHECK(parts_of_sum(1, 8) == 1);
  CHECK(parts_of_sum(480 * 480, 8) == 128);
  CHECK(divisor_up_to(1408, 384) == 352);
  CHECK(divisor_up_to(48, 384) == 48);
  CHECK(divisor_up_to(97, 96) == 1);
}

TEST_CASE("an image's tiles and their parts, by its shape alone") {
  const auto parts = [](std::size_t pixels) { return image_tiles(pixels).parts; };
  CHECK(parts(1) == 1);
  CHECK(parts(64) == 1);
  CHECK(parts(65) == 2);
  CHECK(parts(60 * 60) == 57);
  CHECK(parts(120 * 120) == 113);
  CHECK(parts(240 * 240) == 113);
  CHECK(parts(480 * 480) == 450);
  for (std::size_t pixels = 1; pixels < 300000; pixels += 1 + pixels / 50) {
    const ImageTiles cut = image_tiles(pixels);
    CAPTURE(pixels);
    CHECK(cut.tiles * tile_pixels >= pixels);
    CHECK((cut.tiles - 1) * tile_pixels < pixels);
    CHECK(cut.parts * cut.of_part >= cut.tiles);
    CHECK((cut.parts - 1) * cut.of_part < cut.tiles);
  }
}
