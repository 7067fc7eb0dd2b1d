#pragma once

#include <atomic>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "graph/node.h"
#include "graph/spec.h"
#include "io/cxi_file.h"
#include "io/cxi_run_files.h"
#include "nodes/cxi_prepare.h"

namespace pnflow {

// Writes events to CXI files that CrystFEL reads: section "CXI" of the formats (see io/cxi_file.h),
// named as io/cxi_run_files.h says.
//
// With `geometry`, a CrystFEL geometry, images (and mask, maps, peaks) are laid out as its slab,
// and RUN.geom is that geometry for our files (io/crystfel_for_cxi.h). Without it panels are one
// below the other, and RUN.geom is a skeleton.
//
// An event is delivered once its file is closed, on the disk and has its name, not before. A file
// is closed when it holds events_per_file events, when images of another shape or type come, and
// at the end. When writing fails, all events of that file have failed with "write", the file stays
// as NAME.partial, and the next message begins another file (if the run goes on at all).
class CxiWriter : public Sink {
 public:
  enum class Pixels { raw, float32 };
  struct Params {
    std::string directory;
    int events_per_file = 100;
    std::string compression = "gzip:1";
    Pixels data_type = Pixels::raw;
    bool save_segmap = false;
    bool save_logits = false;
    std::optional<std::string> geometry;
  };
  static void describe(Spec<Params>& spec);

  explicit CxiWriter(Params params);
  ~CxiWriter() override;

  // Reads the geometry and creates the directory, no file. Throws RunError when the directory
  // cannot be written to, and what SlabGeometry throws.
  void open(OpenContext& context) override;
  std::unique_ptr<Prepared> prepare(const Batch& batch, Context& context) const override;
  void write(std::unique_ptr<Prepared> prepared, Delivery&& delivery) override;
  // Completes the last file.
  void close() override;

 private:
  class Owed;
  using Entry = std::pair<std::shared_ptr<Owed>, std::size_t>;  // a message and its event's index

  void warn_once(std::atomic<bool>& done, bool when, const Context& context,
                 std::string_view line) const;
  void begin_file(const CxiPrepared& prepared);
  void finish_file();
  void lose_file();
  std::string geometry_text() const;
  bool fits(const CxiPrepared& prepared) const;

  Params params_;
  std::unique_ptr<const SlabGeometry> geometry_;  // that the images lie in; from open() on
  CxiImageOptions options_;
  CxiOrigin origin_;
  NodeServices* services_ = nullptr;
  std::optional<CxiRunFiles> names_;
  std::unique_ptr<CxiFile> file_;
  std::vector<Entry> entries_;  // events of file_
  mutable std::atomic<bool> warned_energy_ = false, warned_timestamp_ = false,
                            warned_camera_ = false;
};

}  // namespace pnflow
