#pragma once

#include <fstream>
#include <memory>
#include <string>
#include <utility>

#include "graph/node.h"
#include "graph/spec.h"

namespace my_nodes {

// A sink: a CSV file with a line for each event: number,sum,brightest.
class CsvWriter : public pnflow::Sink {
 public:
  struct Params {
    std::string file;
  };
  static void describe(pnflow::Spec<Params>& spec);

  explicit CsvWriter(Params params) : params_(std::move(params)) {}

  // Before the first event. Throws RunError when the file cannot be written: the run does not
  // begin.
  void open(pnflow::OpenContext& context) override;

  // The slow part, several messages at once: sums `image` (B,H,W) or (B,C,H,W) of any type and
  // makes the lines, of the living events only. Reads `number` (B) uint64 and `brightest` (B)
  // float64, ADU.
  std::unique_ptr<Prepared> prepare(const pnflow::Batch& batch,
                                    pnflow::Context& context) const override;

  // One message after the other, on a thread of this sink's own. The events count as delivered when
  // the operating system has the lines; throws DataError when it does not take them.
  void write(std::unique_ptr<Prepared> prepared, pnflow::Delivery&& delivery) override;

 private:
  struct Lines : Prepared {
    std::string text;
  };

  Params params_;
  std::ofstream out_;
};

}  // namespace my_nodes
