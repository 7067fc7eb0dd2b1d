#include "nodes/cxi_writer.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <exception>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string_view>

#include "graph/error.h"
#include "io/crystfel_for_cxi.h"
#include "io/crystfel_skeleton.h"
#include "io/output_directory.h"

namespace pnflow {
namespace {

constexpr int default_gzip_level = 1;
constexpr int highest_gzip_level = 9;  // of HDF5's filter

struct Compression {
  std::optional<int> gzip_level;
};

// "none", "gzip", "gzip:LEVEL"; nothing when it is none of these.
std::optional<Compression> parse_compression(std::string_view text) {
  if (text == "none") return Compression{};
  if (text == "gzip") return Compression{default_gzip_level};
  constexpr std::string_view prefix = "gzip:";
  if (!text.starts_with(prefix)) return {};
  text.remove_prefix(prefix.size());
  int level = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), level);
  if (error != std::errc{} || end != text.data() + text.size()) return {};
  if (level < 1 || level > highest_gzip_level) return {};
  return Compression{level};
}

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

// A message some of whose events are in files that are not closed yet. It is answered when the last
// of them is settled; forgotten before that, its Delivery says so by itself.
class CxiWriter::Owed {
 public:
  // Owes one answer to whoever makes it, and one to each expect().
  explicit Owed(Delivery&& delivery) : delivery_(std::move(delivery)) {}

  void expect() { ++open_; }
  void settle() {
    if (--open_ == 0) std::move(delivery_).deliver();
  }
  // An event that will be in no file.
  void lose(std::size_t event) { delivery_.fail(event, "write"); }

 private:
  Delivery delivery_;
  std::size_t open_ = 1;
};

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

  s.param("directory", &Params::directory)
      .required()
      .help("where the files go; made when the run begins");
  s.param("events_per_file", &Params::events_per_file)
      .range(1, 1'000'000)
      .help("a file is closed, and its events count as delivered, when it holds that many");
  s.param("compression", &Params::compression)
      .help("none, gzip or gzip:LEVEL with LEVEL 1 to 9 (with shuffle); CrystFEL reads them all");
  s.check("directory", [](const Params& p) -> std::optional<std::string> {
    if (!p.directory.empty()) return {};
    return "'directory' must have a name";
  });
  s.check("compression", [](const Params& p) -> std::optional<std::string> {
    if (parse_compression(p.compression)) return {};
    return fmt::format("'{}' is not a compression: none, gzip or gzip:LEVEL with LEVEL 1 to {}",
                       p.compression, highest_gzip_level);
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
  const auto compression = parse_compression(params_.compression);
  if (!compression) throw RunError("'" + params_.compression + "' is not a compression");
  options_ = {.gzip_level = compression->gzip_level,
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
  const auto directory = output_directory(params_.directory);
  services_ = &context.services();
  origin_ = {.run = context.run_name(), .config = context.resolved_config()};
  names_.emplace(directory, origin_.run, context.node_name(),
                 origin_text(origin_, context.node_name()));
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

bool CxiWriter::fits(const CxiPrepared& prepared) const {
  if (!file_ || file_->format() != prepared.format) return false;
  if (!prepared.mask) return file_->mask().empty();
  return std::ranges::equal(prepared.mask->as<std::uint8_t>(), file_->mask());
}

void CxiWriter::begin_file(const CxiPrepared& prepared) {
  std::vector<std::uint8_t> mask;
  if (prepared.mask) {
    const auto pixels = prepared.mask->as<std::uint8_t>();
    mask.assign(pixels.begin(), pixels.end());
  }
  AtomicFile file = names_->next();
  file_ =
      std::make_unique<CxiFile>(std::move(file), prepared.format, origin_,
                                static_cast<std::size_t>(params_.events_per_file), std::move(mask));
}

void CxiWriter::write(std::unique_ptr<Prepared> prepared, Delivery&& delivery) {
  auto& message = static_cast<CxiPrepared&>(*prepared);
  const auto owed = std::make_shared<Owed>(std::move(delivery));
  auto item = message.items.begin();
  try {
    if (file_ && !fits(message)) finish_file();
    for (; item != message.items.end(); ++item) {
      if (!file_) begin_file(message);
      owed->expect();
      entries_.emplace_back(owed, item->index);
      file_->append(std::move(item->event));
      if (file_->full()) finish_file();
    }
  } catch (...) {
    lose_file();
    for (; item != message.items.end(); ++item) owed->lose(item->index);
    owed->settle();
    throw;
  }
  owed->settle();
}

// Of the geometry beside the files.
std::string CxiWriter::geometry_text() const {
  const bool mask = !file_->mask().empty();
  return geometry_ ? crystfel_for_cxi(geometry_->text, geometry_->geometry, mask)
                   : crystfel_skeleton(file_->format(), mask);
}

void CxiWriter::finish_file() {
  file_->commit();
  try {
    names_->list(file_->path(), file_->format(), geometry_text());
  } catch (const std::exception& error) {
    // The events are safe; what is missing is only a line in a list.
    services_->log(LogLevel::error, error.what());
  }
  services_->log(LogLevel::info,
                 fmt::format("{}: {} events", file_->path().string(), file_->events()));
  for (const auto& [message, event] : entries_) message->settle();
  entries_.clear();
  file_.reset();
}

// Gives up the open file: none of its events has arrived.
void CxiWriter::lose_file() {
  if (!entries_.empty()) {
    services_->log(LogLevel::error, fmt::format("{} events are lost with their file: failed: write",
                                                entries_.size()));
  }
  for (const auto& [message, event] : entries_) {
    message->lose(event);
    message->settle();
  }
  entries_.clear();
  file_.reset();
}

void CxiWriter::close() {
  if (!file_) return;
  try {
    finish_file();
  } catch (...) {
    lose_file();
    throw;
  }
}

}  // namespace pnflow
