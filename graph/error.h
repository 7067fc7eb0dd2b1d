#pragma once

#include <stdexcept>
#include <string>
#include <string_view>

#include "graph/export.h"

namespace pnflow {

// Data that cannot be used: a message, an event, a field. The *reason* is a short, stable phrase
// ("truncated", "wrong dtype") under which the ledger counts the loss; the *detail* says which
// message or field it was, what was expected and what was found.
class PNFLOW_API DataError : public std::runtime_error {
 public:
  DataError(std::string reason, const std::string& detail);
  ~DataError() override;
  const std::string& reason() const noexcept { return reason_; }
  // what() without the reason, valid as long as this.
  std::string_view detail() const noexcept;

 private:
  std::string reason_;
};

// The program cannot do what the configuration asks (no such file, port in use, no such engine):
// found in open(), it ends the run with exit code 1 before any data are consumed.
class PNFLOW_API RunError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
  ~RunError() override;
};

}  // namespace pnflow
