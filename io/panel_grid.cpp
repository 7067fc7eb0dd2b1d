#include "io/panel_grid.h"

#include <algorithm>

namespace pnflow {

std::size_t near_square_columns(std::size_t panels, std::size_t height, std::size_t width) {
  std::size_t best = 1;
  std::size_t best_side = 0;
  for (std::size_t columns = 1; columns <= panels; ++columns) {
    const PanelGrid grid{panels, height, width, columns, 0};
    // The square that the picture fits into is smallest where the picture is nearest to one.
    const std::size_t side = std::max(grid.picture_width(), grid.picture_height());
    if (columns == 1 || side < best_side) {
      best = columns;
      best_side = side;
    }
  }
  return best;
}

}  // namespace pnflow
