#include "nodes/cxi_open_file.h"

#include <algorithm>
#include <cstdint>

namespace pnflow {

bool CxiOpenFile::fits(const CxiPrepared& message) const {
  if (!file || file->format() != message.format) return false;
  if (!message.mask) return file->mask().empty();
  return std::ranges::equal(message.mask->as<std::uint8_t>(), file->mask());
}

void CxiOpenFile::append(const std::shared_ptr<OwedDelivery>& owed, CxiPrepared::Item&& item) {
  owed->expect();
  entries.emplace_back(owed, item.index);
  bytes += item.event.image.bytes();
  file->append(std::move(item.event));
}

void CxiOpenFile::settle() {
  for (const auto& [message, event] : entries) message->settle();
  entries.clear();
}

void CxiOpenFile::lose() {
  for (const auto& [message, event] : entries) message->lose(event);
  settle();
}

}  // namespace pnflow
