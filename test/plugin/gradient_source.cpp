#include "gradient_source.h"

#include <algorithm>
#include <string>
#include <thread>
#include <utility>

namespace my_nodes {

void GradientSource::describe(pnflow::Spec<Params>& spec) {
  spec.summary("Gives events whose pixels are known: a gradient that brightens event by event.");
  spec.opens_events();
  spec.adds("image").dtypes({pnflow::DType::f32}).rank(3).help("pixels in ADU");
  spec.adds("number").dtypes({pnflow::DType::u64}).rank(1).help("of the event, from 0");
  spec.param("count", &Params::count).at_least(1).help("events to send");
  spec.param("events_per_message", &Params::events_per_message)
      .range(1, 4096)
      .help("the last message may have fewer");
  spec.param("rate", &Params::rate).help("events per second at most; 0: as fast as they are taken");
  spec.param("shape", &Params::shape).at_least(1).unit("pixels").help("of one event: [H, W]");
  spec.param("step", &Params::step).unit("ADU").help("by which each event is brighter");
  spec.check("shape", [](const Params& p) -> std::optional<std::string> {
    if (p.shape.size() == 2) return {};
    return "'shape' must be [H, W]";
  });
}

void GradientSource::open(pnflow::OpenContext& context) { context.expect_events(params_.count); }

std::optional<pnflow::Batch> GradientSource::next(pnflow::SourceContext& context) {
  if (sent_ == params_.count || !wait_for_turn(context)) return std::nullopt;
  const auto events = static_cast<std::size_t>(
      std::min<std::uint64_t>(params_.events_per_message, params_.count - sent_));
  const std::size_t height = params_.shape[0];
  const std::size_t width = params_.shape[1];

  pnflow::MutableArray image(context.pool(), pnflow::DType::f32, {events, height, width});
  pnflow::MutableArray number(context.pool(), pnflow::DType::u64, {events});
  for (std::size_t i = 0; i < events; ++i) {
    number.as<std::uint64_t>()[i] = sent_ + i;
    const double offset = static_cast<double>(sent_ + i) * params_.step;
    const auto pixels = image.as<float>().subspan(i * height * width, height * width);
    for (std::size_t p = 0; p < pixels.size(); ++p) {
      pixels[p] = static_cast<float>(offset + static_cast<double>(p % width));
    }
  }
  sent_ += events;

  pnflow::Batch batch(events);
  batch.set("image", std::move(image).freeze());
  batch.set("number", std::move(number).freeze());
  return batch;
}

// Sleeps until the next event is due; false when the run is stopped before. Looks up often enough
// for that to take effect at once.
bool GradientSource::wait_for_turn(const pnflow::SourceContext& context) {
  using namespace std::chrono;
  if (sent_ == 0) start_ = steady_clock::now();
  if (params_.rate.hertz > 0) {
    const auto due = start_ + duration_cast<steady_clock::duration>(duration<double>(
                                  static_cast<double>(sent_) / params_.rate.hertz));
    while (!context.stopping() && steady_clock::now() < due) {
      std::this_thread::sleep_until(std::min(due, steady_clock::now() + milliseconds(50)));
    }
  }
  return !context.stopping();
}

}  // namespace my_nodes
