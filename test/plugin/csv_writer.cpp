#include "csv_writer.h"

#include <cstdint>
#include <iomanip>
#include <limits>
#include <sstream>

#include "graph/error.h"

namespace my_nodes {

namespace {

double sum_of(const pnflow::Array& image) {
  return pnflow::dispatch(image.dtype(), [&](auto type) {
    double sum = 0;
    for (const auto pixel : image.as<decltype(type)>()) sum += static_cast<double>(pixel);
    return sum;
  });
}

}  // namespace

void CsvWriter::describe(pnflow::Spec<Params>& spec) {
  spec.summary("Writes a CSV file with the summed pixels of each event.");
  spec.reads("image").rank(3, 4).help("raw pixels");
  spec.reads("number").dtypes({pnflow::DType::u64}).rank(1).help("of the event");
  spec.reads("brightest").dtypes({pnflow::DType::f64}).rank(1).help("pixel, ADU");
  spec.param("file", &Params::file).required().help("replaced when it exists");
}

void CsvWriter::open(pnflow::OpenContext&) {
  out_.open(params_.file, std::ios::trunc);
  out_ << "number,sum,brightest\n" << std::flush;
  if (!out_) throw pnflow::RunError("cannot write '" + params_.file + "'");
}

std::unique_ptr<pnflow::Sink::Prepared> CsvWriter::prepare(const pnflow::Batch& batch,
                                                           pnflow::Context& context) const {
  const pnflow::Array& images = batch.array("image");
  const auto number = batch.array("number").as<std::uint64_t>();
  const auto brightest = batch.array("brightest").as<double>();
  std::ostringstream lines;
  lines << std::setprecision(std::numeric_limits<double>::max_digits10);
  for (std::size_t i = 0; i < batch.events(); ++i) {
    if (!context.alive(i)) continue;
    lines << number[i] << ',' << sum_of(images.at(i)) << ',' << brightest[i] << '\n';
  }
  auto prepared = std::make_unique<Lines>();
  prepared->text = lines.str();
  return prepared;
}

void CsvWriter::write(std::unique_ptr<Prepared> prepared, pnflow::Delivery&& delivery) {
  out_ << static_cast<const Lines&>(*prepared).text << std::flush;
  if (!out_) throw pnflow::DataError("write failed", "'" + params_.file + "'");
  std::move(delivery).deliver();
}

}  // namespace my_nodes
