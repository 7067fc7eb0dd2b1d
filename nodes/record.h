#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "graph/node.h"
#include "graph/spec.h"
#include "graph/units.h"
#include "io/record_writer.h"

namespace pnflow {

// Stores messages as they came from the socket, and when they came, in records (see
// io/record_writer.h) that `pnflow push` plays again: RUN-NODE_00000.tar, RUN-NODE_00001.tar, ...
// It stands beside the decoder, right behind the source, and observes unless told otherwise.
//
// A Simplon image cannot be read without the message that began its series (message field
// `series_start`): that one is written in front of the first image that it belongs to, and in front
// of the first image of each file, so that a file can be read alone.
//
// A file has its name once it is closed and on the disk: when the next message would make it longer
// than max_file, and at the end. When a message cannot be written, the ones before it are safe in a
// file of their own, it is counted ("messages not recorded"), and `on_error` says what follows; so
// are all the messages of a file that cannot be closed, which stays as NAME.partial.
class Record : public Sink {
 public:
  struct Params {
    std::string directory = "records";
    ByteSize max_file{std::uint64_t{4} << 30U};
  };
  static void describe(Spec<Params>& spec);

  explicit Record(Params params) : params_(std::move(params)) {}
  ~Record() override;

  // Creates the directory, no file. Throws RunError when it cannot be written to.
  void open(OpenContext& context) override;
  // The time of arrival is the attribute `arrival` (nanoseconds of Unix time), else now.
  std::unique_ptr<Prepared> prepare(const Batch& batch, Context& context) const override;
  void write(std::unique_ptr<Prepared> prepared, Delivery&& delivery) override;
  // Completes the last file.
  void close() override;

 private:
  struct Item;

  bool needs_start(const Item& item) const;
  bool fits(const Item& item) const;
  void begin_file();
  void add(const Item& item);
  void finish_file();

  Params params_;
  NodeServices* services_ = nullptr;
  std::filesystem::path stem_;
  std::size_t files_ = 0;      // names that have been tried
  std::uint64_t written_ = 0;  // messages in the files before this one
  std::unique_ptr<RecordWriter> file_;
  std::uint64_t received_ = 0;     // messages in file_, without starts of series
  Array series_start_;             // that the last image in file_ belongs to
  std::vector<Delivery> pending_;  // of messages with events, until file_ is complete
};

}  // namespace pnflow
