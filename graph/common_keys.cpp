#include "graph/common_keys.h"

#include <algorithm>

namespace pnflow {

const NodeSpec& common_keys() {
  static const NodeSpec keys = [] {
    Spec<CommonKeys> spec;
    spec.param("workers", &CommonKeys::workers)
        .range(1, 1024)
        .help("messages that the node processes at once");
    spec.param("ordered", &CommonKeys::ordered)
        .help("takes its messages in the order in which the source sent them");
    spec.param("on_error", &CommonKeys::on_error)
        .choice("skip", OnError::skip)
        .choice("keep", OnError::keep)
        .choice("stop", OnError::stop)
        .choice("wait", OnError::wait)
        .help(
            "what becomes of a message that the node cannot process: its events fail (skip), and "
            "the raw message is stored (keep), or the run ends (stop); a writer of files may also "
            "wait for room on the disk (wait)");
    spec.param("observer", &CommonKeys::observer)
        .help("does not decide on the fate of events; for a display, a monitor");
    return std::move(spec).take();
  }();
  return keys;
}

ParamSpecs common_keys_of(const NodeType& type) {
  const bool works = type.kind != NodeKind::source && type.kind != NodeKind::gate;
  ParamSpecs keys;
  for (const auto& key : common_keys().params) {
    if ((key->name == "workers" && type.parallel) ||
        (key->name == "observer" && type.kind == NodeKind::sink) ||
        (works && (key->name == "ordered" || key->name == "on_error"))) {
      keys.push_back(key);
    }
  }
  return keys;
}

int default_workers(const NodeType& type) {
  return type.parallel ? std::max(1, type.spec.default_workers) : 1;
}

std::string_view name_of(OnError policy) {
  switch (policy) {
    case OnError::skip: return "skip";
    case OnError::keep: return "keep";
    case OnError::wait: return "wait";
    case OnError::stop: break;
  }
  return "stop";
}

}  // namespace pnflow
