// What the pickles of torch.save call: how storages and tensors are described.

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>
#include <string_view>
#include <utility>

#include "gpu/peaknet/pickle_machine.h"

namespace pnflow {

namespace {

// As torch names the storages of a type.
std::optional<WeightType> storage_type(std::string_view name) {
  using Named = std::pair<std::string_view, WeightType>;
  static constexpr std::array<Named, 9> named{{{"torch.FloatStorage", WeightType::f32},
                                               {"torch.HalfStorage", WeightType::f16},
                                               {"torch.BFloat16Storage", WeightType::bf16},
                                               {"torch.DoubleStorage", WeightType::f64},
                                               {"torch.BoolStorage", WeightType::boolean},
                                               {"torch.LongStorage", WeightType::i64},
                                               {"torch.IntStorage", WeightType::i32},
                                               {"torch.ShortStorage", WeightType::i16},
                                               {"torch.ByteStorage", WeightType::u8}}};
  const auto* const found = std::ranges::find(named, name, &Named::first);
  if (found == named.end()) return {};
  return found->second;
}

}  // namespace

// Calls a function: of those that there are, the few that make dictionaries and tensors.
void PickleMachine::reduce() {
  const PickleValue& arguments = pop(Kind::tuple, "a tuple of arguments");
  const std::string& name = pop(Kind::name, "a class").text;
  if (name == "collections.OrderedDict" && arguments.items.empty()) {
    push({.kind = Kind::dictionary});
  } else if (name == "torch._utils._rebuild_tensor_v2") {
    push({.kind = Kind::tensor, .tensor = rebuilt(arguments)});
  } else if (name == "torch._utils._rebuild_parameter" && !arguments.items.empty() &&
             arguments.items[0]->kind == Kind::tensor) {
    push(*arguments.items[0]);
  } else {
    refuse_object(name);
  }
}

void PickleMachine::refuse_object(const std::string& name) const {
  fail(fmt::format("it has an object {:?}, and only tensors are read", name));
}

// ("storage", torch.FloatStorage, "0", "cpu", 16): the storage is in the archive's file data/0.
void PickleMachine::persistent() {
  const auto& items = pop(Kind::tuple, "a storage").items;
  if (items.size() != 5 || items[0]->text != "storage" || items[1]->kind != Kind::name ||
      items[2]->kind != Kind::text || items[4]->kind != Kind::number || items[4]->number < 0) {
    fail("a storage is not described as torch.save does");
  }
  const auto type = storage_type(items[1]->text);
  if (!type) fail(fmt::format("it has a {:?}, whose type is not known", items[1]->text));
  PickleValue& storage = push({.kind = Kind::storage});
  storage.tensor.type = *type;
  storage.tensor.storage = items[2]->text;
  storage.tensor.storage_values = static_cast<std::uint64_t>(items[4]->number);
}

// storage, first value, shape, strides, and what gradients need
PickledTensor PickleMachine::rebuilt(const PickleValue& arguments) const {
  const auto& items = arguments.items;
  if (items.size() < 4 || items[0]->kind != Kind::storage || items[1]->kind != Kind::number ||
      items[1]->number < 0) {
    fail("a tensor is not described as torch.save does");
  }
  PickledTensor tensor = items[0]->tensor;
  tensor.first = static_cast<std::uint64_t>(items[1]->number);
  tensor.shape = extents(*items[2]);
  tensor.strides = extents(*items[3]);
  if (tensor.shape.size() != tensor.strides.size()) fail("a tensor has strides for other axes");
  constexpr std::size_t most_axes = 64;
  if (tensor.shape.size() > most_axes) fail("a tensor has more than 64 axes");
  std::uint64_t values = 1;
  std::uint64_t end = tensor.first + 1;
  bool overflow = false;
  for (std::size_t axis = 0; axis < tensor.shape.size(); ++axis) {
    const std::uint64_t extent = tensor.shape[axis];
    std::uint64_t reach = 0;
    overflow |= __builtin_mul_overflow(values, extent, &values);
    overflow |= __builtin_mul_overflow(extent == 0 ? 0 : extent - 1, tensor.strides[axis], &reach);
    overflow |= __builtin_add_overflow(end, reach, &end);
  }
  if (overflow || (values > 0 && end > tensor.storage_values) || values > tensor.storage_values) {
    fail(fmt::format("a tensor {} does not lie in its storage of {} values",
                     to_string(tensor.shape), tensor.storage_values));
  }
  return tensor;
}

Shape PickleMachine::extents(const PickleValue& value) const {
  Shape extents;
  for (const PickleValue* item : value.items) {
    if (value.kind != Kind::tuple || item->kind != Kind::number || item->number < 0) {
      fail("a tensor's shape is no tuple of whole numbers");
    }
    extents.push_back(static_cast<std::size_t>(item->number));
  }
  return extents;
}

}  // namespace pnflow
