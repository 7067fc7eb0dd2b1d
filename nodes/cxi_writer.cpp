#include "nodes/cxi_writer.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <array>
#include <ctime>
#include <exception>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <span>
#include <string_view>
#include <utility>

#include "graph/error.h"
#include "io/crystfel_for_cxi.h"
#include "io/crystfel_skeleton.h"
#include "io/name_pattern.h"
#include "io/output_directory.h"

namespace pnflow {
namespace {

constexpr std::array<std::string_view, 4> placeholders = {"index", "run", "date", "node"};

std::string today() { return fmt::format("{:%Y-%m-%d}", fmt::localtime(std::time(nullptr))); }

std::string origin_text(const CxiOrigin& origin, const std::string& node) {
  nlohmann::json json;
  json["run"] = origin.run;
  json["node"] = node;
  json["pnflow"] = PNFLOW_VERSION;
  json["config"] = nlohmann::json::parse(origin.config, nullptr, false);
  if (json["config"].is_discarded()) json["config"] = origin.config;
  return json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

}  // namespace

void CxiWriter::describe(Spec<Params>& s) {
  s.summary("Writes events and their peaks to CXI files that CrystFEL reads.");
  s.reads("image").rank(3, 4).help("detector images as received, (B,H,W) or (B,C,H,W)");
  s.reads("peaks").optional().help("peaks of each event; without it there are none");
  s.reads("timestamp").optional().dtypes({DType::u64}).rank(1).help("seconds << 32 | nanoseconds");
  s.reads("photon_energy").optional().dtypes({DType::f64, DType::f32}).rank(1).help("eV");
  s.reads("encoder")
      .optional()
      .dtypes({DType::f32, DType::f64})
      .rank(1)
      .help("reading of the camera length encoder");
  s.reads("id")
      .optional()
      .dtypes({DType::i64})
      .rank(1)
      .help("the event's number at its producer, -1 when missing");
  s.reads("mask")
      .optional()
      .dtypes({DType::u8})
      .help("bad pixels of the whole message, (H,W) or (C,H,W), 0 is good");
  s.reads("segmap")
      .dtypes({DType::u8, DType::u64})
      .when([](const Params& p) { return p.save_segmap; })
      .help("segmentation map");
  s.reads("logits")
      .dtypes({DType::f32})
      .when([](const Params& p) { return p.save_logits; })
      .help("output of the model, (B,2,H,W) or (B,C,2,H,W)");
  s.default_on_error(OnError::stop);
  s.offers_wait();

  s.param("directory", &Params::directory)
      .required()
      .help(
          "where the files go; made when the run begins. {run}, {date} and {node} stand for the "
          "name of the run, the day on which it begins, and the node's name");
  s.param("name", &Params::name)
      .help(
          "how the files are called, without .cxi: with {index}, and the same placeholders as the "
          "directory; what lies beside the files is called the same without {index}");
  s.param("events_per_file", &Params::events_per_file)
      .range(1, 1'000'000)
      .help("a file is closed, and its events count as delivered, when it holds that many");
  s.param("compression", &Params::compression)
      .help(fmt::format("{}; CrystFEL needs a plugin of HDF5 for bitshuffle, and none for gzip, "
                        "which comes with shuffle",
                        cxi_compressions));
  s.check("directory", [](const Params& p) -> std::optional<std::string> {
    if (p.directory.empty()) return "'directory' must have a name";
    return pattern_fault(p.directory, std::span(placeholders).subspan(1));
  });
  s.check("name", [](const Params& p) -> std::optional<std::string> {
    if (auto fault = pattern_fault(p.name, placeholders)) return fault;
    const std::string fault = CxiRunFiles::name_fault(p.name);
    return fault.empty() ? std::nullopt : std::optional(fault);
  });
  s.check("compression", [](const Params& p) -> std::optional<std::string> {
    if (parse_cxi_compression(p.compression)) return {};
    return fmt::format("'{}' is not a compression: {}", p.compression, cxi_compressions);
  });
  s.param("data_type", &Params::data_type)
      .choice("raw", Pixels::raw)
      .choice("float32", Pixels::float32)
      .help("type of the pixels in the file; raw: as they arrived");
  s.param("save_segmap", &Params::save_segmap)
      .help("store segmentation maps beside the peaks; 0 where the model did not look (crop)");
  s.param("save_logits", &Params::save_logits)
      .help("store the model's output for both classes; NaN where it did not look (crop)");
  s.param("geometry", &Params::geometry)
      .shared()
      .help(
          "CrystFEL geometry in whose slab the images are laid out, and which says where peaks are "
          "in the laboratory; without it panels are one below the other");
}

CxiWriter::CxiWriter(Params params) : params_(std::move(params)) {
  const auto compression = parse_cxi_compression(params_.compression);
  if (!compression) throw RunError("'" + params_.compression + "' is not a compression");
  options_ = {.compression = *compression,
              .as_float32 = params_.data_type == Pixels::float32,
              .segmap = params_.save_segmap,
              .logits = params_.save_logits};
}

CxiWriter::~CxiWriter() = default;

void CxiWriter::open(OpenContext& context) {
  if (params_.geometry) {
    geometry_ = std::make_unique<const SlabGeometry>(*params_.geometry);
    options_.geometry = geometry_.get();
  }
  const std::array<std::pair<std::string_view, std::string>, 3> values = {
      {{"run", context.run_name()}, {"date", today()}, {"node", context.node_name()}}};
  const auto directory = output_directory(expand_pattern(params_.directory, values));
  services_ = &context.services();
  stops_ = context.on_error() == OnError::stop || context.on_error() == OnError::wait;
  if (context.on_error() == OnError::wait) wait_.emplace(*services_);
  origin_ = {.run = context.run_name(), .config = context.resolved_config()};
  names_.emplace(CxiRunFiles::Settings{.directory = directory,
                                       .name = expand_pattern(params_.name, values),
                                       .node = context.node_name(),
                                       .json = origin_text(origin_, context.node_name()),
                                       .origin = origin_,
                                       .wait = wait_ ? &*wait_ : nullptr});
  closer_.emplace([this](CxiOpenFile file) { finish_file(std::move(file)); },
                  [this] { log_faults([this] { names_->catch_up(); }); });
}

void CxiWriter::warn_once(std::atomic<bool>& done, bool when, const Context& context,
                          std::string_view line) const {
  if (when && !done.exchange(true)) context.log(LogLevel::warn, line);
}

std::unique_ptr<Sink::Prepared> CxiWriter::prepare(const Batch& batch, Context& context) const {
  auto prepared = prepare_cxi(batch, context, options_);
  warn_once(warned_energy_, prepared->without_energy > 0, context,
            "events without a photon energy: 0 eV is stored, which CrystFEL takes without a word");
  warn_once(warned_timestamp_, prepared->bad_timestamps > 0, context,
            "timestamps of 2^63 and above cannot be read by CrystFEL: 0 is stored");
  warn_once(warned_camera_, prepared->without_camera > 0, context,
            "events without a camera length: peaks have no z and no resolution (the geometry's "
            "clen is absent, or a path and there is no field 'encoder')");
  if (prepared->dropped_peaks > 0) {
    context.count("peaks outside of the image", prepared->dropped_peaks);
  }
  return prepared;
}

std::unique_ptr<CxiFile> CxiWriter::new_file(const CxiPrepared& prepared) {
  std::vector<std::uint8_t> mask;
  if (prepared.mask) {
    const auto pixels = prepared.mask->as<std::uint8_t>();
    mask.assign(pixels.begin(), pixels.end());
  }
  std::unique_lock lock(names_mutex_);
  AtomicFile file = names_->next();
  lock.unlock();
  return std::make_unique<CxiFile>(std::move(file), prepared.format, origin_,
                                   static_cast<std::size_t>(params_.events_per_file),
                                   std::move(mask));
}

void CxiWriter::write(std::unique_ptr<Prepared> prepared, Delivery&& delivery) {
  auto& message = static_cast<CxiPrepared&>(*prepared);
  const auto owed = std::make_shared<OwedDelivery>(std::move(delivery));
  auto item = message.items.begin();
  CxiOpenFiles::Hold hold(files_, message);
  CxiOpenFile& open = hold.open;
  try {
    if (open.file && !open.fits(message)) closer_->take(std::exchange(open, {}));
    for (; item != message.items.end(); ++item) {
      if (!open.file) open.file = new_file(message);
      open.append(owed, std::move(*item));
      if (open.file->full()) closer_->take(std::exchange(open, {}));
    }
  } catch (...) {
    lose_file(std::exchange(open, {}));
    for (; item != message.items.end(); ++item) owed->lose(item->index);
    owed->settle();
    throw;
  }
  owed->settle();
}

// Of the geometry beside the files.
std::string CxiWriter::geometry_text(const CxiPart& part) const {
  const bool mask = part.mask != nullptr;
  return geometry_ ? crystfel_for_cxi(geometry_->text, geometry_->geometry, mask)
                   : crystfel_skeleton(part.format, mask);
}

// For what stands beside the files: when it cannot be written, the events are safe nevertheless.
void CxiWriter::log_faults(const std::function<void()>& work) {
  try {
    work();
  } catch (const std::exception& error) {
    services_->log(LogLevel::error, error.what());
  }
}

void CxiWriter::finish_file(CxiOpenFile open) {
  CxiFile& file = *open.file;
  std::optional<CxiPart> part;
  try {
    part = file.commit();
  } catch (const std::exception& error) {
    services_->log(LogLevel::error, error.what());
    if (stops_) services_->fail_run(error.what());
    return lose_file(std::move(open));
  }
  log_faults([&] { names_->closed(*part, geometry_text(*part)); });
  services_->log(LogLevel::info, fmt::format("{}: {} events", file.path().string(), file.events()));
  open.settle();
}

// Gives up an open file: none of its events has arrived.
void CxiWriter::lose_file(CxiOpenFile open) {
  if (!open.entries.empty()) {
    services_->log(LogLevel::error, fmt::format("{} events are lost with their file: failed: write",
                                                open.entries.size()));
  }
  open.lose();
}

void CxiWriter::close() {
  for (CxiOpenFile& open : files_.take_all()) closer_->take(std::move(open));
  closer_->finish();
}

}  // namespace pnflow
