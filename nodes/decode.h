#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "graph/node.h"
#include "graph/spec.h"
#include "graph/units.h"
#include "nodes/image_layout.h"
#include "nodes/scalar_field.h"

namespace pnflow {

// Turns a message as it came from the socket (field `wire`) into events.
class Decode : public Transform {
 public:
  // Where a field is in the message: the first of the names that it has; without any, those that
  // its format uses.
  struct Fields {
    std::vector<std::string> image, timestamp, wavelength, photon_energy, encoder, original_shape;
  };
  struct Params {
    Fields fields;
    ProducerPadding padding = ProducerPadding::none;
    std::vector<std::size_t> shape;
    bool normalized = false;
    ByteSize max_decoded{std::uint64_t{4} << 30U};
  };
  static void describe(Spec<Params>& spec);

  explicit Decode(Params params);

  // Adds `image` (B,H,W) or (B,C,H,W) in the dtype of the message, in the memory that the nodes
  // behind want; `timestamp` (B) uint64 packed; `wavelength` (B) float64 angstrom and
  // `photon_energy` (B) float64 eV, NaN where unknown; `encoder` (B) float64. A field that the
  // message does not have is left out. Attribute `normalized` when the parameter is set.
  //
  // A chunk of pixels or a time stamp that is damaged fails its event, whose pixels are 0.
  // Throws DataError for what costs the whole message: "unknown format", "unsupported format",
  // "truncated", "damaged metadata", "missing image", "no events", "wrong shape", "wrong dtype",
  // "no original shape", "implausible size", "unknown filter N".
  Batch process(const Batch& batch, Context& context) const;

 private:
  struct Message;

  Message parse(std::span<const std::byte> wire, Context& context) const;
  std::optional<Shape> original_shape(const MessageReader& reader) const;
  // `what` names a field that is missed when it is not there; nullptr: it is not.
  std::unique_ptr<ScalarField> scalar(const MessageReader& reader,
                                      const std::vector<std::string>& names, const char* what,
                                      std::size_t events, Context& context) const;
  Array read_timestamps(const ScalarField& field, Context& context) const;
  std::vector<double> read_numbers(const ScalarField& field, const char* missing,
                                   Context& context) const;
  Array read_images(const Message& message, MutableArray image, Context& context) const;
  void add_energy(const Message& message, Batch& batch, Context& context) const;
  void note_images(const Message& message, Context& context) const;
  void warn_once(const std::string& line, Context& context) const;

  Params params_;
  mutable std::mutex mutex_;  // guards what has been logged
  mutable std::set<std::string, std::less<>> warned_;
  mutable std::string last_images_;
};

}  // namespace pnflow
