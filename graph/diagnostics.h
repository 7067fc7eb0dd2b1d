#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "graph/export.h"
#include "graph/value.h"

namespace pnflow {

// Collects all faults of a configuration, and prints them as a compiler does:
//   graph.yaml:12:25: error: unknown key 'batchsize' of node 'infer' (infer)
//       infer: { type: infer, batchsize: 8 }
//                             ^
//     did you mean 'batch_size'?
// Lines and columns count from 1; a column is a byte of the line.
class PNFLOW_API Diagnostics {
 public:
  // Adds a text that marks may point into; returns its index for Mark::file.
  int add_text(std::string name, std::string_view text);

  // The text that a mark points into, as add_text() was told; empty when there is none.
  std::string_view text_name(Mark at) const;
  // The line that a mark points into; empty when there is none.
  std::string_view line_at(Mark at) const;

  // What has been said already about the same place is not repeated.
  void error(Mark at, std::string message, std::string hint = {});
  void warning(Mark at, std::string message, std::string hint = {});

  bool ok() const { return errors_ == 0; }
  std::size_t errors() const { return errors_; }
  bool empty() const { return entries_.empty(); }
  // All of them in the order of the text, then "3 errors".
  std::string render() const;

 private:
  struct Entry {
    Mark at;
    bool is_error;
    std::string message;
    std::string hint;
  };
  struct Text {
    std::string name;
    std::vector<std::string> lines;
  };
  void add(Entry entry);
  std::string render(const Entry& entry) const;

  std::vector<Text> texts_;
  std::vector<Entry> entries_;
  std::size_t errors_ = 0;
};

// The nearest of `known`, when its optimal string alignment distance is at most a third of the word
// (of a short word, 1).
PNFLOW_API std::optional<std::string> nearest(std::string_view word,
                                              std::span<const std::string> known);

// "did you mean 'batch_size'?" when one of `known` is near, otherwise "known: a, b, c"; empty when
// nothing is known.
PNFLOW_API std::string suggest(std::string_view word, std::span<const std::string> known);

}  // namespace pnflow
