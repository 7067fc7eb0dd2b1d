#pragma once

#include <cstddef>

namespace pnflow {

// Where the panels of an event stand in a picture: row by row from the top left corner, `columns`
// in a row, `gap` pixels apart.
struct PanelGrid {
  std::size_t panels = 1, height = 0, width = 0;  // height and width of one panel
  std::size_t columns = 1;
  std::size_t gap = 0;

  std::size_t rows() const { return (panels + columns - 1) / columns; }
  std::size_t picture_width() const { return columns * (width + gap) - gap; }
  std::size_t picture_height() const { return rows() * (height + gap) - gap; }
  // The picture's column and row of a panel's first pixel.
  std::size_t left(std::size_t panel) const { return panel % columns * (width + gap); }
  std::size_t top(std::size_t panel) const { return panel / columns * (height + gap); }
};

// The number of columns that makes the picture the closest to a square; of two equally close ones
// the smaller.
std::size_t near_square_columns(std::size_t panels, std::size_t height, std::size_t width);

}  // namespace pnflow
