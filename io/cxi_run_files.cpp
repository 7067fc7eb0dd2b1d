#include "io/cxi_run_files.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace pnflow {

CxiRunFiles::CxiRunFiles(std::filesystem::path directory, std::string run, std::string node,
                         std::string origin)
    : directory_(std::move(directory)),
      run_(std::move(run)),
      node_(std::move(node)),
      origin_(std::move(origin)) {}

// Whoever creates STEM.json owns all names that begin with STEM.
void CxiRunFiles::claim_stem() {
  std::string stem = run_;
  for (int attempt = 1; !write_new_file(directory_ / (stem + ".json"), origin_); ++attempt) {
    stem = attempt == 1 ? fmt::format("{}-{}", run_, node_)
                        : fmt::format("{}-{}-{}", run_, node_, attempt);
  }
  stem_ = std::move(stem);
}

AtomicFile CxiRunFiles::next() {
  if (stem_.empty()) claim_stem();
  for (;;) {
    if (auto file = AtomicFile::create(directory_ / fmt::format("{}_{:05}.cxi", stem_, index_++))) {
      return *std::move(file);
    }
  }
}

void CxiRunFiles::list(const std::filesystem::path& file, const CxiFormat& format,
                       const std::string& geometry) {
  const ImageShape shape = {format.panels, format.height, format.width};
  const auto known = std::ranges::find(shapes_, shape);
  const bool is_new = known == shapes_.end();
  const auto number = known - shapes_.begin() + 1;
  const std::string stem = number == 1 ? stem_ : fmt::format("{}-{}", stem_, number);
  if (is_new) write_new_file(directory_ / (stem + ".geom"), geometry);
  append_to_file(directory_ / (stem + ".lst"), file.string() + "\n", is_new);
  if (is_new) shapes_.push_back(shape);
}

}  // namespace pnflow
