#include "cli/recorded_messages.h"

#include <fmt/format.h>

#include <array>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <memory>
#include <span>
#include <utility>

#include "graph/error.h"
#include "graph/log.h"
#include "io/find_files.h"

namespace pnflow {

namespace {

bool is_record(const std::string& file) {
  std::array<char, 512> first{};
  std::ifstream in(file, std::ios::binary);
  in.read(first.data(), first.size());
  return looks_like_record(
      std::as_bytes(std::span(first).first(static_cast<std::size_t>(in.gcount()))));
}

[[noreturn]] void is_empty(const std::string& file) {
  throw RunError(fmt::format("'{}' is empty: that would be an end marker", file));
}

// What a message that is on its way keeps alive. ZeroMQ's threads hand it over by means that the
// thread sanitizer cannot see, so it carries its own.
struct Held {
  explicit Held(std::shared_ptr<const std::byte> bytes) : owner(std::move(bytes)) {
    handed_over.store(true, std::memory_order_release);
  }
  std::shared_ptr<const std::byte> owner;
  std::atomic<bool> handed_over{false};
};

void let_go(void*, void* hint) {
  const std::unique_ptr<Held> held(static_cast<Held*>(hint));
  static_cast<void>(held->handed_over.load(std::memory_order_acquire));
}

// ZeroMQ sends the bytes from where they are, and lets go of their owner when it has.
zmq::message_t shared(std::span<const std::byte> bytes,
                      const std::shared_ptr<const std::byte>& owner) {
  auto held = std::make_unique<Held>(owner);
  zmq::message_t message(const_cast<std::byte*>(bytes.data()), bytes.size(), &let_go, held.get());
  static_cast<void>(held.release());
  return message;
}

}  // namespace

RecordedMessages::RecordedMessages(const std::vector<std::string>& patterns) {
  for (const std::string& file : find_files(patterns)) {
    if (is_record(file)) {
      add_record(file);
    } else {
      if (std::filesystem::file_size(file) == 0) is_empty(file);
      messages_.emplace_back().name = file;
    }
  }
}

void RecordedMessages::add_record(const std::string& file) {
  RecordReader reader(file);
  try {
    while (auto message = reader.next()) {
      if (message->bytes.empty()) is_empty(fmt::format("{}: {}", file, message->name));
      messages_.push_back({*std::move(message), true});
    }
  } catch (const DataError& error) {
    logger()->warn("push: {}; what stands in front of it is sent", error.what());
  }
}

zmq::message_t RecordedMessages::make(std::size_t number) {
  const Stored& stored = messages_.at(number);
  if (stored.recorded) return shared(stored.bytes, stored.owner);
  std::ifstream in(stored.name, std::ios::binary | std::ios::ate);
  zmq::message_t message(in ? static_cast<std::size_t>(in.tellg()) : 0);
  in.seekg(0);
  if (!in.read(static_cast<char*>(message.data()), static_cast<std::streamsize>(message.size()))) {
    throw RunError(fmt::format("'{}' cannot be read", stored.name));
  }
  return message;
}

std::optional<std::int64_t> RecordedMessages::arrival(std::size_t number) const {
  if (!messages_[number].recorded) return {};
  return messages_[number].arrival;
}

void RecordedMessages::require_arrivals() const {
  for (const Stored& stored : messages_) {
    if (stored.recorded) continue;
    throw RunError(fmt::format(
        "'{}' is not a record: nothing says when its message arrived, as --pace recorded asks",
        stored.name));
  }
}

}  // namespace pnflow
