#include "nodes/sim_source.h"

#include <fmt/format.h>

#include <algorithm>
#include <stdexcept>

#include "graph/error.h"
#include "io/timestamps.h"

namespace pnflow {
namespace {

template <class T>
void check_span(Spec<SimSource::Params>& spec, const char* name,
                std::vector<T> SimSource::Params::*member) {
  spec.check(name, [name, member](const SimSource::Params& p) -> std::optional<std::string> {
    const std::vector<T>& span = p.*member;
    if (span.empty() || span.size() > 2) {
      return fmt::format("'{}' must be one number or [least, most]", name);
    }
    if (span.front() > span.back()) {
      return fmt::format("'{}': the least must not exceed the most", name);
    }
    return {};
  });
}

RaggedTable first_events(const RaggedTable& table, std::size_t events) {
  RaggedTable cut;
  cut.offsets.assign(table.offsets.begin(),
                     table.offsets.begin() + static_cast<std::ptrdiff_t>(events) + 1);
  for (const auto& [name, column] : table.columns) {
    cut.columns.emplace(name, column.slice(0, cut.rows()));
  }
  return cut;
}

}  // namespace

void SimSource::describe(Spec<Params>& s) {
  s.summary("Simulates events with Bragg-like peaks, in place of a socket and a decoder.");
  s.opens_events();
  s.adds("image")
      .dtypes({DType::u16, DType::i16, DType::i32, DType::f32, DType::f64})
      .rank(3, 4)
      .help("pixels in ADU");
  s.adds("timestamp").dtypes({DType::u64}).rank(1).help("seconds << 32 | nanoseconds, at 120 Hz");
  s.adds("wavelength").dtypes({DType::f64}).rank(1).help("angstrom");
  s.adds("photon_energy").dtypes({DType::f64}).rank(1).help("eV");
  s.adds("mask")
      .dtypes({DType::u8})
      .help("1 = bad pixel; one for all events of the message")
      .when([](const Params& p) { return p.bad_pixels > 0 || p.geometry || p.mask; });
  s.adds("truth")
      .help("the peaks that were put in: table with panel, y, x, amplitude")
      .when([](const Params& p) { return p.truth; });

  s.param("shape", &Params::shape)
      .at_least(1)
      .unit("pixels")
      .help("of one event: [H, W], or [C, H, W] with C panels");
  s.param("dtype", &Params::dtype)
      .choice("uint16", DType::u16)
      .choice("int16", DType::i16)
      .choice("int32", DType::i32)
      .choice("float32", DType::f32)
      .choice("float64", DType::f64)
      .help("of the pixels");
  s.param("events_per_message", &Params::events_per_message)
      .range(1, 4096)
      .help("the last message may have fewer");
  s.param("count", &Params::count).help("events to send; 0: until the run is stopped");
  s.param("rate", &Params::rate).help("events per second at most; 0: as fast as they are taken");
  s.param("seed", &Params::seed).help("event n depends on the seed and n only");
  s.param("peaks", &Params::peaks).range(0, 100'000).help("per event: a number, or [least, most]");
  s.param("amplitude", &Params::amplitude)
      .at_least(0)
      .unit("ADU")
      .help("height of a peak above the background: a number, or [least, most]");
  s.param("sigma", &Params::sigma).range(0.1, 50).unit("pixels").help("of the Gaussian peaks");
  s.param("background", &Params::background)
      .range(0, 1e6)
      .unit("ADU")
      .help("mean of the Poisson background");
  s.param("noise", &Params::noise)
      .range(0, 1e6)
      .unit("ADU")
      .help("sigma of the Gaussian read noise");
  s.param("bad_pixels", &Params::bad_pixels)
      .range(0, 1)
      .help("fraction of the pixels that is dead or hot; they are given as field 'mask'");
  s.param("photon_energy", &Params::photon_energy).range(1, 1e6).unit("eV").help("of all events");
  s.param("start_time", &Params::start_time)
      .range(0, 2'000'000'000)  // with 5 years to 2^31, from where CrystFEL reads no time stamps
      .unit("s")
      .help("Unix time of event 0; the following ones are 1/120 s apart");
  s.param("preload", &Params::preload)
      .range(0, 65536)
      .unit("messages")
      .help(
          "make so many messages once and send them again and again, without a copy, with new "
          "time stamps; 0: make each one");
  s.param("truth", &Params::truth).help("attach the list of the peaks that were put in");

  describe_detector(s);
  s.check("shape", [](const Params& p) -> std::optional<std::string> {
    if (p.shape.size() == 2 || p.shape.size() == 3) return {};
    return "'shape' must be [H, W] or [C, H, W]";
  });
  check_span(s, "peaks", &Params::peaks);
  check_span(s, "amplitude", &Params::amplitude);
}

SimSource::SimSource(Params params) : params_(std::move(params)), pacer_(params_.rate) {}

void SimSource::open(OpenContext& context) {
  const std::size_t rank = params_.shape.size();
  SimulationSettings settings;
  settings.panels = rank == 3 ? params_.shape[0] : 0;
  settings.height = params_.shape[rank - 2];
  settings.width = params_.shape[rank - 1];
  settings.dtype = params_.dtype;
  settings.min_peaks = params_.peaks.front();
  settings.max_peaks = params_.peaks.back();
  settings.min_amplitude = params_.amplitude.front();
  settings.max_amplitude = params_.amplitude.back();
  settings.sigma = params_.sigma;
  settings.background = params_.background;
  settings.noise = params_.noise;
  settings.bad_pixels = params_.bad_pixels;
  settings.seed = params_.seed;
  try {
    simulation_ = std::make_unique<const Simulation>(settings);
  } catch (const std::invalid_argument& error) {
    throw RunError(error.what());
  }
  make_mask();
  if (params_.count > 0) context.expect_events(params_.count);
}

void SimSource::make_mask() {
  const auto simulated = simulation_->mask();
  if (!simulated.empty()) {
    mask_ = array_of(*heap_pool(), std::vector<std::uint8_t>(simulated.begin(), simulated.end()))
                .reshaped(simulation_->event_shape());
  }
  try {
    mask_ = DetectorMask(params_.geometry, params_.mask).with(mask_, simulation_->event_shape());
  } catch (const DataError& error) {
    throw RunError(std::string(error.detail()));
  }
}

SimSource::Content SimSource::make_content(std::uint64_t first_event, std::size_t events,
                                           SourceContext& context) const {
  MemoryPool& pool = context.pool();
  Shape shape = simulation_->event_shape();
  shape.insert(shape.begin(), events);
  MutableArray image(pool, params_.dtype, std::move(shape));
  std::vector<std::int32_t> panel;
  std::vector<double> y, x;
  std::vector<float> amplitude;
  Content content;
  for (std::size_t i = 0; i < events; ++i) {
    for (const SimulatedPeak& peak : simulation_->render(first_event + i, image.raw_at(i))) {
      panel.push_back(peak.panel);
      y.push_back(peak.y);
      x.push_back(peak.x);
      amplitude.push_back(peak.amplitude);
    }
    content.truth.offsets.push_back(panel.size());
  }
  content.image = std::move(image).freeze();
  content.truth.columns = {{"panel", array_of(pool, panel)},
                           {"y", array_of(pool, y)},
                           {"x", array_of(pool, x)},
                           {"amplitude", array_of(pool, amplitude)}};
  return content;
}

SimSource::Content SimSource::next_content(std::size_t events, SourceContext& context) {
  if (params_.preload == 0) return make_content(sent_events_, events, context);
  const Content& kept = preloaded_[sent_messages_ % preloaded_.size()];
  if (events == params_.events_per_message) return kept;
  return {kept.image.slice(0, events), first_events(kept.truth, events)};
}

Batch SimSource::make_message(const Content& content, std::size_t events, MemoryPool& pool) const {
  std::vector<std::uint64_t> timestamp(events);
  for (std::size_t i = 0; i < events; ++i) {
    timestamp[i] = pulse_timestamp(params_.start_time, sent_events_ + i);
  }
  Batch batch(events);
  batch.set("image", content.image);
  batch.set("timestamp", array_of(pool, timestamp));
  // A wavelength is its own inverse function here: both are 12398.4193 over the other.
  batch.set("wavelength",
            array_of(pool, std::vector<double>(events, photon_energy_ev(params_.photon_energy))));
  batch.set("photon_energy", array_of(pool, std::vector<double>(events, params_.photon_energy)));
  if (params_.truth) batch.set("truth", content.truth);
  if (mask_) batch.set_message_field("mask", *mask_);
  return batch;
}

std::optional<Batch> SimSource::next(SourceContext& context) {
  if (sent_messages_ == 0) {
    while (preloaded_.size() < params_.preload && !context.stopping()) {
      preloaded_.push_back(make_content(preloaded_.size() * params_.events_per_message,
                                        params_.events_per_message, context));
    }
  }
  std::size_t events = params_.events_per_message;
  if (params_.count > 0) {
    events =
        static_cast<std::size_t>(std::min<std::uint64_t>(events, params_.count - sent_events_));
  }
  if (events == 0 || !pacer_.wait_for_turn(events, context)) return std::nullopt;
  Batch batch = make_message(next_content(events, context), events, context.pool());
  sent_events_ += events;
  ++sent_messages_;
  return batch;
}

}  // namespace pnflow
