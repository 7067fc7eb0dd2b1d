#include "gpu/peaknet/tensor_pickle.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <string_view>
#include <vector>

#include "gpu/peaknet/pickle_machine.h"
#include "graph/error.h"

namespace pnflow {

namespace {

using Kind = PickleValue::Kind;

constexpr std::array<std::string_view, 3> nesting_keys{"model", "model_state", "state_dict"};

// The dictionary under a key of this one; nullptr: there is none.
const PickleValue* nested(const PickleValue& dictionary, std::string_view key) {
  const PickleValue* found = nullptr;  // the last one of several counts
  for (std::size_t i = 0; i + 1 < dictionary.items.size(); i += 2) {
    const PickleValue& name = *dictionary.items[i];
    if (name.kind == Kind::text && name.text == key) found = dictionary.items[i + 1];
  }
  return found != nullptr && found->kind == Kind::dictionary ? found : nullptr;
}

// Copies the tensor's values of `axis` and the axes behind it, and returns where the next ones go.
std::byte* copy_values(const PickledTensor& tensor, std::size_t axis, const std::byte* from,
                       std::byte* to) {
  const std::size_t bytes = size_of(tensor.type);
  if (axis == tensor.shape.size()) return std::copy_n(from, bytes, to);
  for (std::size_t i = 0; i < tensor.shape[axis]; ++i) {
    to = copy_values(tensor, axis + 1, from + i * tensor.strides[axis] * bytes, to);
  }
  return to;
}

bool in_c_order(const PickledTensor& tensor) {
  std::size_t stride = 1;
  for (std::size_t axis = tensor.shape.size(); axis-- > 0;) {
    if (tensor.shape[axis] > 1 && tensor.strides[axis] != stride) return false;
    stride *= tensor.shape[axis];
  }
  return true;
}

}  // namespace

std::map<std::string, PickledTensor> parse_tensor_pickle(std::span<const std::byte> pickle,
                                                         const std::string& file) {
  const auto refuse = [&](const std::string& what) {
    throw RunError(fmt::format("'{}' holds no state dict: {}", file, what));
  };
  if (pickle.size() > largest_tensor_pickle) {
    refuse(fmt::format("its pickle has {} bytes, and at most {} are read", pickle.size(),
                       largest_tensor_pickle));
  }
  PickleMachine machine(pickle, file);
  const PickleValue* found = &machine.run();
  if (found->kind != Kind::dictionary) refuse("it is no dictionary");
  for (const std::string_view key : nesting_keys) {
    if (const PickleValue* inner = nested(*found, key)) found = inner;
  }
  std::map<std::string, PickledTensor> tensors;
  for (std::size_t i = 0; i + 1 < found->items.size(); i += 2) {
    const PickleValue& name = *found->items[i];
    const PickleValue& value = *found->items[i + 1];
    if (name.kind != Kind::text) refuse("it has an entry whose name is no text");
    if (value.kind != Kind::tensor) {
      refuse(
          fmt::format("its entry {:?} is no tensor, nor is there a dictionary of tensors under "
                      "'model', 'model_state' or 'state_dict'",
                      name.text));
    }
    tensors.insert_or_assign(name.text, value.tensor);
  }
  return tensors;
}

WeightTensor tensor_of(const PickledTensor& pickled, std::span<const std::byte> storage,
                       const std::shared_ptr<const void>& owner) {
  const std::size_t bytes = elements_of(pickled.shape) * size_of(pickled.type);
  if (bytes == 0) return {pickled.type, pickled.shape, {}, owner};
  const auto from = storage.subspan(pickled.first * size_of(pickled.type));
  if (in_c_order(pickled)) return {pickled.type, pickled.shape, from.first(bytes), owner};
  const auto copy = std::make_shared<std::vector<std::byte>>(bytes);
  copy_values(pickled, 0, from.data(), copy->data());
  return {pickled.type, pickled.shape, *copy, copy};
}

}  // namespace pnflow
