#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <span>
#include <string>
#include <vector>

#include "gpu/peaknet/tensor_pickle.h"

namespace pnflow {

// A value of a pickle.
struct PickleValue {
  enum class Kind : std::uint8_t {
    other,
    number,
    text,
    name,
    tuple,
    list,
    dictionary,
    storage,
    tensor
  };

  Kind kind = Kind::other;  // None, a truth value, a float
  std::int64_t number = 0;  // whole
  std::string text = {};    // a text, or the name of a class or function, "collections.OrderedDict"
  std::vector<const PickleValue*> items = {};  // of a dictionary: keys and values by turns
  PickledTensor tensor = {};                   // of a storage: its type, name and size
};

// Runs a pickle of protocol 2 as torch.save writes it. The values live as long as this.
class PickleMachine {
 public:
  PickleMachine(std::span<const std::byte> pickle, const std::string& file)
      : rest_(pickle), size_(pickle.size()), file_(file) {}
  PickleMachine(const PickleMachine&) = delete;
  PickleMachine& operator=(const PickleMachine&) = delete;

  // What the pickle holds. Throws RunError.
  const PickleValue& run();

 private:
  using Kind = PickleValue::Kind;

  [[noreturn]] void fail(const std::string& what) const;
  std::span<const std::byte> take(std::size_t bytes);
  std::uint64_t number(std::size_t bytes);
  std::string text(std::size_t bytes);
  std::string line();

  PickleValue& push(PickleValue value);
  PickleValue& pop();
  PickleValue& pop(Kind kind, const char* what);
  PickleValue& top();
  std::vector<const PickleValue*> pop_to_mark();
  void push_tuple(std::size_t items);
  void add_to_top(Kind kind, const std::vector<const PickleValue*>& items);
  void put(std::uint64_t place);
  void get(std::uint64_t place);

  bool step();
  bool step_number(unsigned code);
  bool step_container(unsigned code);
  void reduce();
  [[noreturn]] void refuse_object(const std::string& name) const;
  void persistent();
  PickledTensor rebuilt(const PickleValue& arguments) const;
  Shape extents(const PickleValue& value) const;

  std::span<const std::byte> rest_;
  std::size_t size_;
  const std::string& file_;
  std::deque<PickleValue> values_;  // all of them, however they refer to each other
  std::vector<PickleValue*> stack_;
  std::vector<std::size_t> marks_;  // sizes of the stack
  std::vector<PickleValue*> memo_;  // nullptr: nothing was put there
};

}  // namespace pnflow
