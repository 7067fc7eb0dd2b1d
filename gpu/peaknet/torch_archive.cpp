#include "gpu/peaknet/torch_archive.h"

#include <fmt/format.h>

#include "graph/error.h"

namespace pnflow {

namespace {

struct RecordCloser {
  void operator()(zip_file_t* record) const { zip_fclose(record); }
};

// Where libzip says what went wrong.
class ZipError {
 public:
  ZipError() { zip_error_init(&error_); }
  ~ZipError() { zip_error_fini(&error_); }
  ZipError(const ZipError&) = delete;
  ZipError& operator=(const ZipError&) = delete;

  zip_error_t* get() { return &error_; }
  const char* text() { return zip_error_strerror(&error_); }

 private:
  zip_error_t error_{};
};

}  // namespace

TorchArchive::TorchArchive(std::span<const std::byte> bytes, const std::string& file)
    : file_(file), left_(bytes.size()) {
  ZipError error;
  zip_source_t* const source = zip_source_buffer_create(bytes.data(), bytes.size(), 0, error.get());
  if (source == nullptr) fail(error.text());
  // The archive takes the source over when it is opened.
  archive_.reset(zip_open_from_source(source, ZIP_RDONLY, error.get()));
  if (!archive_) {
    zip_source_free(source);
    fail(error.text());
  }
  const char* const first = zip_get_name(archive_.get(), 0, ZIP_FL_ENC_RAW);
  const std::string_view name = first == nullptr ? "" : first;
  const std::size_t slash = name.find('/');
  if (slash == std::string_view::npos) fail("its files are in no directory");
  directory_ = name.substr(0, slash + 1);
}

bool TorchArchive::has(const std::string& record) const { return find(record) >= 0; }

TorchRecord TorchArchive::read(const std::string& record) {
  const zip_int64_t found = find(record);
  if (found < 0) fail(fmt::format("there is no {:?}", record));
  const auto index = static_cast<zip_uint64_t>(found);
  zip_stat_t status;
  if (zip_stat_index(archive_.get(), index, 0, &status) != 0) {
    fail(fmt::format("{:?}: {}", record, zip_strerror(archive_.get())));
  }
  if (status.comp_method != ZIP_CM_STORE || status.encryption_method != ZIP_EM_NONE) {
    fail(fmt::format("{:?} is compressed or encrypted", record));
  }
  if (status.size > left_) {
    fail(fmt::format("{:?} would have {} bytes, and the file has only {} more", record, status.size,
                     left_));
  }
  left_ -= status.size;
  const std::unique_ptr<zip_file_t, RecordCloser> content(
      zip_fopen_index(archive_.get(), index, 0));
  if (!content) fail(fmt::format("{:?}: {}", record, zip_strerror(archive_.get())));
  const auto data = std::make_shared_for_overwrite<std::byte[]>(status.size);
  const zip_int64_t got = zip_fread(content.get(), data.get(), status.size);
  // The checksum is looked at where the end is.
  std::byte behind{};
  const zip_int64_t more = got < 0 ? got : zip_fread(content.get(), &behind, 1);
  if (got < 0 || more < 0) {
    fail(fmt::format("{:?}: {}", record, zip_file_strerror(content.get())));
  }
  if (static_cast<zip_uint64_t>(got) != status.size || more != 0) {
    fail(fmt::format("{:?} has another size than the archive says", record));
  }
  return {data, status.size};
}

void TorchArchive::fail(std::string_view what) const {
  throw RunError(fmt::format("'{}' is no archive of torch.save that can be read: {}", file_, what));
}

zip_int64_t TorchArchive::find(const std::string& record) const {
  return zip_name_locate(archive_.get(), (directory_ + record).c_str(), ZIP_FL_ENC_RAW);
}

}  // namespace pnflow
