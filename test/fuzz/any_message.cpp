// Input: a byte of settings of the node `decode`, then a message of whatever format.

#include <new>

#include "io/hdf5_exit.h"
#include "nodes/decode.h"
#include "test/fuzz/fuzz_input.h"
#include "test/fuzz/read_message.h"

namespace pnflow::fuzz {
namespace {

// Blocks of exactly the size that is asked for.
class ExactPool : public MemoryPool {
 public:
  std::shared_ptr<std::byte> allocate(std::size_t bytes) override {
    constexpr std::align_val_t alignment{64};
    return {static_cast<std::byte*>(::operator new(bytes, alignment)),
            [](std::byte* block) { ::operator delete(block, alignment); }};
  }
};

class SilentServices : public NodeServices {
 public:
  MemoryPool& pool() override { return pool_; }
  void log(LogLevel, std::string_view) override {}

 private:
  ExactPool pool_;
};

Decode::Params params_of(unsigned settings) {
  Decode::Params params;
  params.padding = std::array{ProducerPadding::none, ProducerPadding::center,
                              ProducerPadding::bottom_right}[settings % 3];
  if ((settings & 0x10U) != 0) params.shape = {7, 9};
  if ((settings & 0x20U) != 0) params.shape = {2, 7, 9};
  params.normalized = (settings & 0x40U) != 0;
  if ((settings & 0x80U) != 0) params.fields.encoder = params.fields.wavelength = {"/data/count"};
  params.max_decoded.bytes = max_array_bytes;
  return params;
}

}  // namespace
}  // namespace pnflow::fuzz

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  pnflow::skip_hdf5_cleanup_at_exit();
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace pnflow;
  fuzz::FuzzInput input(data, size);
  const Decode decode(fuzz::params_of(input.number(1)));
  const auto message = input.rest();
  Batch batch;
  batch.set_message_field(
      "wire", Array(DType::u8, {message.size()}, {message.data(), [](const std::byte*) {}}));
  fuzz::SilentServices services;
  Context context(services, "socket", 0, nullptr);
  fuzz::ignoring_data_errors([&] {
    const Batch decoded = decode.process(batch, context);
    // What the nodes behind rely on.
    if (decoded.array("image").shape().at(0) != context.events()) std::abort();
  });
  return 0;
}
