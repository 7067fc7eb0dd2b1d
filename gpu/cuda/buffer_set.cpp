#include "gpu/cuda/buffer_set.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <utility>

namespace pnflow {

namespace {

constexpr std::size_t row_alignment = 256;  // of an image in the device's memory

std::size_t aligned(std::size_t bytes) {
  return (bytes + row_alignment - 1) / row_alignment * row_alignment;
}

// Calls `use(first, count)` for the stretches of images whose places in memory follow each other.
template <class Place, class Use>
void for_each_stretch(std::size_t images, std::size_t bytes, Place place, Use use) {
  for (std::size_t first = 0; first < images;) {
    std::size_t count = 1;
    while (first + count < images && place(first + count) == place(first) + count * bytes) ++count;
    use(first, count);
    first += count;
  }
}

// Neighbours in memory may still be two blocks, of which one is pinned.
bool all_pinned(const std::byte* first, std::size_t bytes) {
  return is_pinned(first) && is_pinned(first + bytes - 1);
}

}  // namespace

void BufferSet::begin(const MicroBatch& batch, InferenceEngine::Done done) {
  batch_ = &batch;
  done_ = std::move(done);
  late_.clear();
  staged_images_ = bytes_up_ = bytes_down_ = 0;
}

InferenceEngine::Done BufferSet::finish() {
  batch_ = nullptr;
  return std::exchange(done_, nullptr);
}

void BufferSet::upload(MaskCache& masks, cudaStream_t stream) {
  raw_ = {};
  raw_.dtype = batch_->dtype;
  raw_.images = batch_->images.size();
  raw_.geometry = batch_->geometry;
  upload_pixels(stream);
  upload_masks(masks, stream);
  maps_.reserve(raw_.images * map_bytes());
  logits_.reserve(raw_.images * logit_bytes());
  not_finite_.reserve(raw_.images * sizeof(unsigned));
  check(cudaMemsetAsync(not_finite_.data(), 0, raw_.images * sizeof(unsigned), stream),
        "cudaMemsetAsync");
  results_ = {raw_.images,
              raw_.geometry,
              format_,
              maps_.data(),
              reinterpret_cast<float*>(logits_.data()),
              reinterpret_cast<unsigned*>(not_finite_.data())};
}

void BufferSet::upload_pixels(cudaStream_t stream) {
  const MapGeometry& geometry = batch_->geometry;
  const std::size_t element = size_of(batch_->dtype);
  const std::size_t bytes = geometry.pixels() * element;
  const std::size_t pitch = aligned(bytes);
  pixels_.reserve(raw_.images * pitch);
  raw_.pixels = pixels_.data();
  raw_.pitch = pitch;
  const auto copy = [&](std::size_t image, std::size_t to_pitch, const std::byte* from,
                        std::size_t from_pitch, std::size_t row, std::size_t rows) {
    check(cudaMemcpy2DAsync(pixels_.data() + image * pitch, to_pitch, from, from_pitch, row, rows,
                            cudaMemcpyHostToDevice, stream),
          "cudaMemcpy2DAsync to the device");
    bytes_up_ += row * rows;
  };
  const auto place = [&](std::size_t image) { return batch_->images[image].pixels; };
  // Images that fill the received ones go up many at a time, a row of the copy being an image. Of
  // others only the part that is wanted goes up, an image at a time.
  const auto copy_pinned = [&](std::size_t first, std::size_t count) {
    if (geometry.whole_rows()) return copy(first, pitch, place(first), bytes, bytes, count);
    const std::size_t row = geometry.width * element;
    copy(first, row, place(first), geometry.stride * element, row, geometry.height);
  };
  const std::size_t extent = geometry.extent() * element;
  const auto upload = [&](std::size_t first, std::size_t count) {
    if (all_pinned(place(first), (count - 1) * bytes + extent)) return copy_pinned(first, count);
    staging_.reserve(raw_.images * pitch);
    for (std::size_t image = first; image < first + count; ++image) {
      // One by one, so that the first is on its way while the second is copied.
      copy_image(place(image), element, geometry, staging_.data() + image * pitch);
      copy(image, pitch, staging_.data() + image * pitch, pitch, bytes, 1);
    }
    staged_images_ += count;
  };
  if (geometry.whole_rows()) {
    for_each_stretch(raw_.images, bytes, place, upload);
  } else {
    for (std::size_t image = 0; image < raw_.images; ++image) upload(image, 1);
  }
}

void BufferSet::upload_masks(MaskCache& masks, cudaStream_t stream) {
  masks.begin();
  const auto has_mask = [](const EngineImage& image) { return image.bad != nullptr; };
  if (std::ranges::none_of(batch_->images, has_mask)) return;
  const std::size_t bytes = batch_->geometry.pixels();
  const std::size_t list_bytes = aligned(raw_.images * sizeof(const std::uint8_t*));
  mask_staging_.reserve(list_bytes + raw_.images * bytes);
  auto* list = reinterpret_cast<const std::uint8_t**>(mask_staging_.data());
  for (std::size_t image = 0; image < raw_.images; ++image) {
    const EngineImage& from = batch_->images[image];
    list[image] = from.bad == nullptr
                      ? nullptr
                      : masks.find(from.bad, batch_->geometry, from.bad_storage,
                                   mask_staging_.data() + list_bytes + image * bytes, stream);
  }
  bad_.reserve(list_bytes);
  check(cudaMemcpyAsync(bad_.data(), list, raw_.images * sizeof(*list), cudaMemcpyHostToDevice,
                        stream),
        "cudaMemcpyAsync of the list of masks");
  raw_.bad = reinterpret_cast<const std::uint8_t* const*>(bad_.data());
}

template <class Place>
void BufferSet::download_part(const std::byte* from, std::size_t bytes, std::size_t offset,
                              Place place, cudaStream_t stream) {
  for_each_stretch(raw_.images, bytes, place, [&](std::size_t first, std::size_t count) {
    std::byte* to = place(first);
    if (!all_pinned(to, count * bytes)) {
      landing_.reserve(raw_.images * (map_bytes() + logit_bytes()));
      late_.push_back({landing_.data() + offset + first * bytes, to, count * bytes});
      to = landing_.data() + offset + first * bytes;
    }
    check(cudaMemcpyAsync(to, from + first * bytes, count * bytes, cudaMemcpyDeviceToHost, stream),
          "cudaMemcpyAsync to the host");
  });
  bytes_down_ += raw_.images * bytes;
}

void BufferSet::download(cudaStream_t stream) {
  const std::vector<EngineImage>& images = batch_->images;
  download_part(
      maps_.data(), map_bytes(), 0, [&](std::size_t image) { return images[image].map; }, stream);
  not_finite_landing_.reserve(raw_.images * sizeof(unsigned));
  check(cudaMemcpyAsync(not_finite_landing_.data(), not_finite_.data(),
                        raw_.images * sizeof(unsigned), cudaMemcpyDeviceToHost, stream),
        "cudaMemcpyAsync of which logits are not finite");
  if (!logits_wanted_) return;
  download_part(
      logits_.data(), logit_bytes(), raw_.images * map_bytes(),
      [&](std::size_t image) { return reinterpret_cast<std::byte*>(images[image].logits); },
      stream);
}

std::size_t BufferSet::map_bytes() const { return batch_->geometry.map_bytes(format_); }

std::size_t BufferSet::logit_bytes() const {
  return logits_wanted_ ? batch_->geometry.map_pixels() * 2 * sizeof(float) : 0;
}

void BufferSet::store_results() const {
  for (const Late& late : late_) std::memcpy(late.to, late.from, late.bytes);
  const auto* not_finite = reinterpret_cast<const unsigned*>(not_finite_landing_.data());
  for (std::size_t image = 0; image < raw_.images; ++image) {
    std::uint8_t* const to = batch_->images[image].not_finite;
    if (to != nullptr && not_finite[image] != 0) *to = 1;
  }
}

}  // namespace pnflow
