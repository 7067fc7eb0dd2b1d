// Messages through `decode`, beside what the library that owns their compression takes for the same
// bytes (one memcpy where there is none): bench/decode.py makes the messages and the table.
//
//   pnflow_decode_bench [--benchmark_...] FILE...
//
// A FILE is one message of images, named SHAPE.STORAGE, SHAPE that of an event ("16x352x384"). Each
// is copied until there are more bytes than caches hold, and the copies are taken in turn.
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <filesystem>
#include <functional>

#include "bench/decode_library.h"
#include "graph/fake_run.h"
#include "graph/mapped_file.h"
#include "nodes/decode.h"

namespace {

using namespace pnflow;
using bench::Library;
using bench::Undo;
using Bytes = std::span<std::byte>;

constexpr std::size_t uncached_bytes = std::size_t{288} << 20U;

struct Input {
  explicit Input(const std::filesystem::path& path) : name(path.filename()) {
    const MappedFile file(path.string());
    for (std::size_t at = 0; at < name.find('.');) {
      std::size_t digits = 0;
      event.push_back(std::stoul(name.substr(at), &digits));
      at += digits + 1;
    }
    library = bench::library_of(file.bytes(), event);
    for (std::size_t bytes = 0; bytes < uncached_bytes; bytes += file.bytes().size()) {
      MutableArray message(*heap_pool(), DType::u8, {file.bytes().size()});
      std::ranges::copy(file.bytes(), message.raw().begin());
      messages.push_back(std::move(message).freeze());
    }
  }

  std::string name;
  Shape event;
  Library library;
  std::vector<Array> messages;
};

// Every thread takes its own of the messages in turn.
template <class Body>
void take_turns(benchmark::State& state, const Input& input, const Body& body) {
  const auto threads = static_cast<std::size_t>(state.threads());
  std::size_t next = static_cast<std::size_t>(state.thread_index());
  for (auto _ : state) {
    body(input.messages[next % input.messages.size()]);
    next += threads;
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations()));
}

// As with a GPU behind it: the pixels have to go into memory that is not anybody's.
struct OwnPool : test::FakeServices {
  MemoryPool& pool() override { return blocks; }
  BlockPool blocks{[](std::size_t bytes) { return static_cast<std::byte*>(::operator new(bytes)); },
                   [](std::byte* block, std::size_t) { ::operator delete(block); }};
};

template <class Services>
void decode_messages(benchmark::State& state, const Input& input, const Decode& decode) {
  Services services;
  take_turns(state, input, [&](const Array& message) {
    Batch wire;
    wire.set_message_field("wire", message);
    Context context(services, "bench", 0, nullptr);
    const Batch batch = decode.process(wire, context);
    benchmark::DoNotOptimize(batch.array("image").raw().data());
    if (context.alive_count() != context.events()) state.SkipWithError("an event failed");
  });
}

void call_library(benchmark::State& state, const Input& input, const Undo& undo) {
  const Library& library = input.library;
  const std::size_t bytes = library.parts.size() * library.part_bytes;
  const auto block = heap_pool()->allocate(bytes);
  take_turns(state, input, [&](const Array& message) {
    Bytes out(block.get(), bytes);
    for (const auto& [offset, size] : library.parts) {
      undo(message.raw().subspan(offset, size), out.first(library.part_bytes));
      out = out.subspan(library.part_bytes);
    }
    benchmark::DoNotOptimize(block.get());
    benchmark::ClobberMemory();
  });
}

void register_input(const std::shared_ptr<const Input>& input) {
  Decode::Params params;
  params.shape = input->event;
  const auto decode = std::make_shared<const Decode>(std::move(params));
  std::vector<std::pair<const char*, std::function<void(benchmark::State&)>>> bodies = {
      {"/decode", [=](auto& s) { decode_messages<test::FakeServices>(s, *input, *decode); }},
      {"/pinned", [=](auto& s) { decode_messages<OwnPool>(s, *input, *decode); }},
      {"/library", [=](auto& s) { call_library(s, *input, input->library.undo); }}};
  if (input->library.undo_all) {
    bodies.emplace_back("/unshuffled",
                        [=](auto& s) { call_library(s, *input, input->library.undo_all); });
  }
  for (const auto& [name, body] : bodies) {
    benchmark::RegisterBenchmark((input->name + name).c_str(), body)
        ->ThreadRange(1, 2)
        ->UseRealTime()
        ->Unit(benchmark::kMillisecond);
  }
}

}  // namespace

int main(int argc, char** argv) try {
  benchmark::Initialize(&argc, argv);
  for (int i = 1; i < argc; ++i) register_input(std::make_shared<const Input>(argv[i]));
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return 0;
} catch (const std::exception& error) {
  fmt::print(stderr, "pnflow_decode_bench: {}\n", error.what());
  return 1;
}
