#include "nodes/infer.h"

#include <fmt/format.h>

#include <algorithm>
#include <exception>
#include <semaphore>
#include <utility>

#include "gpu/builtin_engines.h"
#include "graph/error.h"
#include "graph/registry.h"
#include "io/mask_file.h"

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
  options_ = {params_.pad, params_.normalize, params_.output, params_.logits, {}};
  if (!params_.mask.empty()) options_.mask = load_mask(params_.mask, params_.mask_dataset);
  make_engines(context);
  batcher_ = std::make_unique<MicroBatcher>(
      MicroBatcher::Settings{.batch_size = params_.batch_size,
                             .max_wait = params_.max_wait,
                             .region = region_,
                             .aborting = [services = services_] { return services->aborting(); }});
  for (const auto& engine : engines_) {
    feeders_.emplace_back([this, &engine = *engine] { feed(engine); });
  }
}

void Infer::make_engines(OpenContext& context) {
  Registry& registry = context.registry();
  const auto find = [&] { return registry.find_offer(engine_interface, params_.engine); };
  auto offer = find();
  if (!offer) {
    register_builtin_engines(registry);
    offer = find();
  }
  if (!offer && params_.engine == "torchscript") {
    load_module(registry, "torch",
                "engine 'torchscript' is a module of its own; scripts/build.sh default builds it");
    offer = find();
  }
  if (!offer) {
    throw RunError(fmt::format("there is no engine '{}'; there are: {}", params_.engine,
                               fmt::join(registry.offers(engine_interface), ", ")));
  }
  EngineSettings settings;
  settings.name = params_.engine;
  settings.weights = params_.weights;
  settings.precision = params_.precision;
  settings.instances = params_.instances;
  settings.threads = params_.threads;
  settings.batch_size = params_.batch_size;
  settings.pad = params_.pad;
  settings.normalize_eps = params_.normalize_eps;
  settings.output = params_.output;
  settings.logits = params_.logits;
  settings.threshold = params_.threshold;
  settings.log = [services = services_](const std::string& line) {
    services->log(LogLevel::info, line);
  };
  engines_ = std::static_pointer_cast<EngineFactory>(offer)->make(settings);
}

std::shared_ptr<MemoryPool> Infer::input_pool() { return engines_.front()->input_pool(); }

void Infer::submit(Batch batch, Completion completion) {
  Context& context = completion.context();
  std::shared_ptr<InferMessage> message;
  if (services_->aborting()) {
    context.fail_all("aborted");
  } else {
    try {
      message = std::make_shared<InferMessage>(batch, context, options_);
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
  const std::size_t wanted = params_.batch_size * engines_.size();
  if (admitted < wanted) {
    services_->log(
        LogLevel::warn,
        fmt::format("micro-batches will not fill: the limiter in front admits {} messages "
                    "of {} images, {} in all, and 'batch_size' x 'instances' is {}",
                    region_->capacity, events * message.images_per_event(), admitted, wanted));
  }
}

void Infer::feed(InferenceEngine& engine) {
  // Shared, because the last release may still be returning when nobody waits any more.
  const auto free = std::make_shared<std::counting_semaphore<>>(engine.buffers());
  for (;;) {
    // First a free set of buffers: until then images gather, and micro-batches become fuller.
    free->acquire();
    auto taken = batcher_->take();
    if (!taken) break;
    const auto launch = std::make_shared<const Launch>(std::move(*taken));
    const auto done = [this, launch, free](const std::exception_ptr& error) {
      if (error) {
        const InferMessage::Failure failure = failure_of(error);
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
