#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "graph/spec.h"
#include "graph/units.h"
#include "io/message_file.h"
#include "io/message_reader.h"
#include "nodes/message_source.h"
#include "nodes/pacer.h"
#include "nodes/scalar_field.h"

namespace pnflow {

// Messages from files, in place of a socket: message field "wire", uint8, which `decode` makes
// events of; attribute "file" says where it is from. A record's messages are handed on one by one,
// as they came, with their attribute "arrival" (int64, nanoseconds of Unix time). Any other file
// (HDF5, CXI, npz, a single message) is handed on in parts of `events_per_message` events: each has
// the whole file, mapped, as its "wire", and says which events are meant by the attributes
// "first_event" and "event_count" (int64); "wire_share" (double) is their share of all.
class FileSource : public MessageSource {
 public:
  enum class Pace { full, recorded };
  struct Params {
    std::vector<std::string> files{};  // names and patterns
    std::size_t events_per_message = 8;
    std::uint64_t first = 0;  // events to pass over
    std::uint64_t count = 0;  // events to send, of each pass; 0: all
    std::size_t loop = 1;     // passes; 0: without end
    Pace pace = Pace::full;
    Rate rate;
    std::vector<std::string> image{};
    std::vector<std::size_t> shape{};
    std::size_t park = 64;
  };
  static void describe(Spec<Params>& spec);

  explicit FileSource(Params params);
  // Throws RunError when a name or pattern finds no file, or one that cannot be read.
  void open(OpenContext& context) override;

 private:
  // A message of which some events may have been sent.
  struct Opened {
    std::string name{};
    Array bytes{};
    std::optional<std::int64_t> arrival{};
    std::size_t events = 0, next = 0, end = 0;  // of the message; 1 where they are not known
    std::size_t step = 0;                       // to send at once
    std::unique_ptr<MessageReader> reader{};    // where it was looked into
    std::unique_ptr<ScalarField> times{};       // of its events, where they set the pace
    // Unix time of the next event in nanoseconds, where it is known.
    std::optional<std::int64_t> time() const;
  };

  std::optional<Batch> receive(SourceContext& context) override;
  bool next_raw(SourceContext& context);
  bool next_file(bool had_enough, SourceContext& context);
  void look_into(MessageFile::Stored stored, SourceContext& context);
  std::uint64_t limit() const;  // the first event that is not sent any more, in each pass
  std::size_t count_events(Opened& opened) const;
  Batch take_part(std::size_t events);

  Params params_;
  Pacer pacer_;
  std::vector<std::string> names_;
  std::size_t file_ = 0, pass_ = 0;
  std::uint64_t position_ = 0;  // of the next message's first event, in this pass
  std::optional<MessageFile> messages_;
  std::optional<Opened> opened_;
  bool sent_in_pass_ = false;
  bool uncounted_logged_ = false;
};

}  // namespace pnflow
