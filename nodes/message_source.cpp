#include "nodes/message_source.h"

namespace pnflow {

std::optional<Batch> MessageSource::next(SourceContext& context) {
  if (context.aborting()) return {};
  if (auto parked = series_.next_free()) return parked;
  if (!ended_) {
    if (auto batch = receive(context)) return batch;
    if (context.aborting()) return {};
    ended_ = true;
    series_.release();
  }
  return series_.next_free();
}

void MessageSource::abandon(SourceContext& context) {
  series_.release();
  while (series_.next_free()) context.unreadable("aborted", "parked for its start message");
}

}  // namespace pnflow
