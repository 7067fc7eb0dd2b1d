#include "cli/stream_comparison.h"

#include <fmt/format.h>

#include "graph/error.h"
#include "io/cxi_datasets.h"

namespace pnflow {
namespace {

constexpr std::size_t damage_told = 20;

// The next chunk that is whole; what is damaged before it is noted.
std::optional<StreamChunk> next_whole(CrystfelStream& stream, StreamComparison& comparison) {
  while (true) {
    try {
      return stream.next();
    } catch (const DataError& error) {
      ++comparison.damaged;
      if (comparison.damage.size() < damage_told) comparison.damage.emplace_back(error.what());
    }
  }
}

void count(const StreamChunk& chunk, StreamComparison& comparison) {
  ++comparison.chunks;
  comparison.hits += chunk.hit ? 1 : 0;
  comparison.indexed += chunk.is_indexed() ? 1 : 0;
  comparison.crystals += chunk.crystals.size();
}

}  // namespace

StreamComparison compare_stream(
    const std::string& stream, CxiFileSet& files, const ComparisonOptions& options,
    const std::function<void(const ComparedEvent&, const StreamChunk&)>& each) {
  CrystfelStream chunks{std::filesystem::path(stream)};
  StreamComparison comparison;
  comparison.stream = stream;
  comparison.version = chunks.version();
  comparison.files = files.files();
  comparison.events = files.events();
  while (const auto chunk = next_whole(chunks, comparison)) {
    count(*chunk, comparison);
    const auto place = files.find(*chunk);
    if (!place) {
      ++comparison.elsewhere;
      comparison.of_a_master |= chunk->file.ends_with(cxi_master_suffix);
      if (comparison.first_elsewhere.empty()) {
        comparison.first_elsewhere = chunk->file + " " + chunk->event;
      }
      continue;
    }
    CxiFileSet::File& file = *place->file;
    if (file.seen[place->index]) {
      ++comparison.repeated;
      continue;
    }
    file.seen[place->index] = true;
    ++comparison.with_chunk;
    if (const std::string fault = files.fault(*place); !fault.empty()) {
      if (++comparison.unreadable == 1) comparison.first_unreadable = fault;
      continue;
    }
    const ComparedEvent event{
        .file = file.name,
        .number = file.first + place->index,
        .index = place->index,
        .indexed = chunk->is_indexed(),
        .spots = compare_event(files.reader(file).peaks(place->index), *chunk, chunks.panels(),
                               file.height, file.width, options)};
    comparison.all_spots.add(event.spots);
    if (event.indexed) comparison.indexed_spots.add(event.spots);
    each(event, *chunk);
  }
  return comparison;
}

}  // namespace pnflow
