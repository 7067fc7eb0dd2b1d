#include "nodes/record.h"

#include <fmt/format.h>

#include <algorithm>
#include <variant>

#include "graph/error.h"
#include "io/output_directory.h"
#include "io/timestamps.h"

namespace pnflow {
namespace {

constexpr const char* lost_counter = "messages not recorded";

bool same(const Array& a, const Array& b) {
  return a.storage() == b.storage() || std::ranges::equal(a.raw(), b.raw());
}

}  // namespace

struct Record::Item : Sink::Prepared {
  Array wire;
  Array series_start;  // without elements: there is none
  std::int64_t arrival = 0;
};

void Record::describe(Spec<Params>& spec) {
  spec.summary("Stores messages as they came, to be played again with pnflow push.");
  spec.reads("wire").dtypes({DType::u8}).rank(1).help("the message's bytes, as they came");
  spec.reads("series_start")
      .optional()
      .dtypes({DType::u8})
      .rank(1)
      .help("the message that began the image's series (Simplon)");
  spec.default_on_error(OnError::stop);
  spec.default_observer();
  spec.param("directory", &Params::directory).help("where the files go; made when the run begins");
  spec.param("max_file", &Params::max_file)
      .help("a file that the next message would make longer is closed, and another one begun");
  spec.check("directory", [](const Params& p) -> std::optional<std::string> {
    if (!p.directory.empty()) return {};
    return "'directory' must have a name";
  });
  spec.check("max_file", [](const Params& p) -> std::optional<std::string> {
    if (p.max_file.bytes > 0) return {};
    return "'max_file' must be more than 0";
  });
}

Record::~Record() = default;

void Record::open(OpenContext& context) {
  const auto directory = output_directory(params_.directory);
  services_ = &context.services();
  stem_ = directory / fmt::format("{}-{}", context.run_name(), context.node_name());
}

std::unique_ptr<Sink::Prepared> Record::prepare(const Batch& batch, Context&) const {
  if (batch.attribute("first_event") != nullptr) {
    throw DataError("unsupported layout", "a part of a file is no message that could be recorded");
  }
  auto item = std::make_unique<Item>();
  item->wire = batch.array("wire");
  if (const Array* start = batch.find("series_start")) item->series_start = *start;
  const Attribute* const arrival = batch.attribute("arrival");
  const auto* const time = arrival != nullptr ? std::get_if<std::int64_t>(arrival) : nullptr;
  item->arrival = time != nullptr ? *time : unix_nanoseconds_now();
  return item;
}

// What the item adds to the file: its series' start first, where that is another one.
bool Record::needs_start(const Item& item) const {
  return item.series_start.elements() > 0 && (!file_ || !same(item.series_start, series_start_));
}

bool Record::fits(const Item& item) const {
  std::uint64_t bytes = file_->bytes() + RecordWriter::bytes_of(item.wire.bytes());
  if (needs_start(item)) bytes += RecordWriter::bytes_of(item.series_start.bytes());
  return file_->messages() == 0 || bytes + RecordWriter::end_bytes <= params_.max_file.bytes;
}

void Record::write(std::unique_ptr<Prepared> prepared, Delivery&& delivery) {
  const auto& item = static_cast<const Item&>(*prepared);
  try {
    if (file_ && !fits(item)) finish_file();
    if (!file_) begin_file();
    add(item);
  } catch (...) {
    services_->count(lost_counter, 1);
    // What is in the file is not to share the fate of this one.
    try {
      if (file_) finish_file();
    } catch (const DataError& error) {
      services_->log(LogLevel::error, error.what());
    }
    throw;
  }
  if (delivery.events() > 0) {
    pending_.push_back(std::move(delivery));
  } else {
    std::move(delivery).deliver();  // a raw message: there are no fates to wait for
  }
}

void Record::begin_file() {
  series_start_ = {};
  received_ = 0;
  while (!file_) {
    file_ = RecordWriter::create(fmt::format("{}_{:05}.tar", stem_.string(), files_++), written_);
  }
}

void Record::add(const Item& item) {
  if (needs_start(item)) {
    file_->add(item.series_start.raw(), item.arrival);
    series_start_ = item.series_start;
  }
  file_->add(item.wire.raw(), item.arrival);
  ++received_;
}

void Record::finish_file() {
  const auto file = std::move(file_);
  auto pending = std::exchange(pending_, {});
  written_ += file->messages();
  if (file->messages() == 0) return;
  try {
    file->commit();
  } catch (...) {
    services_->count(lost_counter, received_);
    services_->log(LogLevel::error, fmt::format("{} messages may be lost with their file {}",
                                                received_, file->partial().string()));
    for (Delivery& delivery : pending) std::move(delivery).fail_all("write");
    throw;
  }
  services_->log(LogLevel::info,
                 fmt::format("{}: {} messages", file->path().string(), file->messages()));
  for (Delivery& delivery : pending) std::move(delivery).deliver();
}

void Record::close() {
  if (file_) finish_file();
}

}  // namespace pnflow
