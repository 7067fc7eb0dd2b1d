#pragma once

namespace pnflow {

// Takes HDF5's clean-up out of the process's end. HDF5 1.10 forgets what it had read of a damaged
// object header, and its clean-up goes round over that and complains on stderr; every file is
// closed by its owner anyway. To be called before anything else that uses HDF5.
void skip_hdf5_cleanup_at_exit();

}  // namespace pnflow
