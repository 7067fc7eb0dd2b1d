#include "io/crystfel_stream.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <utility>

#include "graph/error.h"
#include "io/text_number.h"
#include "io/text_words.h"

namespace pnflow {
namespace {

constexpr std::string_view first_words = "CrystFEL stream format ";
constexpr std::string_view geometry_begin = "----- Begin geometry file -----";
constexpr std::string_view geometry_end = "----- End geometry file -----";
constexpr std::string_view chunk_begin = "----- Begin chunk -----";
constexpr std::string_view chunk_end = "----- End chunk -----";
constexpr std::string_view crystal_begin = "--- Begin crystal";
constexpr std::string_view crystal_end = "--- End crystal";
constexpr std::string_view peaks_begin = "Peaks from peak search";
constexpr std::string_view peaks_end = "End of peak list";
constexpr std::string_view reflections_begin = "Reflections measured after indexing";
constexpr std::string_view reflections_end = "End of reflections";

constexpr std::array<std::string_view, 5> peak_columns = {"fs/px", "ss/px", "(1/d)/nm^-1",
                                                          "Intensity", "Panel"};
constexpr std::array<std::string_view, 10> reflection_columns = {
    "h", "k", "l", "I", "sigma(I)", "peak", "background", "fs/px", "ss/px", "panel"};

std::string shown(std::string_view line) {
  constexpr std::size_t longest = 60;
  return fmt::format("'{}{}'", line.substr(0, longest), line.size() > longest ? "..." : "");
}

std::unique_ptr<std::istream> opened(const std::filesystem::path& file) {
  auto in = std::make_unique<std::ifstream>(file, std::ios::binary);
  if (!*in) throw RunError(fmt::format("'{}' cannot be opened", file.string()));
  return in;
}

}  // namespace

std::optional<std::size_t> StreamChunk::event_index() const {
  const std::size_t slashes = event.rfind("//");
  if (slashes == std::string::npos) return {};
  const std::string_view digits = std::string_view(event).substr(slashes + 2);
  if (digits.empty()) return 0;
  return number_of<std::size_t>(digits);
}

CrystfelStream::CrystfelStream(const std::filesystem::path& file) : CrystfelStream(opened(file)) {}

CrystfelStream::CrystfelStream(std::unique_ptr<std::istream> in)
    : in_(std::move(in)), lines_(*in_) {
  const auto first = lines_.next();
  if (!first || !first->starts_with(first_words)) {
    throw DataError("not a CrystFEL stream",
                    first ? fmt::format("line 1 is {}", shown(*first)) : "there is no line in it");
  }
  version_ = first->substr(first_words.size());
  const std::size_t point = std::min(version_.find('.'), version_.size());
  const auto major = number_of<int>(std::string_view(version_).substr(0, point));
  const auto minor =
      number_of<int>(std::string_view(version_).substr(std::min(point + 1, version_.size())));
  constexpr int known_major = 2;
  constexpr int first_minor = 3;  // with the names of panels
  if (major != known_major || !minor || *minor < first_minor) {
    throw DataError("unsupported format",
                    fmt::format("stream format {}; 2.3 is read", shown(version_)));
  }
}

void CrystfelStream::fail(const std::string& what) const {
  throw DataError("damaged", fmt::format("line {}: {}", lines_.number(), what));
}

template <class T>
T CrystfelStream::number(std::string_view word) const {
  const auto value = number_of<T>(word);
  if (!value) fail(shown(word) + " is no number");
  return *value;
}

// Never the first line of a chunk: the next call of next() begins with that.
std::string_view CrystfelStream::line_within(std::string_view part) {
  const auto line = lines_.next();
  if (!line) {
    throw DataError("truncated",
                    fmt::format("line {}: the stream ends within {}", lines_.number(), part));
  }
  if (*line == chunk_begin) {
    begun_ = true;
    throw DataError("truncated",
                    fmt::format("line {}: a chunk begins within {}", lines_.number(), part));
  }
  return *line;
}

std::optional<StreamChunk> CrystfelStream::next() {
  while (!begun_) {
    const auto line = lines_.next();
    if (!line) return {};
    if (*line == geometry_begin) read_geometry();
    if (*line == chunk_begin) begun_ = true;
  }
  begun_ = false;
  return read_chunk();
}

void CrystfelStream::read_geometry() {
  panels_ = {};
  while (true) {
    const std::string_view line = line_within("the geometry");
    if (line == geometry_end) return;
    panels_.add(line);
  }
}

StreamChunk CrystfelStream::read_chunk() {
  StreamChunk chunk;
  chunk.line = lines_.number();
  const std::string name = fmt::format("the chunk of line {}", chunk.line);
  while (true) {
    const std::string_view line = line_within(name);
    if (line == chunk_end) return chunk;
    if (line == peaks_begin) {
      read_peaks(chunk);
    } else if (line == crystal_begin) {
      chunk.crystals.push_back(read_crystal());
    } else {
      read_field(line, chunk);
    }
  }
}

void CrystfelStream::read_field(std::string_view line, StreamChunk& chunk) const {
  if (const auto file = value_of(line, "Image filename")) chunk.file = *file;
  if (const auto event = value_of(line, "Event")) chunk.event = *event;
  if (const auto serial = value_of(line, "Image serial number")) {
    chunk.serial = number<long long>(*serial);
  }
  if (const auto hit = value_of(line, "hit")) chunk.hit = *hit == "1";
  if (const auto method = value_of(line, "indexed_by")) chunk.indexed_by = *method;
  if (const auto energy = value_of(line, "photon_energy_eV")) {
    chunk.photon_energy = number(*energy);
  }
  if (const auto length = value_of(line, "average_camera_length")) {
    chunk.camera_length = number(TextWords(*length)[0]);
  }
  if (const auto count = value_of(line, "num_peaks")) {
    chunk.announced_peaks = number<long long>(*count);
  }
}

StreamCrystal CrystfelStream::read_crystal() {
  StreamCrystal crystal;
  while (true) {
    const std::string_view line = line_within("a crystal");
    if (line == crystal_end) return crystal;
    if (line == chunk_end) fail("the chunk ends within a crystal");
    if (line == reflections_begin) {
      read_reflections(crystal);
    } else {
      read_field(line, crystal);
    }
  }
}

void CrystfelStream::read_field(std::string_view line, StreamCrystal& crystal) const {
  if (line.starts_with("Cell parameters")) {
    // "Cell parameters 7.9 7.9 3.8 nm, 90.0 90.0 90.0 deg"
    const TextWords words(line);
    if (words.count() != 10) fail(shown(line) + " is no unit cell");
    crystal.a = number(words[2]);
    crystal.b = number(words[3]);
    crystal.c = number(words[4]);
    crystal.alpha = number(words[6]);
    crystal.beta = number(words[7]);
    crystal.gamma = number(words[8]);
  }
  if (const auto lattice = value_of(line, "lattice_type")) crystal.lattice = *lattice;
  if (const auto centering = value_of(line, "centering")) crystal.centering = *centering;
  if (const auto axis = value_of(line, "unique_axis")) crystal.unique_axis = *axis;
  if (const auto limit = value_of(line, "diffraction_resolution_limit")) {
    crystal.resolution_limit = number(TextWords(*limit)[0]);
  }
}

void CrystfelStream::read_peaks(StreamChunk& chunk) {
  constexpr std::string_view part = "a peak list";
  if (!TextWords(line_within(part)).are(peak_columns)) fail("not the heading of a peak list");
  while (true) {
    const std::string_view line = line_within(part);
    if (line == peaks_end) return;
    const TextWords words(line);
    if (words.count() != peak_columns.size()) fail(shown(line) + " is no peak");
    chunk.peaks.push_back({.fs = number(words[0]),
                           .ss = number(words[1]),
                           .inverse_d = number(words[2]),
                           .intensity = number(words[3]),
                           .panel = std::string(words[4])});
  }
}

void CrystfelStream::read_reflections(StreamCrystal& crystal) {
  constexpr std::string_view part = "a list of reflections";
  if (!TextWords(line_within(part)).are(reflection_columns)) {
    fail("not the heading of a list of reflections");
  }
  while (true) {
    const std::string_view line = line_within(part);
    if (line == reflections_end) return;
    const TextWords words(line);
    if (words.count() != reflection_columns.size()) fail(shown(line) + " is no reflection");
    crystal.reflections.push_back({.h = number<int>(words[0]),
                                   .k = number<int>(words[1]),
                                   .l = number<int>(words[2]),
                                   .intensity = number(words[3]),
                                   .sigma = number(words[4]),
                                   .peak = number(words[5]),
                                   .background = number(words[6]),
                                   .fs = number(words[7]),
                                   .ss = number(words[8]),
                                   .panel = std::string(words[9])});
  }
}

}  // namespace pnflow
