#include "graph/log.h"

#include <spdlog/sinks/stdout_sinks.h>

namespace pnflow {

const std::shared_ptr<spdlog::logger>& logger() {
  static const auto instance = [] {
    auto log = std::make_shared<spdlog::logger>("pnflow",
                                                std::make_shared<spdlog::sinks::stderr_sink_mt>());
    log->set_pattern(log_pattern);
    log->flush_on(spdlog::level::info);
    return log;
  }();
  return instance;
}

}  // namespace pnflow
