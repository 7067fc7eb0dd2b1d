#include "gpu/peaknet/pickle_machine.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "graph/error.h"

namespace pnflow {

const PickleValue& PickleMachine::run() {
  while (step()) {
  }
  return pop();
}

void PickleMachine::fail(const std::string& what) const {
  throw RunError(
      fmt::format("'{}' holds no state dict that can be read: {} (byte {} of its pickle)", file_,
                  what, size_ - rest_.size()));
}

std::span<const std::byte> PickleMachine::take(std::size_t bytes) {
  if (bytes > rest_.size()) fail("truncated");
  const auto piece = rest_.first(bytes);
  rest_ = rest_.subspan(bytes);
  return piece;
}

std::uint64_t PickleMachine::number(std::size_t bytes) {
  const auto piece = take(bytes);
  std::uint64_t value = 0;
  for (std::size_t i = bytes; i-- > 0;) value = value << 8U | std::to_integer<unsigned>(piece[i]);
  return value;
}

std::string PickleMachine::text(std::size_t bytes) {
  const auto piece = take(bytes);
  return {reinterpret_cast<const char*>(piece.data()), piece.size()};
}

std::string PickleMachine::line() {
  const auto end = std::ranges::find(rest_, std::byte{'\n'});
  std::string line = text(static_cast<std::size_t>(end - rest_.begin()));
  take(1);
  return line;
}

PickleValue& PickleMachine::push(PickleValue value) {
  return *stack_.emplace_back(&values_.emplace_back(std::move(value)));
}

PickleValue& PickleMachine::top() {
  if (stack_.empty() || (!marks_.empty() && marks_.back() == stack_.size()))
    fail("a value is missing");
  return *stack_.back();
}

PickleValue& PickleMachine::pop() {
  PickleValue& value = top();
  stack_.pop_back();
  return value;
}

PickleValue& PickleMachine::pop(Kind kind, const char* what) {
  PickleValue& value = pop();
  if (value.kind != kind) fail(fmt::format("{} is expected and something else found", what));
  return value;
}

std::vector<const PickleValue*> PickleMachine::pop_to_mark() {
  if (marks_.empty()) fail("a mark is missing");
  const auto first = stack_.begin() + static_cast<std::ptrdiff_t>(marks_.back());
  std::vector<const PickleValue*> items(first, stack_.end());
  stack_.erase(first, stack_.end());
  marks_.pop_back();
  return items;
}

void PickleMachine::push_tuple(std::size_t items) {
  PickleValue tuple{.kind = Kind::tuple};
  for (std::size_t i = 0; i < items; ++i) tuple.items.push_back(&pop());
  std::ranges::reverse(tuple.items);
  push(std::move(tuple));
}

void PickleMachine::add_to_top(Kind kind, const std::vector<const PickleValue*>& items) {
  PickleValue& container = top();
  if (container.kind != kind || (kind == Kind::dictionary && items.size() % 2 != 0)) {
    fail("items for something that has none of this kind");
  }
  container.items.insert(container.items.end(), items.begin(), items.end());
}

void PickleMachine::put(std::uint64_t place) {
  // Values are numbered as they come, so no place is far behind the others.
  if (place > memo_.size() + size_) fail("a value is remembered under a wild number");
  if (place >= memo_.size()) memo_.resize(place + 1);
  memo_[place] = &top();
}

void PickleMachine::get(std::uint64_t place) {
  if (place >= memo_.size() || memo_[place] == nullptr) fail("a value is not there to be repeated");
  stack_.push_back(memo_[place]);
}

// Whether the pickle goes on.
bool PickleMachine::step() {
  const auto code = std::to_integer<unsigned>(take(1)[0]);
  switch (code) {
    case '.': return false;
    case 0x80:
      if (const auto protocol = number(1); protocol != 2) {
        fail(fmt::format("pickle protocol {}, and torch.save's own is 2", protocol));
      }
      return true;
    case 'q': put(number(1)); return true;
    case 'r': put(number(4)); return true;
    case 'h': get(number(1)); return true;
    case 'j': get(number(4)); return true;
    case 'c': {
      std::string module = line();
      push({.kind = Kind::name, .text = std::move(module) + "." + line()});
      return true;
    }
    case 'Q': persistent(); return true;
    case 'R': reduce(); return true;
    case 0x81: {  // an object of a class
      pop();
      refuse_object(pop(Kind::name, "a class").text);
    }
    case 'b':  // what an OrderedDict has besides its items: versions of modules
      pop();
      if (top().kind != Kind::dictionary) fail("an object that is no dictionary has attributes");
      return true;
    default: break;
  }
  if (step_number(code) || step_container(code)) return true;
  fail(fmt::format("opcode {:#04x}, which no state dict needs", code));
}

bool PickleMachine::step_number(unsigned code) {
  const auto signed_number = [&](std::uint64_t value, std::size_t bytes) {
    const auto unused = 64 - 8 * bytes;
    push({.kind = Kind::number, .number = static_cast<std::int64_t>(value << unused) >> unused});
  };
  switch (code) {
    case 'N':
    case 0x88:
    case 0x89: push({}); return true;
    case 'G':
      take(8);
      push({});
      return true;
    case 'K':
      push({.kind = Kind::number, .number = static_cast<std::int64_t>(number(1))});
      return true;
    case 'M':
      push({.kind = Kind::number, .number = static_cast<std::int64_t>(number(2))});
      return true;
    case 'J': signed_number(number(4), 4); return true;
    case 0x8a: {
      const auto bytes = number(1);
      if (bytes == 0 || bytes > 8) {  // seeds and the like: nothing of a tensor
        take(bytes);
        push({});
      } else {
        signed_number(number(bytes), bytes);
      }
      return true;
    }
    case 'X': push({.kind = Kind::text, .text = text(number(4))}); return true;
    default: return false;
  }
}

bool PickleMachine::step_container(unsigned code) {
  switch (code) {
    case '}': push({.kind = Kind::dictionary}); return true;
    case ']': push({.kind = Kind::list}); return true;
    case ')': push({.kind = Kind::tuple}); return true;
    case '(': marks_.push_back(stack_.size()); return true;
    case 't': {
      auto items = pop_to_mark();
      push({.kind = Kind::tuple, .items = std::move(items)});
      return true;
    }
    case 0x85: push_tuple(1); return true;
    case 0x86: push_tuple(2); return true;
    case 0x87: push_tuple(3); return true;
    case 'a': {
      const PickleValue* const item = &pop();
      add_to_top(Kind::list, {item});
      return true;
    }
    case 's': {
      const PickleValue* const value = &pop();
      const PickleValue* const key = &pop();
      add_to_top(Kind::dictionary, {key, value});
      return true;
    }
    case 'e': add_to_top(Kind::list, pop_to_mark()); return true;
    case 'u': add_to_top(Kind::dictionary, pop_to_mark()); return true;
    default: return false;
  }
}

}  // namespace pnflow
