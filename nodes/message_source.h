#pragma once

#include <cstddef>
#include <optional>

#include "graph/node.h"
#include "io/simplon_series.h"

namespace pnflow {

// What sources of raw messages have in common: images of Simplon series wait for their start
// message (io/simplon_series.h), and in the end go on without it. For the source's own thread.
class MessageSource : public Source {
 public:
  std::optional<Batch> next(SourceContext& context) final;
  // Books the images that still wait.
  void abandon(SourceContext& context) final;

 protected:
  // At most `park` images wait.
  explicit MessageSource(std::size_t park) : series_(park) {}

  // The next message that has gone through series() and is to be handed on; nothing: the source has
  // ended. What next() of a source is held to holds here.
  virtual std::optional<Batch> receive(SourceContext& context) = 0;
  SimplonSeries& series() { return series_; }
  const SimplonSeries& series() const { return series_; }

 private:
  SimplonSeries series_;
  bool ended_ = false;
};

}  // namespace pnflow
