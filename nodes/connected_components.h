#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace pnflow {

// Which neighbours of a pixel belong to its component: the four that share an edge, or the eight
// that share an edge or a corner.
enum class Connectivity : std::uint8_t { four = 4, eight = 8 };

// Pixels begin..end - 1 of one row, all set, as many as there are side by side.
struct PixelRun {
  std::int32_t row = 0;
  std::int32_t begin = 0;
  std::int32_t end = 0;
  std::uint32_t component = 0;
};

// The smallest rectangle around some pixels; both ends belong to it.
struct PixelBox {
  std::int32_t y0 = 0;
  std::int32_t x0 = 0;
  std::int32_t y1 = 0;
  std::int32_t x1 = 0;
};

// One connected component. The sums are exact integers, so the centre is the mean of the pixel
// indices, rounded once: scipy.ndimage.center_of_mass of the binary map.
struct Component {
  std::int64_t npix = 0;
  std::int64_t sum_y = 0;
  std::int64_t twice_sum_x = 0;
  PixelBox box;

  double y() const { return static_cast<double>(sum_y) / static_cast<double>(npix); }
  double x() const { return 0.5 * static_cast<double>(twice_sum_x) / static_cast<double>(npix); }
  // Runs come in raster order; the box begins as that of any of the component's pixels in the first
  // row.
  void add(const PixelRun& run);
  // Another part of the same component.
  void add(const Component& other);
};

// Finds the connected components of a binary map. Rows are read once, 64 pixels at a time, and
// turned into runs; a union-find joins runs that touch from one row to the next. Time is linear in
// the words read plus the runs; memory is proportional to rows, runs and the words of one row.
//
// Components are numbered from 0 in raster order of their first pixel, which is the order of
// scipy.ndimage.label (whose labels count from 1). Runs and components stay valid until the next
// call of label_*() or trim(). An object keeps its memory for the next map; it serves one thread
// at a time.
class ConnectedComponents {
 public:
  // A map of one byte a pixel, (height, width) in C order, nonzero = set.
  // Throws DataError("wrong shape") unless there are height * width pixels,
  // DataError("implausible size") from 2^31 pixels on.
  void label_bytes(std::span<const std::uint8_t> pixels, std::size_t height, std::size_t width,
                   Connectivity connectivity);

  // A map of one bit a pixel: each row is ceil(width / 64) words, pixel x is bit x % 64 of word
  // x / 64, counted from the least significant one. Bits at `width` and beyond are ignored.
  // Throws as label_bytes().
  void label_bits(std::span<const std::uint64_t> words, std::size_t height, std::size_t width,
                  Connectivity connectivity);

  std::span<const Component> components() const { return components_; }
  // The component's runs, in raster order.
  std::span<const PixelRun> runs_of(std::size_t component) const;
  // All runs of row y, from left to right. y must be a row of the map.
  std::span<const PixelRun> runs_in_row(std::int32_t y) const;

  // Gives memory back when more than `bytes` are kept.
  void trim(std::size_t bytes);

 private:
  template <class Rows>
  void label(const Rows& rows, std::size_t height, std::size_t width, Connectivity connectivity);
  template <class Rows>
  void find_runs(const Rows& rows, std::int32_t height, std::int32_t width, std::int32_t reach);
  void add_run(PixelRun run, std::int32_t reach, std::size_t& above, std::size_t above_end);
  void number_components();
  void group_runs();
  std::uint32_t join(std::uint32_t a, std::uint32_t b);
  std::uint32_t root_of(std::uint32_t component);

  std::vector<PixelRun> runs_;            // raster order
  std::vector<std::uint32_t> row_begin_;  // first run of each row, and the end of the last
  std::vector<Component> components_;
  // While rows are read, the union-find: of each component, an earlier one that it is part of, or
  // itself.
  std::vector<std::uint32_t> links_;
  bool joined_ = false;  // some are part of others
  // 64 pixels of the row that is read, from pixel `first` on, that are not all zero.
  struct Word {
    std::uint64_t bits;
    std::int32_t first;
  };
  std::vector<Word> words_;
  std::vector<PixelRun> grouped_;               // runs_ sorted by component
  std::vector<std::uint32_t> component_begin_;  // first entry of each in grouped_, and the end
};

// Words in a row of a bit map: 64 pixels each, the last one padded.
constexpr std::size_t words_per_row(std::size_t width) { return (width + 63) / 64; }

}  // namespace pnflow
