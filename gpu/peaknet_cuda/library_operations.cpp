#include "gpu/peaknet_cuda/library_operations.h"

#include <mutex>
#include <utility>

#include "gpu/peaknet_cuda/choose_algorithm.h"

namespace pnflow {

namespace {

// One at a time in the process: nobody's timing is disturbed, and the second of two instances that
// look for the same shape finds what the first one has chosen.
std::mutex& choosing_mutex() {
  static std::mutex mutex;
  return mutex;
}

}  // namespace

LibraryOperations::LibraryOperations(std::shared_ptr<AlgorithmCache> cache)
    : cache_(std::move(cache)) {}

template <class Shape, class Operation, class Handle>
Operation& LibraryOperations::find(Entries<Shape, Operation>& entries, const Shape& shape,
                                   Handle handle) {
  const auto found = std::ranges::find(entries, shape, &Entry<Shape, Operation>::shape);
  if (found != entries.end()) return *found->operation;
  return *entries.emplace_back(shape, std::make_unique<Operation>(handle, shape)).operation;
}

Gemm& LibraryOperations::product(const GemmShape& shape) {
  return find(products_, shape, cublas_.get());
}

Convolution& LibraryOperations::convolution(const ConvolutionShape& shape) {
  return find(convolutions_, shape, cudnn_.get());
}

template <class Shape, class Operation, class Choose>
void LibraryOperations::once(Entries<Shape, Operation>& entries, const Operation& operation,
                             const Choose& choose) {
  const auto entry = std::ranges::find_if(
      entries, [&](const auto& entry) { return entry.operation.get() == &operation; });
  if (entry->chosen) return;
  if (!room_to_choose_) {
    CudaBuffer room(MemoryKind::device);
    room.reserve(std::max(Gemm::most_workspace, Convolution::most_workspace));
    room_to_choose_.emplace(std::move(room));
  }
  const std::lock_guard lock(choosing_mutex());
  choose(room_to_choose_->data());
  entry->chosen = true;
}

void LibraryOperations::choose(Gemm& product, const GemmOperands& operands, cudaStream_t stream) {
  once(products_, product,
       [&](void* workspace) { choose_algorithm(product, *cache_, operands, workspace, stream); });
}

void LibraryOperations::choose(Convolution& convolution, const ConvolutionOperands& operands,
                               cudaStream_t stream) {
  once(convolutions_, convolution, [&](void* workspace) {
    choose_plan(convolution, *cache_, operands, workspace, Convolution::most_workspace, stream);
  });
}

bool LibraryOperations::settle() {
  cache_->save();
  room_to_choose_.reset();
  std::size_t bytes = 0;
  for (const auto& entry : products_) bytes = std::max(bytes, entry.operation->workspace_bytes());
  for (const auto& entry : convolutions_) {
    bytes = std::max(bytes, entry.operation->workspace_bytes());
  }
  const std::byte* const before = workspace_.data();
  workspace_.reserve(bytes);
  return workspace_.data() != before;
}

void LibraryOperations::run(Gemm& product, const GemmOperands& operands, cudaStream_t stream) {
  product.run(operands, workspace_.data(), stream);
}

void LibraryOperations::run(Convolution& convolution, const ConvolutionOperands& operands,
                            cudaStream_t stream) {
  convolution.run(operands, workspace_.data(), stream);
}

}  // namespace pnflow
