#include "io/h5_output.h"

#include <fmt/format.h>

#if __has_include(<H5FDdevelop.h>)
#include <H5FDdevelop.h>
#endif

#include <algorithm>
#include <exception>
#include <optional>
#include <utility>
#include <vector>

#include "graph/error.h"

namespace pnflow::h5 {

// What the driver shares with its Output.
struct Output::Stream {
  explicit Stream(AtomicFile& f) : file(f) {}

  // What HDF5 writes for itself, kept until it has let go of its lock.
  struct Step {
    haddr_t address = 0;  // or the size, of a step that sets it
    std::vector<std::byte> bytes;
    bool truncates = false;
  };

  AtomicFile& file;
  haddr_t end = 0;  // of what has been written
  std::vector<Step> steps;
  std::exception_ptr error;              // the first; from then on nothing is written any more
  std::span<const std::byte> chunk;      // on its way through H5Dwrite_chunk
  std::optional<haddr_t> chunk_address;  // where HDF5 wants it

  template <class F>
  void attempt(F&& write) {
    if (error) return;
    try {
      write();
    } catch (...) {
      error = std::current_exception();
    }
  }

  void take_steps() {
    for (const Step& step : std::exchange(steps, {})) {
      attempt([&] {
        step.truncates ? file.truncate(step.address) : file.write_at(step.bytes, step.address);
      });
    }
  }
};

// The driver's functions. None of them may let an exception pass through HDF5, and none reports an
// error of writing to HDF5.
struct Driver {
  // HDF5 knows an open file by a structure that begins with its own.
  struct OpenFile {
    H5FD_t head;
    Output::Stream* stream;
    haddr_t allocated;
  };
  struct Settings {
    Output::Stream* stream;
  };

  static OpenFile& of(H5FD_t* file) { return *reinterpret_cast<OpenFile*>(file); }
  static const OpenFile& of(const H5FD_t* file) { return *reinterpret_cast<const OpenFile*>(file); }

  static H5FD_t* open(const char*, unsigned, hid_t access, haddr_t) {
    const auto* settings = static_cast<const Settings*>(H5Pget_driver_info(access));
    if (settings == nullptr) return nullptr;
    auto file = std::make_unique<OpenFile>();
    file->stream = settings->stream;
    return &file.release()->head;
  }
  static herr_t close(H5FD_t* file) {
    const std::unique_ptr<OpenFile> owned(&of(file));
    return 0;
  }
  static herr_t query(const H5FD_t*, unsigned long* flags) {
    if (flags != nullptr) {
      *flags = H5FD_FEAT_AGGREGATE_METADATA | H5FD_FEAT_ACCUMULATE_METADATA | H5FD_FEAT_DATA_SIEVE |
               H5FD_FEAT_AGGREGATE_SMALLDATA;
    }
    return 0;
  }
  static haddr_t allocated(const H5FD_t* file, H5FD_mem_t) { return of(file).allocated; }
  static herr_t allocate(H5FD_t* file, H5FD_mem_t, haddr_t end) {
    of(file).allocated = end;
    return 0;
  }
  static haddr_t end(const H5FD_t* file, H5FD_mem_t) { return of(file).stream->end; }
  static herr_t read(H5FD_t* file, H5FD_mem_t, hid_t, haddr_t address, std::size_t size,
                     void* buffer) {
    try {
      of(file).stream->take_steps();
      of(file).stream->file.read_at({static_cast<std::byte*>(buffer), size}, address);
      return 0;
    } catch (const std::exception&) {
      return -1;
    }
  }
  static herr_t write(H5FD_t* file, H5FD_mem_t, hid_t, haddr_t address, std::size_t size,
                      const void* buffer) {
    Output::Stream& stream = *of(file).stream;
    const std::span bytes(static_cast<const std::byte*>(buffer), size);
    stream.end = std::max(stream.end, address + size);
    if (!bytes.empty() && bytes.data() == stream.chunk.data() &&
        bytes.size() == stream.chunk.size()) {
      stream.chunk_address = address;
    } else {
      stream.steps.push_back({address, {bytes.begin(), bytes.end()}, false});
    }
    return 0;
  }
  static herr_t truncate(H5FD_t* file, hid_t, hbool_t) {
    const OpenFile& open_file = of(file);
    Output::Stream& stream = *open_file.stream;
    if (stream.end != open_file.allocated) {
      stream.steps.push_back({open_file.allocated, {}, true});
      stream.end = open_file.allocated;
    }
    return 0;
  }

