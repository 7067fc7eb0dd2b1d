// Input: a stream of CrystFEL. Every chunk is read, also those behind damage.

#include "io/crystfel_stream.h"

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <sstream>
#include <string>

#include "test/fuzz/read_message.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace pnflow;
  fuzz::ignoring_data_errors([&] {
    CrystfelStream stream(std::make_unique<std::istringstream>(std::string(data, data + size)));
    std::size_t last = 0;
    for (bool more = true; more;) {
      fuzz::ignoring_data_errors([&] {
        const auto chunk = stream.next();
        more = chunk.has_value();
        if (!more) return;
        if (chunk->line <= last) std::abort();
        last = chunk->line;
        static_cast<void>(chunk->event_index());
      });
    }
  });
  return 0;
}
