# The libraries that pnflow stands on. LibTorch and CUDA are looked for where they are used.

find_package(Threads REQUIRED)
if(PNFLOW_SANITIZE STREQUAL "thread")
  if(NOT EXISTS "${PNFLOW_CACHE}/tbb-tsan.done")
    message(FATAL_ERROR "The thread sanitizer needs its own libtbb; run scripts/setup.sh --tsan")
  endif()
  find_package(TBB REQUIRED CONFIG PATHS "${PNFLOW_CACHE}/tbb-tsan" NO_DEFAULT_PATH)
else()
  find_package(TBB REQUIRED CONFIG)
endif()
find_package(fmt REQUIRED CONFIG)
find_package(spdlog REQUIRED CONFIG)
find_package(yaml-cpp REQUIRED CONFIG)
find_package(nlohmann_json REQUIRED CONFIG)
find_package(CLI11 REQUIRED CONFIG)
find_package(benchmark REQUIRED CONFIG)  # of `pnflow bench` too
find_package(cppzmq REQUIRED CONFIG)
find_package(HDF5 REQUIRED COMPONENTS C HL)
if(CMAKE_C_COMPILER_ID STREQUAL "Clang")
  # zfp's package file asks for OpenMP, for which Debian's clang has no header. Only the library
  # itself uses it, so the answer is never used.
  set(OpenMP_C_FLAGS -fopenmp)
  set(OpenMP_C_LIB_NAMES gomp)
  find_library(OpenMP_gomp_LIBRARY NAMES libgomp.so.1 REQUIRED)
endif()
find_package(zfp REQUIRED CONFIG)
find_package(ZLIB REQUIRED)
find_package(zstd REQUIRED CONFIG)
find_package(PkgConfig REQUIRED)
pkg_check_modules(lz4 REQUIRED IMPORTED_TARGET liblz4)
pkg_check_modules(libdeflate REQUIRED IMPORTED_TARGET libdeflate)
pkg_check_modules(libcbor REQUIRED IMPORTED_TARGET libcbor)
pkg_check_modules(libarchive REQUIRED IMPORTED_TARGET libarchive)
pkg_check_modules(libzip REQUIRED IMPORTED_TARGET libzip)
pkg_check_modules(libpng REQUIRED IMPORTED_TARGET libpng)
pkg_check_modules(numa REQUIRED IMPORTED_TARGET numa)

# Debian's yaml-cpp exports its target without a namespace.
if(NOT TARGET yaml-cpp::yaml-cpp)
  add_library(yaml-cpp::yaml-cpp ALIAS yaml-cpp)
endif()

# bitshuffle comes as source from its Python package: the transformation and the LZ4 and Zstd
# block formats, without the HDF5 filter around them. io/ takes sizes of blocks from it; tests and
# benchmarks compare ours with the rest.
set(bitshuffle_source "${PNFLOW_CACHE}/bitshuffle/src")
add_library(bitshuffle STATIC "${bitshuffle_source}/bitshuffle.c"
            "${bitshuffle_source}/bitshuffle_core.c" "${bitshuffle_source}/iochain.c")
target_include_directories(bitshuffle SYSTEM PUBLIC "${bitshuffle_source}")
target_compile_definitions(bitshuffle PUBLIC ZSTD_SUPPORT)
target_link_libraries(bitshuffle PRIVATE PkgConfig::lz4 zstd::libzstd_shared)
set_target_properties(bitshuffle PROPERTIES COMPILE_WARNING_AS_ERROR OFF)
# Its transpositions store whole words wherever they fall, which x86 allows.
target_compile_options(bitshuffle PRIVATE "$<$<BOOL:${PNFLOW_SANITIZE}>:-fno-sanitize=alignment>")

# Without nvcc there is no libpnflow_cuda.so; nothing else needs it.
if(PNFLOW_CUDA)
  include(CheckLanguage)
  check_language(CUDA)
  if(CMAKE_CUDA_COMPILER)
    if(NOT DEFINED CMAKE_CUDA_ARCHITECTURES)
      set(CMAKE_CUDA_ARCHITECTURES 80 90)  # A100, H100 and H200; newer ones translate the latter
    endif()
    set(CMAKE_CUDA_STANDARD 20)
    set(CMAKE_CUDA_STANDARD_REQUIRED ON)
    enable_language(CUDA)
    find_package(CUDAToolkit 12.5 REQUIRED)
    add_compile_options("$<$<COMPILE_LANGUAGE:CUDA>:--expt-relaxed-constexpr;\
--Werror=all-warnings;-Xcompiler=-Wall,-Wextra>")
  else()
    message(STATUS "No nvcc: libpnflow_cuda.so is not built")
  endif()
endif()