  // Identifies the driver in this process; registered with the first file.
  static hid_t id() {
    static const hid_t registered = [] {
      static H5FD_class_t driver{};
#ifdef H5FD_CLASS_VERSION
      driver.version = H5FD_CLASS_VERSION;
      driver.value = static_cast<H5FD_class_value_t>(H5_VFD_RESERVED);
#endif
      driver.name = "pnflow";
      driver.maxaddr = HADDR_MAX;
      driver.fc_degree = H5F_CLOSE_STRONG;
      driver.fapl_size = sizeof(Settings);
      driver.open = open;
      driver.close = close;
      driver.query = query;
      driver.get_eoa = allocated;
      driver.set_eoa = allocate;
      driver.get_eof = end;
      driver.read = read;
      driver.write = write;
      driver.truncate = truncate;
      constexpr H5FD_mem_t free_lists[] = H5FD_FLMAP_DICHOTOMY;
      std::ranges::copy(free_lists, driver.fl_map);
      return H5FDregister(&driver);
    }();
    return registered;
  }
};

namespace {

// The error stack of this thread's last HDF5 call, innermost cause last.
std::string hdf5_errors() {
  std::string text;
  const auto add = [](unsigned, const H5E_error2_t* error, void* out) -> herr_t {
    auto& line = *static_cast<std::string*>(out);
    if (error->desc != nullptr && *error->desc != '\0') {
      line += (line.empty() ? "" : ": ") + std::string(error->desc);
    }
    return 0;
  };
  H5Ewalk2(H5E_DEFAULT, H5E_WALK_DOWNWARD, add, &text);
  return text.empty() ? "HDF5 gives no reason" : text;
}

}  // namespace

Output::Output(AtomicFile& file) : stream_(std::make_unique<Stream>(file)) {
  const SilentErrors silent;
  const Driver::Settings settings{stream_.get()};
  const Properties access(H5Pcreate(H5P_FILE_ACCESS));
  check(H5Pset_driver(access.get(), Driver::id(), &settings) >= 0, "the file");
  check(H5Pset_fclose_degree(access.get(), H5F_CLOSE_STRONG) >= 0, "the file");
  file_ = File(H5Fcreate(file.partial().c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, access.get()));
  check(static_cast<bool>(file_), "the file");
}

Output::~Output() {
  const SilentErrors silent;
  file_.reset();
}

void Output::check(bool done, std::string_view what) const {
  stream_->take_steps();
  if (stream_->error) std::rethrow_exception(stream_->error);
  if (!done) {
    throw DataError(
        "write", fmt::format("{}: {}: {}", stream_->file.partial().string(), what, hdf5_errors()));
  }
}

void Output::write_chunk(hid_t dataset, std::span<const hsize_t> origin,
                         std::span<const std::byte> stored) {
  const SilentErrors silent;
  stream_->chunk = stored;
  stream_->chunk_address.reset();
  const bool placed =
      H5Dwrite_chunk(dataset, H5P_DEFAULT, 0, origin.data(), stored.size(), stored.data()) >= 0;
  stream_->chunk = {};
  check(placed, "a chunk");
  if (stream_->chunk_address) {
    stream_->attempt([&] { stream_->file.write_at(stored, *stream_->chunk_address); });
    check(true, "a chunk");
  }
}

void Output::close() {
  const SilentErrors silent;
  const bool flushed = H5Fflush(file_.get(), H5F_SCOPE_LOCAL) >= 0;
  check(flushed, "the file");
  const bool closed = file_.reset();
  check(closed, "the file");
}

}  // namespace pnflow::h5
