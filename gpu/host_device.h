#pragma once

// Marks a function that runs on the CPU and in CUDA kernels alike, so that a rule is written once.
#ifdef __CUDACC__
#define PNFLOW_HOST_DEVICE __host__ __device__
#else
#define PNFLOW_HOST_DEVICE
#endif
