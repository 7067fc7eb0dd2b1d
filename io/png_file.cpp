#include "io/png_file.h"

#include <fmt/format.h>
#include <png.h>

#include <algorithm>

#include "graph/error.h"

namespace pnflow {
namespace {

constexpr std::size_t longest_side = std::size_t{1} << 20U;

}  // namespace

PngFile::PngFile(std::size_t width, std::size_t height, Rgb background)
    : width_(width), height_(height) {
  if (width == 0 || height == 0 || width > longest_side || height > longest_side) {
    throw RunError(fmt::format("a picture of {}x{} pixels cannot be drawn", width, height));
  }
  pixels_.assign(width * height, background);
}

void PngFile::set(std::ptrdiff_t x, std::ptrdiff_t y, Rgb colour) {
  if (x < 0 || y < 0) return;
  fill(static_cast<std::size_t>(x), static_cast<std::size_t>(y), 1, colour);
}

void PngFile::fill(std::size_t x, std::size_t y, std::size_t size, Rgb colour) {
  if (x >= width_) return;
  const std::size_t count = std::min(size, width_ - x);
  for (std::size_t row = y; row < std::min(y + size, height_); ++row) {
    std::fill_n(&pixels_[row * width_ + x], count, colour);
  }
}

void PngFile::write(const std::string& path) const {
  static_assert(sizeof(Rgb) == 3);
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  image.width = static_cast<png_uint_32>(width_);
  image.height = static_cast<png_uint_32>(height_);
  image.format = PNG_FORMAT_RGB;
  if (png_image_write_to_file(&image, path.c_str(), 0, pixels_.data(), 0, nullptr) == 0) {
    throw RunError(fmt::format("cannot write '{}': {}", path, image.message));
  }
}

}  // namespace pnflow
