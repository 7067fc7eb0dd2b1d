#pragma once

#include <cudnn.h>

#include <memory>
#include <span>
#include <type_traits>

#include "gpu/peaknet_cuda/library_error.h"

namespace pnflow {

// A descriptor of cuDNN's graph interface: attributes are set, then finalize() is called once.
// Attributes refer to other descriptors, which must live as long.
class CudnnDescriptor {
 public:
  explicit CudnnDescriptor(cudnnBackendDescriptorType_t type) {
    cudnnBackendDescriptor_t descriptor = nullptr;
    check(cudnnBackendCreateDescriptor(type, &descriptor), "cudnnBackendCreateDescriptor");
    descriptor_.reset(descriptor);
  }

  cudnnBackendDescriptor_t get() const { return descriptor_.get(); }

  template <class Value>
  void set(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, const Value& value) {
    check(cudnnBackendSetAttribute(get(), name, type, 1, &value), "cudnnBackendSetAttribute");
  }
  template <class Value>
  void set_all(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type,
               std::span<const Value> values) {
    check(cudnnBackendSetAttribute(get(), name, type, static_cast<std::int64_t>(values.size()),
                                   values.data()),
          "cudnnBackendSetAttribute");
  }
  void set(cudnnBackendAttributeName_t name, const CudnnDescriptor& other) {
    set(name, CUDNN_TYPE_BACKEND_DESCRIPTOR, other.get());
  }

  cudnnStatus_t try_finalize() { return cudnnBackendFinalize(get()); }
  void finalize() { check(try_finalize(), "cudnnBackendFinalize"); }

 private:
  struct Destroyer {
    void operator()(cudnnBackendDescriptor_t descriptor) const {
      cudnnBackendDestroyDescriptor(descriptor);
    }
  };
  std::unique_ptr<std::remove_pointer_t<cudnnBackendDescriptor_t>, Destroyer> descriptor_;
};

}  // namespace pnflow
