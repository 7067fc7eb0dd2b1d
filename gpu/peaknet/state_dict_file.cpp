#include "gpu/peaknet/state_dict_file.h"

#include <fmt/format.h>

#include <map>
#include <string_view>
#include <utility>

#include "gpu/peaknet/safetensors.h"
#include "gpu/peaknet/tensor_pickle.h"
#include "gpu/peaknet/torch_archive.h"
#include "graph/error.h"
#include "graph/mapped_file.h"

namespace pnflow {

namespace {

// First bytes of files. As the length of a safetensors header they would be too large.
constexpr std::string_view zip_signature = "PK\x03\x04";
constexpr std::string_view old_torch_save_signature = "\x80\x02\x8a\x0a";

std::string_view text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// The pickle data.pkl, and a record for each storage, which tensors may share.
StateDict tensors_of_archive(std::span<const std::byte> bytes, const std::string& file) {
  const auto refuse = [&](const std::string& what) {
    throw RunError(fmt::format("'{}' holds no state dict that can be read: {}", file, what));
  };
  TorchArchive archive(bytes, file);
  for (const char* sign : {"constants.pkl", "archive_format"}) {
    if (archive.has(sign)) refuse("it is a whole model, TorchScript or a package, and not weights");
  }
  if (!archive.has("data.pkl")) refuse("it is no archive of torch.save");
  if (archive.has("byteorder") && text_of(archive.read("byteorder").bytes()) != "little") {
    refuse("it is from a machine with another order of bytes");
  }
  const TorchRecord pickle = archive.read("data.pkl");
  std::map<std::string, TorchRecord> storages;
  std::size_t copied = 0;  // bytes of tensors that had to be brought into C order
  StateDict state;
  for (const auto& [name, tensor] : parse_tensor_pickle(pickle.bytes(), file)) {
    const auto [entry, fresh] = storages.try_emplace(tensor.storage);
    TorchRecord& storage = entry->second;
    if (fresh) {
      const std::string record = "data/" + tensor.storage;
      if (!archive.has(record)) refuse(fmt::format("the archive has no {:?}", record));
      storage = archive.read(record);
    }
    if (storage.size / size_of(tensor.type) < tensor.storage_values) {
      refuse(fmt::format("truncated: the storage of {} has {} bytes, and {} values of {} are due",
                         name, storage.size, tensor.storage_values, name_of(tensor.type)));
    }
    WeightTensor made = tensor_of(tensor, storage.bytes(), storage.data);
    if (made.storage != storage.data) copied += made.bytes.size();
    if (copied > bytes.size()) refuse("its tensors, each by itself, would be larger than the file");
    add_tensor(state, name, std::move(made), file);
  }
  return state;
}

}  // namespace

StateDict read_state_dict(const std::string& path) {
  const MappedFile file(path);
  return parse_state_dict(file.bytes(), file.owner(), path);
}

StateDict parse_state_dict(std::span<const std::byte> bytes,
                           const std::shared_ptr<const void>& storage, const std::string& file) {
  const std::string_view text = text_of(bytes);
  if (text.starts_with(old_torch_save_signature)) {
    throw RunError(
        fmt::format("'{}' is in the format that torch.save had before PyTorch 1.6, which "
                    "is not read: load it there and save it again",
                    file));
  }
  if (text.starts_with(zip_signature)) return tensors_of_archive(bytes, file);
  return parse_safetensors(bytes, storage, file);
}

}  // namespace pnflow
