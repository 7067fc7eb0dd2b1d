#pragma once

// What a plugin must have in common with libpnflow.so: pnflow's major and minor version, the number
// of the interface, the compiler and its major version, the standard library's ABI, the sanitizer.
// Evaluated in the plugin by
//   extern "C" PNFLOW_API const char* pnflow_abi() { return PNFLOW_ABI_STRING; }

#include <string>  // defines the library's macros

// Raise it by one with every change after which a plugin that was built before must not be loaded:
// a public header (graph/CMakeLists.txt lists them) gets, loses, moves or changes a virtual
// function, a member of a class, an enumerator in front of others, or a function's parameters.
// Within a version of pnflow nothing else tells two such states apart; it never goes back.
#define PNFLOW_ABI_INTERFACE 2

#define PNFLOW_STRINGIFY_(x) #x
#define PNFLOW_STRINGIFY(x) PNFLOW_STRINGIFY_(x)

#if defined(__clang__)
#define PNFLOW_ABI_COMPILER "clang-" PNFLOW_STRINGIFY(__clang_major__)
#else
#define PNFLOW_ABI_COMPILER "gcc-" PNFLOW_STRINGIFY(__GNUC__)
#endif

#if defined(_LIBCPP_VERSION)
#define PNFLOW_ABI_LIBRARY "libc++"
#else
#define PNFLOW_ABI_LIBRARY "libstdc++-cxx11abi" PNFLOW_STRINGIFY(_GLIBCXX_USE_CXX11_ABI)
#endif

#if defined(__has_feature)  // Clang has no macros for it
#if __has_feature(address_sanitizer)
#define PNFLOW_ABI_SANITIZER "asan"
#elif __has_feature(thread_sanitizer)
#define PNFLOW_ABI_SANITIZER "tsan"
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define PNFLOW_ABI_SANITIZER "asan"
#elif defined(__SANITIZE_THREAD__)
#define PNFLOW_ABI_SANITIZER "tsan"
#endif
#if !defined(PNFLOW_ABI_SANITIZER)
#define PNFLOW_ABI_SANITIZER "none"
#endif

#define PNFLOW_ABI_STRING                                                      \
  "pnflow-" PNFLOW_ABI_VERSION                                                 \
  " interface-" PNFLOW_STRINGIFY(PNFLOW_ABI_INTERFACE) " " PNFLOW_ABI_COMPILER \
                                                       " " PNFLOW_ABI_LIBRARY  \
                                                       " sanitizer-" PNFLOW_ABI_SANITIZER
