#include "nodes/file_messages.h"

#include <memory>
#include <utility>

#include "io/mapped_file.h"

namespace pnflow {

FileMessages::FileMessages(std::filesystem::path path) : path_(std::move(path)) {
  const MappedFile file(path_);
  if (looks_like_record(file.bytes())) {
    record_.emplace(path_);
  } else {
    whole_.emplace(DType::u8, Shape{file.bytes().size()}, file.owner());
  }
}

std::optional<FileMessages::RawMessage> FileMessages::next() {
  if (!record_) {
    if (!whole_) return {};
    return RawMessage{*std::exchange(whole_, std::nullopt), {}};
  }
  auto message = record_->next();
  if (!message) return {};
  // The message lies inside of the mapping, which it keeps.
  std::shared_ptr<const std::byte> data(message->owner, message->bytes.data());
  return RawMessage{Array(DType::u8, {message->bytes.size()}, std::move(data)), message->arrival};
}

}  // namespace pnflow
