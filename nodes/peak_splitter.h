#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "nodes/connected_components.h"
#include "nodes/peak_properties.h"

namespace pnflow {

// Divides a component into the parts that belong to its local maxima, as water that falls would.
// Raw pixels v of the panel are taken one after the other, the brightest first and equal ones in
// raster order; neighbours are those of the components' connectivity:
//
// * A pixel none of whose neighbours was taken before it is a maximum and begins a part.
// * Otherwise the pixel joins the part of that neighbour which was taken first. Where it touches
//   several parts, it is a saddle between the part that was begun first (the highest) and each of
//   the others. Such another part is kept when its maximum m stands above the saddle by more than
//   0, by at least depth * (m - background), and by at least 3 sigma; else it goes to the highest
//   part, and the saddle pixel with it. Background and sigma are those of the whole component.
// * Pixels that are not usable (peak_properties.h) come last, in raster order. All parts that one
//   of them touches become one: no valley was seen between them.
//
// Every part is connected. Parts are numbered in raster order of their first pixels.
// Time is proportional to n log n for n pixels. One object serves one thread at a time and keeps
// its memory for the next component.
class PeakSplitter {
 public:
  // Of the component with these runs, of the map in which the panel lies. What parts() and
  // runs_of() give is valid until the next call of split() or trim().
  void split(std::span<const PixelRun> runs, const PanelPixels& panel, Connectivity connectivity,
             const PeakProperties& whole, double depth);

  std::span<const Component> parts() const { return parts_; }
  // A part's runs, in raster order.
  std::span<const PixelRun> runs_of(std::size_t part) const;

  // Gives memory back when more than `bytes` are kept.
  void trim(std::size_t bytes);

 private:
  struct Pixel {
    double value = 0;
    std::int32_t y = 0, x = 0;
    bool usable = false;
    std::uint32_t part = 0;  // not_taken, or a union-find's entry
  };
  // In the order of their maxima; `link` leads to an earlier one that this one was given to.
  struct Basin {
    double maximum = 0;
    std::uint32_t link = 0;
  };

  void read_pixels(const PanelPixels& panel);
  void sort_by_brightness();
  void take(std::uint32_t pixel, std::int32_t reach, const PeakProperties& whole, double depth);
  void find_neighbours(const Pixel& pixel, std::int32_t reach);
  std::uint32_t root_of(std::uint32_t basin);
  void collect_parts();

  std::span<const PixelRun> runs_;
  std::vector<std::uint32_t> run_begin_;  // first pixel of each run
  std::vector<Pixel> pixels_;             // in raster order
  std::vector<std::uint32_t> order_;      // pixels, the brightest first
  std::vector<std::uint32_t> rank_;       // where in order_ each pixel is
  std::vector<Basin> basins_;
  std::vector<std::uint32_t> neighbours_;  // taken ones of the pixel at hand
  std::vector<std::uint32_t> number_;      // of the part, by basin
  std::vector<Component> parts_;
  std::vector<PixelRun> part_runs_;        // by part
  std::vector<std::uint32_t> part_begin_;  // first run of each part, and the end
};

}  // namespace pnflow
