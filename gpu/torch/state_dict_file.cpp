#include "gpu/torch/state_dict_file.h"

#include <c10/util/Exception.h>
#include <caffe2/serialize/inline_container.h>
#include <fmt/format.h>

#include <cstddef>
#include <map>
#include <memory>
#include <span>
#include <string_view>
#include <utility>

#include "gpu/peaknet/safetensors.h"
#include "gpu/peaknet/tensor_pickle.h"
#include "graph/error.h"
#include "graph/mapped_file.h"

namespace pnflow {

namespace {

// First bytes of files. As the length of a safetensors header they would be too large.
constexpr std::string_view zip_signature = "PK\x03\x04";
constexpr std::string_view old_torch_save_signature = "\x80\x02\x8a\x0a";

// The archive that torch.save writes: the pickle data.pkl, and a file for each storage. LibTorch
// reads the archive; its reader of pickles makes None of every OrderedDict, which is what a state
// dict is, so that the pickle is read by pnflow's own.
class Archive {
 public:
  explicit Archive(const std::string& path) : path_(path), reader_(path) {}

  StateDict tensors() {
    for (const char* sign : {"constants.pkl", "archive_format"}) {
      if (reader_.hasRecord(sign))
        refuse("it is a whole model, TorchScript or a package, and not weights");
    }
    if (!reader_.hasRecord("data.pkl")) refuse("it is no archive of torch.save");
    if (reader_.hasRecord("byteorder") && text("byteorder") != "little") {
      refuse("it is from a machine with another order of bytes");
    }
    if (reader_.getRecordSize("data.pkl") > largest_tensor_pickle)
      refuse("its pickle is too large");
    const std::string pickle = text("data.pkl");
    StateDict state;
    for (const auto& [name, tensor] :
         parse_tensor_pickle(std::as_bytes(std::span(pickle)), path_)) {
      const Storage& storage = this->storage(tensor.storage);
      if (storage.size / size_of(tensor.type) < tensor.storage_values) {
        refuse(fmt::format("truncated: the storage of {} has {} bytes, and {} values of {} are due",
                           name, storage.size, tensor.storage_values, name_of(tensor.type)));
      }
      const std::span bytes(static_cast<const std::byte*>(storage.data->get()), storage.size);
      add_tensor(state, name, tensor_of(tensor, bytes, storage.data), path_);
    }
    return state;
  }

 private:
  struct Storage {
    std::shared_ptr<const c10::DataPtr> data;
    std::size_t size = 0;
  };

  [[noreturn]] void refuse(const std::string& what) const {
    throw RunError(fmt::format("'{}' holds no state dict that can be read: {}", path_, what));
  }

  std::string text(const std::string& record) {
    const auto [data, size] = reader_.getRecord(record);
    return {static_cast<const char*>(data.get()), size};
  }

  // Tensors may share one.
  const Storage& storage(const std::string& name) {
    const auto [entry, fresh] = storages_.try_emplace(name);
    if (fresh) {
      const std::string record = "data/" + name;
      if (!reader_.hasRecord(record)) refuse(fmt::format("the archive has no {:?}", record));
      auto [data, size] = reader_.getRecord(record);
      entry->second = {std::make_shared<const c10::DataPtr>(std::move(data)), size};
    }
    return entry->second;
  }

  const std::string& path_;
  caffe2::serialize::PyTorchStreamReader reader_;
  std::map<std::string, Storage> storages_;
};

}  // namespace

StateDict read_state_dict(const std::string& path) {
  const MappedFile file(path);
  const std::string_view text(reinterpret_cast<const char*>(file.bytes().data()),
                              file.bytes().size());
  if (text.starts_with(old_torch_save_signature)) {
    throw RunError(
        fmt::format("'{}' is in the format that torch.save had before PyTorch 1.6, which "
                    "is not read: load it there and save it again",
                    path));
  }
  if (!text.starts_with(zip_signature)) {
    return parse_safetensors(file.bytes(), file.owner(), path);
  }
  try {
    return Archive(path).tensors();
  } catch (const c10::Error& error) {
    std::string what = error.what_without_backtrace();
    throw RunError(fmt::format("'{}' is no archive of torch.save that can be read: {}", path,
                               what.substr(0, what.find('\n'))));
  }
}

}  // namespace pnflow
