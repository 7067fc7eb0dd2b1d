#include "io/simplon_message_writer.h"

#include <cbor.h>

#include <string_view>

#include "io/bytes_out.h"
#include "io/codecs.h"

namespace pnflow {
namespace {

constexpr std::size_t block_elements = 4096;

// CBOR items one after the other, each in its shortest form, numbers with a point as float64.
class CborOut {
 public:
  explicit CborOut(std::string_view kind) { out_.text(kind); }

  CborOut& map(std::size_t entries) { return head(cbor_encode_map_start, entries); }
  CborOut& list(std::size_t items) { return head(cbor_encode_array_start, items); }
  CborOut& text(std::string_view text) {
    head(cbor_encode_string_start, text.size());
    out_.text(text);
    return *this;
  }
  CborOut& bytes(std::span<const std::byte> bytes) {
    head(cbor_encode_bytestring_start, bytes.size());
    out_.bytes(bytes);
    return *this;
  }
  CborOut& integer(std::uint64_t value) { return head(cbor_encode_uint, value); }
  CborOut& real(double value) { return head(cbor_encode_double, value); }

  CborOut& entry(std::string_view key, std::string_view value) { return text(key).text(value); }
  CborOut& entry(std::string_view key, double value) { return text(key).real(value); }

  std::vector<std::byte> take() && { return std::move(out_).take(); }

 private:
  // What libcbor calls an encoder writes the head of an item; a number is nothing but its head.
  template <class Value>
  CborOut& head(std::size_t (*encode)(Value, unsigned char*, std::size_t), auto value) {
    std::array<unsigned char, 9> buffer{};
    const std::size_t size = encode(static_cast<Value>(value), buffer.data(), buffer.size());
    out_.bytes(std::as_bytes(std::span(buffer).first(size)));
    return *this;
  }

  BytesOut out_;
};

double sum_of(DType dtype, std::span<const std::byte> bytes) {
  return dispatch(dtype, [&](auto zero) {
    using T = decltype(zero);
    double sum = 0;
    for (const T pixel :
         std::span(reinterpret_cast<const T*>(bytes.data()), bytes.size() / sizeof(T))) {
      sum += static_cast<double>(pixel);
    }
    return sum;
  });
}

}  // namespace

std::vector<std::byte> write_simplon_start(const SimplonStart& start) {
  CborOut out("c");
  out.map(15).entry("type", "start").entry("run_number", start.run_number);
  out.entry("start_time", start.start_time).entry("duration", start.duration);
  out.entry("beamline", start.beamline).entry("experiment", start.experiment);
  out.entry("beam_type", start.beam_type);
  out.text("polarization").map(2).entry("fraction", start.polarization_fraction);
  out.text("axis").list(start.polarization_axis.size());
  for (const double component : start.polarization_axis) out.real(component);
  out.entry("data_collection_rate", start.data_collection_rate);
  out.entry("datatype", name_of(start.dtype)).entry("shape", to_string(start.shape));
  out.entry("algorithm", "bitshuffle-lz4");
  const auto& detector = start.detector;
  out.text("detector").map(7).entry("name", detector.name).entry("id", detector.id);
  out.entry("type", detector.type).entry("geometry", detector.geometry);
  out.entry("pixel_coords", detector.pixel_coords).entry("material", detector.material);
  out.entry("thickness", detector.thickness);
  out.text("message_id").integer(start.message_id).entry("timestamp", start.timestamp);
  return std::move(out).take();
}

std::vector<std::byte> write_simplon_image(const SimplonImage& image) {
  CborOut out("m");
  out.map(image.beam ? 10 : 7).entry("type", "image").entry("run", image.run);
  out.text("compressed_data");
  out.bytes(codecs::bitshuffle_encode(image.pixels, size_of(image.dtype), block_elements,
                                      codecs::BitshuffleCompressor::lz4));
  if (image.beam) {
    const SimplonBeam& beam = *image.beam;
    out.text("beam_direction").map(4).entry("angle_x", beam.angle_x).entry("angle_y", beam.angle_y);
    out.entry("position_x", beam.position_x).entry("position_y", beam.position_y);
    out.entry("photon_energy", beam.photon_energy).text("photon_wavelength");
    // The producer's 0 is an integer.
    beam.photon_wavelength == 0 ? out.integer(0) : out.real(beam.photon_wavelength);
  }
  out.entry("dtype", name_of(image.dtype)).entry("sum", sum_of(image.dtype, image.pixels));
  out.text("message_id").integer(image.message_id).entry("timestamp", image.timestamp);
  return std::move(out).take();
}

std::vector<std::byte> write_simplon_stop(const std::string& run, double timestamp) {
  CborOut out("c");
  out.map(3).entry("type", "stop").entry("run", run).entry("timestamp", timestamp);
  return std::move(out).take();
}

}  // namespace pnflow
