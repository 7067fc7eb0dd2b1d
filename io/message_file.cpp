#include "io/message_file.h"

#include <memory>
#include <utility>

namespace pnflow {

MessageFile::MessageFile(std::filesystem::path path) : path_(std::move(path)), file_(path_) {
  if (looks_like_record(bytes())) record_.emplace(path_);
}

std::optional<MessageFile::Stored> MessageFile::next() {
  if (!record_) {
    if (std::exchange(given_, true)) return {};
    return Stored{path_.string(), Array(DType::u8, {bytes().size()}, file_.owner()), {}};
  }
  auto message = record_->next();
  if (!message) return {};
  // The message lies inside of the mapping, which it keeps.
  std::shared_ptr<const std::byte> data(message->owner, message->bytes.data());
  return Stored{(path_ / message->name).string(),
                Array(DType::u8, {message->bytes.size()}, std::move(data)), message->arrival};
}

}  // namespace pnflow
