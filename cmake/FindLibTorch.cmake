# LibTorch as scripts/setup.sh installed it, as the target LibTorch::LibTorch; where it can use GPUs
# also LibTorch::cuda, which needs a CUDA toolkit's headers.
#
# PyTorch's own package file is not used: it insists on a CUDA toolkit and sets CUDA architectures
# for the whole project, while an engine module needs no more than headers and three libraries.

file(GLOB torch_package "${PNFLOW_VENV}/lib/python3.*/site-packages/torch")
find_path(LibTorch_INCLUDE_DIR torch/script.h PATHS "${torch_package}/include" NO_DEFAULT_PATH)
foreach(name IN ITEMS torch torch_cpu c10)
  find_library(LibTorch_${name}_LIBRARY ${name} PATHS "${torch_package}/lib" NO_DEFAULT_PATH)
endforeach()

# Of a LibTorch that can use GPUs.
foreach(name IN ITEMS torch_cuda c10_cuda)
  find_library(LibTorch_${name}_LIBRARY ${name} PATHS "${torch_package}/lib" NO_DEFAULT_PATH)
endforeach()

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(LibTorch REQUIRED_VARS LibTorch_INCLUDE_DIR
  LibTorch_torch_LIBRARY LibTorch_torch_cpu_LIBRARY LibTorch_c10_LIBRARY)

if(LibTorch_FOUND AND NOT TARGET LibTorch::LibTorch)
  add_library(LibTorch::LibTorch INTERFACE IMPORTED)
  # LibTorch ships headers of another fmt than the system's: its directories are searched last.
  target_compile_options(LibTorch::LibTorch INTERFACE
    "SHELL:-idirafter ${LibTorch_INCLUDE_DIR}"
    "SHELL:-idirafter ${LibTorch_INCLUDE_DIR}/torch/csrc/api/include")
  # libtorch.so registers the CUDA operators when it is loaded; nothing refers to it by name.
  target_link_libraries(LibTorch::LibTorch INTERFACE
    -Wl,--push-state,--no-as-needed "${LibTorch_torch_LIBRARY}" -Wl,--pop-state
    "${LibTorch_torch_cpu_LIBRARY}" "${LibTorch_c10_LIBRARY}")
endif()
if(LibTorch_FOUND AND LibTorch_c10_cuda_LIBRARY AND NOT TARGET LibTorch::cuda)
  add_library(LibTorch::cuda INTERFACE IMPORTED)
  target_link_libraries(LibTorch::cuda INTERFACE LibTorch::LibTorch
    "${LibTorch_torch_cuda_LIBRARY}" "${LibTorch_c10_cuda_LIBRARY}")
endif()
