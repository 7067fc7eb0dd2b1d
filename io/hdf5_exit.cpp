#include "io/hdf5_exit.h"

#include <hdf5.h>

namespace pnflow {

void skip_hdf5_cleanup_at_exit() { H5dont_atexit(); }

}  // namespace pnflow
