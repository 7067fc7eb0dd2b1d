#pragma once

#include <cublasLt.h>
#include <cudnn.h>

#include <stdexcept>

namespace pnflow {

// A call of cuBLASLt or cuDNN that failed. The text names the call and says what the library says.
class LibraryError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// Throw LibraryError unless `code` is success. `call` is what was asked for, for the message.
void check(cublasStatus_t code, const char* call);
void check(cudnnStatus_t code, const char* call);

}  // namespace pnflow
