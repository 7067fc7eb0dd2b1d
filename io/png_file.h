#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace pnflow {

using Rgb = std::array<std::uint8_t, 3>;

// A picture of 8-bit RGB pixels, and its way into a PNG file. For one thread at a time.
class PngFile {
 public:
  // Throws RunError when a side is 0 or longer than 2^20.
  PngFile(std::size_t width, std::size_t height, Rgb background);

  std::size_t width() const { return width_; }
  std::size_t height() const { return height_; }

  // Colours the pixel in column x and row y; nothing when that is outside of the picture.
  void set(std::ptrdiff_t x, std::ptrdiff_t y, Rgb colour);
  // Colours a square of `size` pixels whose first is (x, y), cut at the picture's edges.
  void fill(std::size_t x, std::size_t y, std::size_t size, Rgb colour);

  // Writes the file, over one of that name. Throws RunError with path and cause.
  void write(const std::string& path) const;

 private:
  std::size_t width_, height_;
  std::vector<Rgb> pixels_;  // in C order
};

}  // namespace pnflow
