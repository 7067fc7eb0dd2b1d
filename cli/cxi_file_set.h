#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "io/crystfel_stream.h"
#include "io/cxi_master_parts.h"
#include "io/cxi_reader.h"

namespace pnflow {

// CXI files as the images of a stream name them. Of any number: only a few are open at a time,
// those that were read last. For one thread at a time.
//
// A master (io/cxi_master.h) is a file like any other; chunks may name its parts as well, whose
// events are found in it. Where the parts are among the files too, it has no events of its own:
// chunks that name it find those of its parts.
class CxiFileSet {
 public:
  struct File {
    std::string name;
    std::size_t first = 0;              // number of its first event through all files
    std::size_t events = 0;             // that are counted
    std::size_t height = 0, width = 0;  // of an image; 0 when the file has none
    std::vector<bool> seen;             // whether its events were taken
    std::vector<CxiMasterPart> parts;   // of a master
  };
  struct Place {
    File* file = nullptr;
    std::size_t index = 0;  // in the file
  };

  // Throws RunError that names the file: it is not there, damaged, or no CXI file.
  explicit CxiFileSet(const std::vector<std::string>& files);
  CxiFileSet(const CxiFileSet&) = delete;
  CxiFileSet& operator=(const CxiFileSet&) = delete;
  ~CxiFileSet();

  std::size_t files() const { return files_.size(); }
  std::size_t events() const { return events_; }

  // The event that a chunk is of: in the file of that path, else in the only one of that name.
  std::optional<Place> find(const StreamChunk& chunk);
  // An event by its number through all files; nothing behind the last.
  std::optional<Place> find(std::size_t number);

  // Why the peaks of an event cannot be read; empty when they can.
  std::string fault(const Place& place);

  // Valid until the next call. Throws RunError as the constructor does.
  const CxiReader& reader(const File& file);

 private:
  struct OpenFile;
  // What events of a named file are: those from `first` on are those of `file` from `index` on.
  struct Range {
    std::size_t first = 0, events = 0;
    File* file = nullptr;
    std::size_t index = 0;
  };
  using Ranges = std::vector<Range>;

  void add_name(const std::string& name, const Ranges& ranges);
  // What is known under a path, or else under its last name; empty: nothing.
  const Ranges& named(const std::string& path) const;
  void add_parts(File& master);
  void add_master(const File& master);

  std::vector<std::unique_ptr<File>> files_;
  std::vector<std::unique_ptr<OpenFile>> open_;      // what was read last stands at the end
  std::map<std::string, Ranges> by_path_, by_name_;  // empty: several files have that name
  std::size_t events_ = 0;
};

}  // namespace pnflow
