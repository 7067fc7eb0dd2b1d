#pragma once

#include <cuda.h>

#include <cstdint>

#include "gpu/peaknet_cuda/device.cuh"

// What kernels around Hopper's matrix products share: matrices in shared memory as they want them,
// the products, copies in the background. Compiled for sm_90a alone. A warpgroup is 4 warps, 128
// threads, whose first one is a multiple of 128.

namespace pnflow::device {

constexpr int warpgroup = 4 * warp;

// A matrix of bfloat16 in shared memory, its rows cut into panels of 64 or 128 bytes, panel behind
// panel. In a panel, the 16-byte pieces of a row are swapped in a way that depends on the row, so
// that 8 rows are read without conflicts. Begins at a multiple of 1024 bytes; rows are a multiple
// of 8.
template <int panel_bytes>
struct Panels {
  static_assert(panel_bytes == 64 || panel_bytes == 128);
  static constexpr int panel_pieces = panel_bytes / 16;
  static constexpr int panel_steps = panel_bytes / 32;  // of 16 columns, which a product takes
  static constexpr std::size_t alignment = 1024;

  // In bytes, of the 8 values from column 8 * piece of a row.
  static __device__ __forceinline__ std::uint32_t offset(int rows, int row, int piece) {
    const auto r = static_cast<std::uint32_t>(row);
    const auto p = static_cast<std::uint32_t>(piece);
    const std::uint32_t swapped = panel_bytes == 128 ? r % 8 : r / 2 % 4;
    return (p / panel_pieces * static_cast<std::uint32_t>(rows) + r) * panel_bytes +
           (p % panel_pieces ^ swapped) * 16;
  }

