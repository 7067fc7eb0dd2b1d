#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>

#include "gpu/peaknet/state_dict.h"

namespace pnflow {

// A tensor as torch.save describes it: a view of a storage, whose values are a file of the archive
// on its own. Where it lies in its storage is checked.
struct PickledTensor {
  WeightType type = WeightType::f32;
  std::string storage;               // the file's name is "data/" and this
  std::uint64_t storage_values = 0;  // in the storage
  std::uint64_t first = 0;           // value of the storage
  Shape shape;
  Shape strides;  // in values
};

// The longest pickle that is read: values take up to 200 times as much memory.
inline constexpr std::size_t largest_tensor_pickle = 16 << 20;  // bytes

// The state dict in the file data.pkl of what torch.save has written (a pickle of protocol 2): the
// outermost dictionary, or the one in it under "model", "model_state" or "state_dict", one after
// the other. Dictionaries, lists, numbers, texts and tensors are understood; nothing is executed,
// and objects of whatever other class are refused by name. The work is proportional to the pickle.
// Names are as in the file. Throws RunError, which names `file`. Pure.
std::map<std::string, PickledTensor> parse_tensor_pickle(std::span<const std::byte> pickle,
                                                         const std::string& file);

// A tensor in C order, out of its storage, which must have storage_values values. `owner` keeps the
// storage.
WeightTensor tensor_of(const PickledTensor& pickled, std::span<const std::byte> storage,
                       const std::shared_ptr<const void>& owner);

}  // namespace pnflow
