#pragma once

#include <cstddef>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "graph/node.h"
#include "graph/spec.h"
#include "graph/units.h"
#include "nodes/detector_mask.h"
#include "nodes/event_message.h"

namespace pnflow {

// Turns a message as it came from the socket (field `wire`) into events.
class Decode : public Transform {
 public:
  using Fields = EventMessage::Fields;
  struct Params {
    Fields fields;
    ProducerPadding padding = ProducerPadding::none;
    std::vector<std::size_t> shape;
    bool normalized = false;
    ByteSize max_decoded{std::uint64_t{4} << 30U};
    std::optional<std::string> geometry;
    std::optional<MaskSource> mask;
  };
  static void describe(Spec<Params>& spec);

  explicit Decode(Params params);

  // Reads the detector's geometry and mask. Throws RunError, what DetectorMask throws.
  void open(OpenContext& context) override;

  // Adds `image` (B,H,W) or (B,C,H,W) in the dtype of the message, in the memory that the nodes
  // behind want; `timestamp` (B) uint64 packed; `wavelength` (B) float64 angstrom and
  // `photon_energy` (B) float64 eV, NaN where unknown; `encoder` (B) float64; `id` (B) int64;
  // `label` of the image's shape; message field `mask` uint8 of one event's shape, the message's
  // own and the detector's. A field that the message does not have is left out. Attribute
  // `normalized` when the parameter is set.
  //
  // With the attributes "first_event" and "event_count" (int64) only these events are decoded;
  // attribute "file" is the name of the file that `wire` is from, for the texts of errors.
  //
  // Pixels that are not compressed and lie in the message as they are to be are not copied, unless
  // the nodes behind want them in memory of their own: `image` then keeps the message alive.
  //
  // A chunk of pixels or a time stamp that is damaged fails its event, whose pixels are 0.
  // Throws DataError for what costs the whole message: what EventMessage throws, and "implausible
  // size" for more pixels than `max_decoded`, "wrong shape" for images that the detector's geometry
  // or mask does not fit.
  Batch process(const Batch& batch, Context& context) const;

 private:
  // The part of a message that is asked for: all of it, or some of a file's events.
  struct Part {
    std::size_t first = 0, count = 0;
    std::string_view file;  // that the message is from, for texts; empty: it is from none
  };
  // Those that messages may come of at the same time; with what they have decompressed.
  static constexpr std::size_t kept_files = 2;

  static std::string_view file_of(const Batch& batch);
  static Part part_of(const Batch& batch, std::size_t events);
  static std::string place(const Part& part, std::size_t event, std::string_view detail);
  Batch decode(const Batch& batch, Context& context) const;
  std::shared_ptr<const EventMessage> opened(const Batch& batch) const;
  Array read_timestamps(const ScalarField& field, const Part& part, Context& context) const;
  std::vector<double> read_numbers(const ScalarField& field, const Part& part, const char* missing,
                                   bool positive, Context& context) const;
  void add_energy(const EventMessage& message, const Part& part, Batch& batch,
                  Context& context) const;
  Array read_ids(const ScalarField& field, const Part& part, Context& context) const;
  static std::optional<Array> shared_images(const EventMessage& message, const Part& part,
                                            const Context& context);
  Array read_images(const EventMessage& message, const Part& part, MutableArray image,
                    Context& context) const;
  Array read_labels(const EventMessage& message, const Part& part, Context& context) const;
  void note_images(const EventMessage& message, Context& context) const;
  void warn_once(const std::string& line, Context& context) const;

  Params params_;
  EventMessage::Request request_;
  std::unique_ptr<const DetectorMask> detector_;  // from open() on
  mutable std::mutex mutex_;  // guards what has been logged, and the files that are open
  mutable std::set<std::string, std::less<>> warned_;
  mutable std::string last_images_;
  mutable std::deque<std::shared_ptr<const EventMessage>> files_;  // the latest last
};

}  // namespace pnflow
