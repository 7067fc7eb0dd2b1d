#include "nodes/infer_message.h"

#include <fmt/format.h>

#include <algorithm>
#include <span>
#include <utility>
#include <variant>

#include "graph/error.h"
#include "io/mask_file.h"
#include "nodes/segmap_window.h"

namespace pnflow {

namespace {

bool is_normalized(const Batch& batch) {
  const Attribute* attribute = batch.attribute("normalized");
  const bool* value = attribute ? std::get_if<bool>(attribute) : nullptr;
  return value && *value;
}

}  // namespace

InferMessage::InferMessage(Batch batch, const Context& context, const Options& options)
    : batch_(std::move(batch)), image_(batch_.array("image")) {
  const Shape& shape = image_.shape();
  if (shape.size() < 3 || shape.size() > 4 || elements_of({shape.begin() + 1, shape.end()}) == 0) {
    throw DataError(
        "wrong shape",
        fmt::format("images of shape {}; wanted are (B,H,W) or (B,C,H,W)", to_string(shape)));
  }
  if (shape.size() == 4) panels_ = shape[1];
  key_ = {image_.dtype(), shape[shape.size() - 2], shape.back(),
          is_normalized(batch_) ? Normalize::none : options.normalize};
  geometry_ = map_geometry(key_.height, key_.width, options.pad, options.crop);
  choose_mask(options);
  for (std::size_t event = 0; event < batch_.events(); ++event) {
    if (context.alive(event)) living_.push_back(event);
  }
  unsettled_ = images();
  not_finite_.resize(images());
  allocate(context, options);
}

void InferMessage::choose_mask(const Options& options) {
  if (options.mask) {
    mask_ = mask_for(*options.mask, panels_, key_.height, key_.width);
    own_mask_ = true;
  } else if (const Array* given = batch_.find("mask")) {
    mask_ = mask_for(*given, panels_, key_.height, key_.width);
    static_cast<void>(mask_->as<std::uint8_t>());  // refuses another dtype
  }
}

void InferMessage::allocate(const Context& context, const Options& options) {
  Shape leading{batch_.events()};
  if (image_.rank() == 4) leading.push_back(panels_);
  Shape map = leading;
  map.insert(map.end(), {geometry_.map_height, geometry_.row_elements(options.output)});
  MemoryPool& pool = options.results ? *options.results : context.pool();
  segmap_.emplace(pool, options.output == MapFormat::bits ? DType::u64 : DType::u8, map);
  if (options.logits) {
    Shape both = leading;
    both.insert(both.end(), {2, geometry_.map_height, geometry_.map_width});
    logits_.emplace(pool, DType::f32, both);
  }
  for (std::size_t event = 0; event < batch_.events(); ++event) {
    if (!context.alive(event)) clear_results(event);
  }
}

std::vector<std::size_t> InferMessage::result_bytes() {
  std::vector<std::size_t> bytes{segmap_->raw().size()};
  if (logits_) bytes.push_back(logits_->raw().size());
  return bytes;
}

void InferMessage::clear_results(std::size_t event) {
  std::ranges::fill(segmap_->raw_at(event), std::byte{0});
  if (logits_) std::ranges::fill(logits_->raw_at(event), std::byte{0});
}

EngineImage InferMessage::image(std::size_t index) {
  const std::size_t panel = index % panels_;
  const std::size_t at = living_[index / panels_] * panels_ + panel;
  const std::size_t all = batch_.events() * panels_;
  const auto part = [&](std::span<std::byte> bytes) {
    return bytes.data() + at * (bytes.size() / all);
  };
  const std::size_t received = key_.height * key_.width;
  const std::size_t first = geometry_.first();
  EngineImage image;
  image.pixels = image_.raw().data() + (at * received + first) * size_of(key_.dtype);
  if (mask_) {
    image.bad = mask_->as<std::uint8_t>().data() + panel * received + first;
    image.bad_storage = mask_->storage();
  }
  image.map = part(segmap_->raw());
  if (logits_) image.logits = reinterpret_cast<float*>(part(logits_->raw()));
  image.not_finite = &not_finite_[index];
  return image;
}

bool InferMessage::settle(std::size_t index, const Failure* failure) {
  if (failure) {
    const std::lock_guard lock(mutex_);
    failed_.push_back({living_[index / panels_], *failure});
  }
  // Whoever settles the last image sees what the others have written.
  return unsettled_.fetch_sub(1, std::memory_order_acq_rel) == 1;
}

// A map of such an image is empty or full of holes, which would look like an image without peaks.
void InferMessage::fail_not_finite() {
  for (std::size_t index = 0; index < not_finite_.size(); ++index) {
    if (not_finite_[index] == 0) continue;
    const std::string panel = panels_ > 1 ? fmt::format(" for panel {}", index % panels_) : "";
    failed_.push_back({living_[index / panels_],
                       {"logits not finite",
                        fmt::format("the network's logits{} are not all finite numbers", panel)}});
  }
}

void InferMessage::answer() {
  fail_not_finite();
  for (const Failed& failed : failed_) {
    if (!completion_->context().alive(failed.event)) continue;
    clear_results(failed.event);
    completion_->context().fail(failed.event, failed.failure.reason, failed.failure.detail);
  }
  batch_.set("segmap", std::move(*segmap_).freeze());
  if (logits_) batch_.set("logits", std::move(*logits_).freeze());
  if (own_mask_) batch_.set_message_field("mask", std::move(*mask_));
  write_segmap_window(batch_, geometry_);
  image_ = {};  // whoever still refers to this message does not hold its pixels
  std::move(*completion_).answer(std::move(batch_));
}

}  // namespace pnflow
