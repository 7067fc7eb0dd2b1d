#include "test/support/message_arrays.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <stdexcept>

#include "io/timestamps.h"
#include "test/support/messages.h"
#include "test/support/npz.h"

namespace pnflow::test {
namespace {

std::size_t entries_of(const MessageField& field) {
  return field.shape().empty() ? 1 : field.shape()[0];
}

std::size_t entry_bytes(const MessageField& field) {
  const std::size_t entries = entries_of(field);
  return entries == 0 ? 0 : elements_of(field.shape()) / entries * size_of(field.dtype());
}

std::uint64_t timestamp(const MessageField& field, std::size_t event) {
  if (field.is_text()) return packed_from(field.text(event)).value();
  const std::vector<std::byte> all = read_all(field);
  const std::span<const std::byte> one = std::span(all).subspan(8 * event, 8);
  if (field.dtype() == DType::f64) {
    double value = 0;
    std::memcpy(&value, one.data(), sizeof value);
    return packed_from(value);
  }
  std::uint64_t value = 0;
  std::memcpy(&value, one.data(), sizeof value);
  return value;
}

// The images of one event, the wanted part of each, from the array of a whole message.
std::vector<std::byte> cut(std::span<const std::byte> event, const Shape& stored,
                           const Shape& wanted, std::size_t top, std::size_t left,
                           std::size_t element_bytes) {
  const std::size_t rows = stored[stored.size() - 2];
  const std::size_t row_bytes = stored.back() * element_bytes;
  const std::size_t height = wanted[wanted.size() - 2];
  std::vector<std::byte> out;
  for (std::size_t image = 0; image < event.size() / (rows * row_bytes); ++image) {
    for (std::size_t y = 0; y < height; ++y) {
      const auto row = event.subspan((image * rows + top + y) * row_bytes, row_bytes)
                           .subspan(left * element_bytes, wanted.back() * element_bytes);
      out.insert(out.end(), row.begin(), row.end());
    }
  }
  return out;
}

}  // namespace

std::unique_ptr<MessageField> find_array(const MessageReader& reader, const std::string& name) {
  auto field = reader.find(std::span(&name, 1));
  if (!field) throw std::runtime_error("no array " + name);
  return field;
}

std::vector<std::byte> read_all(const MessageField& field) {
  const std::size_t size = entry_bytes(field);
  std::vector<std::byte> all(entries_of(field) * size);
  for (std::size_t i = 0; i < entries_of(field); ++i) {
    field.read(i, std::span(all).subspan(i * size, size));
  }
  return all;
}

std::vector<std::string> array_fates(std::span<const std::byte> bytes,
                                     std::vector<std::byte>* pixels) {
  std::unique_ptr<MessageReader> reader;
  if (const auto reason = reason_of([&] { reader = open_message(bytes); }); !reader) {
    return {reason};
  }
  std::vector<std::string> fates;
  for (const std::string& name : reader->names()) {
    std::string& fate = fates.emplace_back(name + ":");
    std::unique_ptr<MessageField> field;
    if (const auto reason = reason_of([&] { field = find_array(*reader, name); }); !field) {
      fate += " " + reason;
      continue;
    }
    std::vector<std::byte> out(field->is_text() ? 0 : entry_bytes(*field));
    for (std::size_t i = 0; i < entries_of(*field); ++i) {
      const auto reason = reason_of([&] {
        if (field->is_text()) {
          const std::string text = field->text(i);
          out.resize(text.size());
          std::memcpy(out.data(), text.data(), text.size());
        } else {
          field->read(i, out);
        }
      });
      fate += " " + (reason == "none" ? "read" : reason);
      if (reason == "none" && pixels != nullptr) {
        pixels->insert(pixels->end(), out.begin(), out.end());
      }
    }
  }
  return fates;
}

void check_captured_set(const std::string& set) {
  CAPTURE(set);
  const auto expected = read_npz(PNFLOW_TEST_DATA "/lclstreamer/" + set + "/expected.npz");
  const NpyArray& images = expected.at("images");
  const auto stamps = expected.at("timestamp_u64").as<std::uint64_t>();
  const bool seconds = expected.at("timestamp_form").text() == "f64_seconds";
  const Shape wanted(images.shape.begin() + 1, images.shape.end());
  const std::size_t event_bytes = images.bytes.size() / images.shape[0];
  std::size_t top = 0, left = 0;
  if (const auto pad = expected.find("pad_top_left_height_width"); pad != expected.end()) {
    const auto numbers = pad->second.as<std::int32_t>();
    top = static_cast<std::size_t>(numbers.at(0));
    left = static_cast<std::size_t>(numbers.at(1));
  }
  std::size_t done = 0;
  for (const std::string& path : captured_messages(set)) {
    const auto bytes = read_bytes(path);
    const auto reader = open_message(bytes);
    const FieldNames& names = reader->usual_names();
    const auto image = reader->find(names.image);
    const auto timestamp_field = reader->find(names.timestamp);
    const auto wavelength = reader->find(names.wavelength);
    REQUIRE(image);
    REQUIRE(timestamp_field);
    const std::vector<std::byte> pixels = read_all(*image);
    const std::size_t events = timestamp_field->shape().at(0);
    CHECK((wavelength != nullptr) == expected.contains("wavelength"));
    for (std::size_t event = 0; event < events; ++event, ++done) {
      CAPTURE(done);
      const std::size_t stored_bytes = pixels.size() / events;
      const auto one = cut(std::span(pixels).subspan(event * stored_bytes, stored_bytes),
                           image->shape(), wanted, top, left, size_of(image->dtype()));
      REQUIRE(one.size() == event_bytes);
      CHECK(std::equal(one.begin(), one.end(),
                       images.bytes.begin() + static_cast<long>(done * event_bytes)));
      const std::uint64_t stamp = timestamp(*timestamp_field, event);
      const std::uint64_t off = std::max(stamp, stamps.at(done)) - std::min(stamp, stamps.at(done));
      CHECK(off <= (seconds ? 1000 : 0));
      if (!wavelength) continue;
      double value = 0;
      wavelength->read(event, std::as_writable_bytes(std::span(&value, 1)));
      CHECK(value == expected.at("wavelength").as<double>().at(done));
    }
    if (const auto original = reader->find(names.original_shape)) {
      std::vector<std::byte> four = read_all(*original);
      std::vector<std::int32_t> extents(four.size() / sizeof(std::int32_t));
      std::memcpy(extents.data(), four.data(), four.size());
      const int panels = wanted.size() == 3 ? static_cast<int>(wanted[0]) : 1;
      CHECK(extents == std::vector<std::int32_t>{static_cast<int>(events), panels,
                                                 static_cast<int>(wanted[wanted.size() - 2]),
                                                 static_cast<int>(wanted.back())});
    }
  }
  CHECK(done == images.shape[0]);
}

}  // namespace pnflow::test
