// Messages through `decode`, beside what the library that owns their compression takes for the same
// bytes (one memcpy where there is none): bench/decode.py makes the messages and the table.
//
//   pnflow_decode_bench [--benchmark_...] FILE...
//
// A FILE is one message of images, named SHAPE.STORAGE, SHAPE that of an event ("16x352x384"). Each
// is copied until there are more bytes than caches hold, and the copies are taken in turn.
#include <benchmark/benchmark.h>
#include <bitshuffle.h>
#include <fmt/format.h>
#include <libdeflate.h>
#include <zfp.h>

#include <cstring>
#include <filesystem>
#include <functional>
#include <stdexcept>
#include <variant>

#include "graph/fake_run.h"
#include "graph/mapped_file.h"
#include "io/byte_order.h"
#include "io/hdf5_image.h"
#include "io/hdf5_layout.h"
#include "io/simplon_message.h"
#include "io/thread_decompressor.h"
#include "io/zip_directory.h"
#include "nodes/decode.h"

namespace {

using namespace pnflow;
using Bytes = std::span<std::byte>;
using ConstBytes = std::span<const std::byte>;

constexpr std::size_t uncached_bytes = std::size_t{288} << 20U;
constexpr std::size_t header_bytes = 12;  // in front of bitshuffle's blocks in HDF5
constexpr std::size_t simplon_block = 4096;

void require(bool done, const char* what) {
  if (!done) throw std::runtime_error(fmt::format("{} failed", what));
}

// What a library does with the compressed bytes of an image.
using Undo = std::function<void(ConstBytes stored, Bytes out)>;

struct Library {
  struct Part {
    std::size_t offset, size;  // in the message
  };
  Undo undo;
  std::vector<Part> parts;
  std::size_t part_bytes = 0;  // of each, decompressed
};

void copy(ConstBytes stored, Bytes out) { std::memcpy(out.data(), stored.data(), out.size()); }

void inflate_zlib(ConstBytes stored, Bytes out) {
  require(libdeflate_zlib_decompress(codecs::thread_decompressor(), stored.data(), stored.size(),
                                     out.data(), out.size(), nullptr) == LIBDEFLATE_SUCCESS,
          "libdeflate");
}

void inflate_raw(ConstBytes stored, Bytes out) {
  require(libdeflate_deflate_decompress(codecs::thread_decompressor(), stored.data(), stored.size(),
                                        out.data(), out.size(), nullptr) == LIBDEFLATE_SUCCESS,
          "libdeflate");
}

Undo unbitshuffle(std::size_t header, std::size_t width, std::size_t block, bool zstd) {
  const auto decompress = zstd ? bshuf_decompress_zstd : bshuf_decompress_lz4;
  return [=](ConstBytes stored, Bytes out) {
    require(decompress(stored.data() + header, out.data(), out.size() / width, width, block) > 0,
            "bitshuffle");
  };
}

Undo unzfp(std::vector<unsigned> values) {
  return [values = std::move(values)](ConstBytes stored, Bytes out) {
    std::vector<unsigned> words(values.begin() + 1, values.end());
    words.resize(words.size() + 16);  // libzfp reads ahead
    zfp_stream* const stream = zfp_stream_open(stream_open(words.data(), 4 * words.size()));
    zfp_field* const field = zfp_field_alloc();
    require(zfp_read_header(stream, field, ZFP_HEADER_FULL) != 0, "zfp_read_header");
    stream_close(zfp_stream_bit_stream(stream));
    bitstream* const bits = stream_open(const_cast<std::byte*>(stored.data()), stored.size());
    zfp_stream_set_bit_stream(stream, bits);
    zfp_stream_rewind(stream);
    zfp_field_set_pointer(field, out.data());
    require(zfp_decompress(stream, field) != 0, "zfp_decompress");
    stream_close(bits);
    zfp_field_free(field);
    zfp_stream_close(stream);
  };
}

// Of HDF5's filters the one that decompresses; what un-shuffles is ours to keep cheap.
Undo undo_of(const std::vector<Filter>& filters, std::size_t width, ConstBytes chunk) {
  if (filters.empty()) return copy;
  const Filter& filter = filters.back();
  if (filter.id == filter_id::deflate) return inflate_zlib;
  if (filter.id == filter_id::zfp) return unzfp(filter.values);
  require(filter.id == filter_id::bitshuffle, "knowing the filter");
  const std::size_t block = big_endian<std::uint32_t>(chunk.subspan(8)) / width;
  return unbitshuffle(header_bytes, width, block, filter.values.at(4) == 3);
}

Library hdf5_library(ConstBytes message) {
  const Hdf5Image image(message);
  const h5::Dataset dataset(H5Dopen2(image.file(), "/data/data", H5P_DEFAULT));
  const Hdf5Layout layout = read_layout(dataset.get(), "/data/data", message);
  Library library;
  for (const StoredChunk& chunk : layout.chunks)
    library.parts.push_back({chunk.offset, chunk.size});
  const std::size_t width = size_of(layout.info.dtype);
  library.part_bytes = elements_of(layout.info.chunk) * width;
  const auto [offset, size] = library.parts.at(0);
  library.undo = undo_of(layout.info.filters, width, message.subspan(offset, size));
  return library;
}

Library npz_library(ConstBytes message) {
  const ZipDirectory directory(message);
  const ZipMember* const member = directory.find("detector_data.npy");
  require(member != nullptr, "finding the images");
  const bool stored = member->method == ZipMember::stored_method;
  const auto offset = static_cast<std::size_t>(member->data.data() - message.data());
  return {stored ? Undo(copy) : inflate_raw, {{offset, member->data.size()}}, member->size};
}

Library simplon_library(ConstBytes message, std::size_t pixels) {
  const SimplonMessage simplon(message);
  const auto stored = std::get<ConstBytes>(*simplon.map().find("compressed_data"));
  const std::size_t width = simplon.map().text("dtype") == "float64" ? 8 : 4;
  const auto offset = static_cast<std::size_t>(stored.data() - message.data());
  return {unbitshuffle(0, width, simplon_block, false), {{offset, stored.size()}}, pixels * width};
}

Library library_of(ConstBytes message, const Shape& event) {
  if (looks_like_hdf5(message)) return hdf5_library(message);
  if (SimplonMessage::recognises(message)) return simplon_library(message, elements_of(event));
  return npz_library(message);
}

struct Input {
  explicit Input(const std::filesystem::path& path) : name(path.filename()) {
    const MappedFile file(path.string());
    for (std::size_t at = 0; at < name.find('.');) {
      std::size_t digits = 0;
      event.push_back(std::stoul(name.substr(at), &digits));
      at += digits + 1;
    }
    library = library_of(file.bytes(), event);
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
  BlockPool blocks{[](std::size_t bytes) { return new std::byte[bytes]; },
                   [](std::byte* block, std::size_t) { delete[] block; }};
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

void call_library(benchmark::State& state, const Input& input) {
  const Library& library = input.library;
  const std::size_t bytes = library.parts.size() * library.part_bytes;
  const auto block = heap_pool()->allocate(bytes);
  take_turns(state, input, [&](const Array& message) {
    Bytes out(block.get(), bytes);
    for (const auto& [offset, size] : library.parts) {
      library.undo(message.raw().subspan(offset, size), out.first(library.part_bytes));
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
  const std::vector<std::pair<const char*, std::function<void(benchmark::State&)>>> bodies = {
      {"/decode", [=](auto& s) { decode_messages<test::FakeServices>(s, *input, *decode); }},
      {"/pinned", [=](auto& s) { decode_messages<OwnPool>(s, *input, *decode); }},
      {"/library", [=](auto& s) { call_library(s, *input); }}};
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
