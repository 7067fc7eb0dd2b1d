# Language, warnings, optimisation, sanitizers, linker, compiler cache, and where outputs go.

if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "Build type" FORCE)
endif()

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_CXX_SCAN_FOR_MODULES OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_C_VISIBILITY_PRESET hidden)
set(CMAKE_CXX_VISIBILITY_PRESET hidden)
set(CMAKE_CUDA_VISIBILITY_PRESET hidden)
set(CMAKE_VISIBILITY_INLINES_HIDDEN ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_COMPILE_WARNING_AS_ERROR ON)

# One directory for the program, libpnflow.so and the engine modules: they find each other by it.
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/bin")
set(CMAKE_LIBRARY_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/bin")
set(CMAKE_BUILD_RPATH_USE_ORIGIN ON)
set(CMAKE_BUILD_RPATH "$ORIGIN")
# Installed, they find each other from bin/, lib/ and lib/pnflow/, wherever the whole is moved to;
# libraries outside of the system's directories (LibTorch) where they were.
set(CMAKE_INSTALL_RPATH_USE_LINK_PATH ON)

set(CMAKE_C_FLAGS_RELEASE "-O3 -g1 -DNDEBUG")
set(CMAKE_CXX_FLAGS_RELEASE "-O3 -g1 -DNDEBUG")

add_compile_options("$<$<COMPILE_LANGUAGE:CXX>:-Wall;-Wextra;-Wpedantic>")
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  # False reports for `"text" + std::string` (GCC bug 105651).
  add_compile_options("$<$<COMPILE_LANGUAGE:CXX>:-Wno-restrict>")
endif()
if(PNFLOW_NATIVE)
  add_compile_options("$<$<COMPILE_LANGUAGE:C,CXX>:-march=native>")
endif()

if(PNFLOW_SANITIZE STREQUAL "address")
  # vptr is left out: oneTBB's own headers trip it.
  set(PNFLOW_SANITIZE_FLAGS
      -fsanitize=address,undefined -fno-sanitize=vptr -fno-sanitize-recover=undefined)
elseif(PNFLOW_SANITIZE STREQUAL "thread")
  set(PNFLOW_SANITIZE_FLAGS -fsanitize=thread)
elseif(PNFLOW_SANITIZE)
  message(FATAL_ERROR "PNFLOW_SANITIZE is '${PNFLOW_SANITIZE}'; it can be 'address', 'thread' or empty")
endif()
if(PNFLOW_SANITIZE)
  add_compile_options("$<$<COMPILE_LANGUAGE:C,CXX>:${PNFLOW_SANITIZE_FLAGS};-fno-omit-frame-pointer>")
  add_link_options(${PNFLOW_SANITIZE_FLAGS})
endif()
if(PNFLOW_FUZZ)
  if(NOT CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
    message(FATAL_ERROR "PNFLOW_FUZZ needs clang, which brings libFuzzer; see the preset 'fuzz'")
  endif()
  add_compile_options("$<$<COMPILE_LANGUAGE:C,CXX>:-fsanitize=fuzzer-no-link>")
endif()

find_program(PNFLOW_MOLD mold)
if(PNFLOW_MOLD)
  add_link_options("$<$<LINK_LANGUAGE:C,CXX>:-fuse-ld=mold>")
endif()
add_link_options("$<$<LINK_LANGUAGE:C,CXX>:LINKER:--as-needed>")

# scripts/setup.sh leaves `.venv` as a link into its cache; what else it fetched lies beside that.
if(EXISTS "${PROJECT_SOURCE_DIR}/.venv")
  file(REAL_PATH "${PROJECT_SOURCE_DIR}/.venv" venv)
  set(PNFLOW_VENV "${venv}" CACHE INTERNAL "The Python environment that this tree was configured with")
  cmake_path(GET PNFLOW_VENV PARENT_PATH PNFLOW_CACHE)
else()
  message(FATAL_ERROR "There is no .venv in ${PROJECT_SOURCE_DIR}; run scripts/setup.sh first")
endif()

# The compiler cache is shared by all checkouts and build directories: paths below the checkout
# are made relative before they are hashed.
find_program(PNFLOW_CCACHE ccache)
if(PNFLOW_CCACHE)
  cmake_path(GET PNFLOW_CACHE PARENT_PATH cache_root)
  set(launcher "${CMAKE_COMMAND}" -E env "CCACHE_DIR=${cache_root}/ccache" CCACHE_NOHASHDIR=1
      "CCACHE_BASEDIR=${PROJECT_SOURCE_DIR}" "${PNFLOW_CCACHE}")
  set(CMAKE_C_COMPILER_LAUNCHER ${launcher})
  set(CMAKE_CXX_COMPILER_LAUNCHER ${launcher})
  set(CMAKE_CUDA_COMPILER_LAUNCHER ${launcher})
endif()