  // The descriptor of columns 16 * step to 16 * step + 15. `base` is the matrix's address in shared
  // memory.
  static __device__ __forceinline__ std::uint64_t columns(std::uint32_t base, int rows, int step) {
    const std::uint32_t address =
        base + static_cast<std::uint32_t>(step / panel_steps * rows * panel_bytes +
                                          step % panel_steps * 32);
    constexpr std::uint64_t eight_rows = 8 * panel_bytes / 16;
    constexpr std::uint64_t swizzle = panel_bytes == 128 ? 1 : 2;
    return std::uint64_t{(address & 0x3ffffU) >> 4U} | std::uint64_t{1} << 16U | eight_rows << 32U |
           swizzle << 62U;
  }
};

// Of the products, thread t of a warpgroup has rows 16 (t / 32) + t % 32 / 4 + 8 i and columns
// 8 j + 2 (t % 4) + e of each tile of 64 rows: sums[4 j + 2 i + e], with i and e 0 or 1.
// With the rows of the second matrix in this order, column `column` of the product being row
// output_of(column) of the matrix in memory, a thread has 8 neighbouring outputs in each 32 of
// them, from 32 g + 8 (t % 4): output 2 j + e of the 8 is sums[4 (4 g + j) + 2 i + e].
constexpr int output_of(int column) {
  return column / 32 * 32 + column % 8 / 2 * 8 + column % 32 / 8 * 2 + column % 2;
}

#define PNFLOW_REGISTERS_32                                                                    \
  "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, %16, %17, %18, %19, " \
  "%20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31"
#define PNFLOW_REGISTERS_48 \
  PNFLOW_REGISTERS_32       \
  ", %32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47"
#define PNFLOW_REGISTERS_64 \
  PNFLOW_REGISTERS_48       \
  ", %48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63"
#define PNFLOW_REGISTERS_128                                                                 \
  PNFLOW_REGISTERS_64                                                                        \
  ", %64, %65, %66, %67, %68, %69, %70, %71, %72, %73, %74, %75, %76, %77, %78, %79, %80, "  \
  "%81, %82, %83, %84, %85, %86, %87, %88, %89, %90, %91, %92, %93, %94, %95, %96, %97, "    \
  "%98, %99, %100, %101, %102, %103, %104, %105, %106, %107, %108, %109, %110, %111, %112, " \
  "%113, %114, %115, %116, %117, %118, %119, %120, %121, %122, %123, %124, %125, %126, %127"
#define PNFLOW_SUMS_8(i)                                                                     \
  "+f"(sums[i]), "+f"(sums[i + 1]), "+f"(sums[i + 2]), "+f"(sums[i + 3]), "+f"(sums[i + 4]), \
      "+f"(sums[i + 5]), "+f"(sums[i + 6]), "+f"(sums[i + 7])
#define PNFLOW_SUMS_32(i) \
  PNFLOW_SUMS_8(i), PNFLOW_SUMS_8(i + 8), PNFLOW_SUMS_8(i + 16), PNFLOW_SUMS_8(i + 24)
// `a`, `b`, `add`: the numbers of the operands behind the sums.
#define PNFLOW_PRODUCT(columns, registers, a, b, add)                                       \
  "{\n.reg .pred p;\nsetp.ne.b32 p, " add ", 0;\nwgmma.mma_async.sync.aligned.m64n" columns \
  "k16.f32.bf16.bf16 {" registers "}, " a ", " b ", p, 1, 1, 0, 0;\n}\n"

// sums (64 rows, 96, 128 or 256 columns) = or += a (64 x 16) b^T (columns x 16), between
// begin_products() and finish_products().
__device__ __forceinline__ void multiply(float (&sums)[48], std::uint64_t a, std::uint64_t b,
                                         bool add) {
  asm volatile(PNFLOW_PRODUCT("96", PNFLOW_REGISTERS_48, "%48", "%49", "%50")
               : PNFLOW_SUMS_32(0), PNFLOW_SUMS_8(32), PNFLOW_SUMS_8(40)
               : "l"(a), "l"(b), "r"(static_cast<int>(add)));
}
__device__ __forceinline__ void multiply(float (&sums)[64], std::uint64_t a, std::uint64_t b,
                                         bool add) {
  asm volatile(PNFLOW_PRODUCT("128", PNFLOW_REGISTERS_64, "%64", "%65", "%66")
               : PNFLOW_SUMS_32(0), PNFLOW_SUMS_32(32)
               : "l"(a), "l"(b), "r"(static_cast<int>(add)));
}
__device__ __forceinline__ void multiply(float (&sums)[128], std::uint64_t a, std::uint64_t b,
                                         bool add) {
  asm volatile(PNFLOW_PRODUCT("256", PNFLOW_REGISTERS_128, "%128", "%129", "%130")
               : PNFLOW_SUMS_32(0), PNFLOW_SUMS_32(32), PNFLOW_SUMS_32(64), PNFLOW_SUMS_32(96)
               : "l"(a), "l"(b), "r"(static_cast<int>(add)));
}

#undef PNFLOW_PRODUCT
#undef PNFLOW_SUMS_32
#undef PNFLOW_SUMS_8
#undef PNFLOW_REGISTERS_128
#undef PNFLOW_REGISTERS_64
#undef PNFLOW_REGISTERS_48
#undef PNFLOW_REGISTERS_32

__device__ __forceinline__ void begin_products() {
  asm volatile("wgmma.fence.sync.aligned;" ::: "memory");
}

// Waits for them. Other warps' products may still read the matrices.
template <int count>
__device__ __forceinline__ void finish_products(float (&sums)[count]) {
  asm volatile("wgmma.commit_group.sync.aligned;\nwgmma.wait_group.sync.aligned 0;" ::: "memory");
#pragma unroll
  for (int i = 0; i < count; ++i) asm volatile("" : "+f"(sums[i])::"memory");  // not used before
}

// What this thread has written to shared memory can be seen by products, behind the next barrier.
__device__ __forceinline__ void show_to_products() {
  asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
}

// The value. What is computed from it in a loop is computed each time, where the compiler would
// keep it in registers that there are none left of.
__device__ __forceinline__ int recomputed(int value) {
  asm volatile("" : "+r"(value));
  return value;
}

// A barrier for the threads of one warpgroup of up to 15.
__device__ __forceinline__ void sync_warpgroup(int group) {
  asm volatile("bar.sync %0, %1;" ::"r"(group + 1), "n"(warpgroup) : "memory");
}

__device__ __forceinline__ std::uint32_t shared_address(const void* shared) {
  return static_cast<std::uint32_t>(__cvta_generic_to_shared(shared));
}

// 16 bytes from global to shared memory, in the background.
__device__ __forceinline__ void copy_piece(std::uint32_t to, const void* from) {
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(to), "l"(from) : "memory");
}
// Until all pieces that this thread copies are there.
__device__ __forceinline__ void await_pieces() { asm volatile("cp.async.wait_all;" ::: "memory"); }

// A barrier, 8 bytes in shared memory, at which threads wait for tiles. One thread makes it, before
// a __syncthreads() that all of its users pass.
__device__ __forceinline__ void make_tile_barrier(std::uint32_t barrier) {
  asm volatile(
      "mbarrier.init.shared::cta.b64 [%0], 1;\nfence.mbarrier_init.release.cluster;" ::"r"(barrier)
      : "memory");
}
// Asks for a tile of tile_map() from `first_pixel`, of `bytes`. One thread does it, when no product
// reads what was in that place.
__device__ __forceinline__ void copy_tile(std::uint32_t to, const CUtensorMap& map, int first_pixel,
                                          int bytes, std::uint32_t barrier) {
  asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(barrier), "r"(bytes)
               : "memory");
  asm volatile(
      "cp.async.bulk.tensor.3d.shared::cluster.global.tile.mbarrier::complete_tx::bytes [%0], "
      "[%1, {%2, %3, %2}], [%4];" ::"r"(to),
      "l"(&map), "r"(0), "r"(first_pixel), "r"(barrier)
      : "memory");
}
// Until the tile is there, and products can see it. `turn` is 0 for the first tile that this
// barrier is for, 1 for the next one, 0 again, ...
__device__ __forceinline__ void await_tile(std::uint32_t barrier, int turn) {
  asm volatile(
      "{\n.reg .pred there;\nwaiting:\n"
      "mbarrier.try_wait.parity.shared::cta.b64 there, [%0], %1;\n@!there bra waiting;\n}\n" ::"r"(
          barrier),
      "r"(turn)
      : "memory");
}

}  // namespace pnflow::device
