#include "nodes/infer.h"

#include <fmt/format.h>

#include <algorithm>
#include <exception>
#include <future>
#include <iterator>
#include <semaphore>
#include <utility>

#include "graph/error.h"
#include "io/mask_file.h"
#include "nodes/infer_engines.h"

namespace pnflow {

namespace {

InferMessage::Failure failure_of(const std::exception_ptr& error) {
  constexpr const char* reason = "inference";
  try {
    std::rethrow_exception(error);
  } catch (const DataError& known) {
    return {known.reason(), std::string(known.detail())};
  } catch (const std::exception& known) {
    return {reason, known.what()};
  } catch (...) {
    return {reason, "an exception of an unknown type"};
  }
}

}  // namespace

Infer::Infer(Params params) : params_(std::move(params)) {}

Infer::~Infer() { close(); }

void Infer::open(OpenContext& context) {
  services_ = &context.services();
  region_ = context.region();
  window_ = context.window();
  options_ = {.pad = params_.pad,
              .crop = params_.crop,
              .normalize = params_.normalize,
              .output = params_.output,
              .logits = params_.logits,
              .mask = {},
              .results = {}};
  if (!params_.mask.empty()) options_.mask = load_mask(params_.mask, params_.mask_dataset);
  engines_ = make_engines(context.registry(), engine_settings(context), params_.devices.all);
  engines_left_ = static_cast<int>(engines_.size());
  batcher_ = std::make_unique<MicroBatcher>(
      MicroBatcher::Settings{.batch_size = params_.batch_size,
                             .max_wait = params_.max_wait,
                             .region = region_,
                             .aborting = [services = services_] { return services->aborting(); }});
  options_.results = engines_.front()->pool();
  start_feeders();
}

// Returns when all engines are warm: only then do the sources open.
void Infer::start_feeders() {
  std::vector<std::future<void>> warm;
  for (const auto& engine : engines_) {
    std::promise<void> promise;
    warm.push_back(promise.get_future());
    feeders_.emplace_back([this, &engine = *engine, promise = std::move(promise)]() mutable {
      try {
        engine.warm_up();
      } catch (...) {
        return promise.set_exception(std::current_exception());
      }
      promise.set_value();
      feed(engine);
    });
  }
  for (auto& one : warm) one.get();
}

std::optional<MapPadding> Infer::map_size() const {
  if (params_.pad || !params_.crop) return params_.pad;
  return MapPadding{.height = params_.crop->height, .width = params_.crop->width};
}

EngineSettings Infer::engine_settings(const OpenContext& context) const {
  EngineSettings settings;
  settings.node = context.node_name();
  settings.trace = services_->trace();
  settings.name = params_.engine;
  settings.weights = params_.weights;
  settings.precision = params_.precision;
  settings.devices = params_.devices.indices;
  settings.buffers = params_.buffers;
  settings.cuda_graph = params_.cuda_graph;
  settings.instances = params_.instances;
  settings.threads = params_.threads;
  settings.batch_size = params_.batch_size;
  settings.pad = map_size();
  settings.normalize = {params_.normalize_eps, params_.adu_per_photon.value_or(1)};
  settings.output = params_.output;
  settings.logits = params_.logits;
  settings.threshold = params_.threshold;
  settings.log = [services = services_](const std::string& line) {
    services->log(LogLevel::info, line);
  };
  return settings;
}

std::shared_ptr<MemoryPool> Infer::input_pool() { return engines_.front()->pool(); }

std::vector<Figure> Infer::figures() {
  std::vector<Figure> all;
  for (std::size_t i = 0; i < engines_.size(); ++i) {
    const auto measured = engines_[i]->figures();
    if (!measured) continue;
    // Two pipelines may be on one device.
    const std::string which = engines_.size() > 1 ? fmt::format("pipeline {}, ", i) : "";
    std::ranges::move(figures_of(*measured, which + "device " + measured->device),
                      std::back_inserter(all));
  }
  return all;
}

void Infer::submit(Batch batch, Completion completion) {
  Context& context = completion.context();
  std::shared_ptr<InferMessage> message;
  if (services_->aborting()) {
    context.fail_all("aborted");
  } else {
    try {
      auto made = std::make_shared<InferMessage>(batch, context, options_);
      reserve_results(*made);
      message = std::move(made);
    } catch (const DataError& error) {
      context.fail_all(error.reason(), error.detail());
    } catch (const std::exception& error) {
      context.fail_all("inference", error.what());
    }
  }
  if (!message) {
    batcher_->pass();
    std::move(completion).answer(std::move(batch));
    return;
  }
  look_at_first(*message, batch.events(), batch.attribute("normalized") != nullptr);
  message->owe(std::move(completion));
  if (message->images() == 0) {
    batcher_->pass();
    message->answer();
    return;
  }
  batcher_->add(std::move(message));
}

// Pinned memory takes long to get: room for the results of all messages that can be alive is taken
// when the first one of a size has come, and not when, some time, they are alive at once.
void Infer::reserve_results(InferMessage& message) {
  if (!options_.results) return;
  std::vector<std::shared_ptr<std::byte>> blocks;
  for (const std::size_t bytes : message.result_bytes()) {
    {
      const std::lock_guard lock(reserved_mutex_);
      if (!reserved_.insert(bytes).second) continue;
    }
    for (int i = 0; i < window_; ++i) blocks.push_back(options_.results->allocate(bytes));
  }
}

// What can only be known once images come.
void Infer::look_at_first(const InferMessage& message, std::size_t events, bool normalized) {
  if (normalized && message.key().normalize != params_.normalize &&
      !seen_normalized_.exchange(true)) {
    services_->log(LogLevel::warn,
                   "the producer has normalised the images: 'normalize' does not apply to them");
  }
  if (seen_first_.exchange(true) || !region_) return;
  const std::size_t admitted =
      static_cast<std::size_t>(region_->capacity) * events * message.images_per_event();
  std::size_t wanted = 0;
  for (const auto& engine : engines_) {
    wanted += params_.batch_size * static_cast<std::size_t>(engine->buffers());
  }
  if (admitted < wanted) {
    services_->log(
        LogLevel::warn,
        fmt::format("micro-batches will not fill: the limiter in front admits {} messages "
                    "of {} images, {} in all, and the engines take {} at once",
                    region_->capacity, events * message.images_per_event(), admitted, wanted));
  }
}

void Infer::feed(InferenceEngine& engine) {
  // Shared, because the last release may still be returning when nobody waits any more.
  const auto free = std::make_shared<std::counting_semaphore<>>(engine.buffers());
  for (;;) {
    // First a free set of buffers: until then images gather, and micro-batches become fuller.
    free->acquire();
    if (engine.lost() && engines_left_ > 0) break;  // the others take what comes
    auto taken = batcher_->take();
    if (!taken) break;
    const auto launch = std::make_shared<const Launch>(std::move(*taken));
    const auto done = [this, launch, free, &engine](const std::exception_ptr& error) {
      if (error) {
        const InferMessage::Failure failure = failure_of(error);
        if (engine.lost()) give_up(engine, failure.detail);
        settle(*launch, &failure);
      } else {
        settle(*launch, nullptr);
      }
      free->release();
    };
    if (services_->aborting()) {
      const InferMessage::Failure aborted{"aborted", {}};
      settle(*launch, &aborted);
      free->release();
      continue;
    }
    services_->count("micro_batches", 1);
    services_->count("images", launch->parts.size());
    engine.launch(launch->batch, done);
  }
  for (int i = 1; i < engine.buffers(); ++i) free->acquire();  // all others are done then
}

// What was on a failed device is lost. The last one goes on failing what comes, so that the run can
// drain.
void Infer::give_up(const InferenceEngine& engine, const std::string& error) {
  {
    const std::lock_guard lock(lost_mutex_);
    if (!lost_.insert(&engine).second) return;
    --engines_left_;
  }
  if (params_.on_device_error == OnDeviceError::go_on && engines_left_ > 0) {
    services_->log(LogLevel::error, fmt::format("{}; the run goes on with {} of {} pipelines",
                                                error, engines_left_.load(), engines_.size()));
  } else {
    services_->fail_run(error);
  }
}

void Infer::settle(const Launch& launch, const InferMessage::Failure* failure) {
  for (const Launch::Part& part : launch.parts) {
    if (!part.message->settle(part.image, failure)) continue;
    batcher_->leave();
    part.message->answer();
  }
}

void Infer::draining() { batcher_->drain(); }

void Infer::close() {
  if (batcher_) batcher_->close();
  feeders_.clear();  // joins them
}

}  // namespace pnflow
