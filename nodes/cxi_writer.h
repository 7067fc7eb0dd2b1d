#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "graph/node.h"
#include "graph/spec.h"
#include "io/cxi_file.h"
#include "io/cxi_run_files.h"
#include "nodes/cxi_closer.h"
#include "nodes/cxi_open_files.h"
#include "nodes/cxi_prepare.h"
#include "nodes/space_wait.h"

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
// at the end; that happens on a thread of its own, while the next file is being filled. With
// several workers as many files may be open at once (nodes/cxi_open_files.h).
//
// When writing fails, all events of that file have failed with "write", the file stays as
// NAME.partial, and the next message begins another file (if the run goes on at all). With
// `on_error: wait`, what fails for a reason that may pass is tried again until it has passed.
class CxiWriter : public Sink {
 public:
  enum class Pixels { raw, float32 };
  struct Params {
    std::string directory;
    std::string name = "{run}_{index}";
    int events_per_file = 100;
    std::string compression = "none";
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
  int writers(int workers) const override { return workers; }
  // Completes the files that are open.
  void close() override;

 private:
  void warn_once(std::atomic<bool>& done, bool when, const Context& context,
                 std::string_view line) const;
  std::unique_ptr<CxiFile> new_file(const CxiPrepared& prepared);
  void finish_file(CxiOpenFile open);
  void lose_file(CxiOpenFile open);
  void log_faults(const std::function<void()>& work);
  std::string geometry_text(const CxiPart& part) const;

  Params params_;
  std::unique_ptr<const SlabGeometry> geometry_;  // that the images lie in; from open() on
  CxiImageOptions options_;
  CxiOrigin origin_;
  NodeServices* services_ = nullptr;
  bool stops_ = false;  // the run, when a file is lost
  std::optional<SpaceWait> wait_;
  std::mutex names_mutex_;  // of CxiRunFiles::next()
  std::optional<CxiRunFiles> names_;
  CxiOpenFiles files_;
  std::optional<CxiCloser> closer_;  // goes first: it uses the others
  mutable std::atomic<bool> warned_energy_ = false, warned_timestamp_ = false,
                            warned_camera_ = false;
};

}  // namespace pnflow
