#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "io/crystfel_stream.h"
#include "io/cxi_reader.h"
#include "io/mapped_file.h"

namespace pnflow {

// CXI files as the images of a stream name them. For one thread at a time.
class CxiFileSet {
 public:
  struct File {
    explicit File(std::string path);

    std::string name;
    MappedFile map;
    CxiReader reader;
    std::size_t first = 0;              // number of its first event through all files
    std::size_t height = 0, width = 0;  // of an image; 0 when the file has none
    std::vector<bool> seen;             // whether its events were taken
  };
  struct Place {
    File* file = nullptr;
    std::size_t index = 0;  // in the file
  };

  // Throws RunError that names the file: it is not there, damaged, or no CXI file.
  explicit CxiFileSet(const std::vector<std::string>& files);

  std::size_t files() const { return files_.size(); }
  std::size_t events() const { return events_; }

  // The event that a chunk is of: in the file of that path, else in the only one of that name.
  std::optional<Place> find(const StreamChunk& chunk);
  // An event by its number through all files; nothing behind the last.
  std::optional<Place> find(std::size_t number);

 private:
  std::vector<std::unique_ptr<File>> files_;
  std::map<std::string, File*> by_path_, by_name_;  // nullptr: several have that name
  std::size_t events_ = 0;
};

}  // namespace pnflow
