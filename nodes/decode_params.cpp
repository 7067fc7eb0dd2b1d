// What decode says of itself: fields and parameters.

#include "nodes/decode.h"

namespace pnflow {
namespace {

void describe_fields(Spec<Decode::Fields>& s) {
  s.param("image", &Decode::Fields::image).help("pixels, (B,H,W) or (B,C,H,W)");
  s.param("timestamp", &Decode::Fields::timestamp)
      .help(
          "seconds << 32 | nanoseconds, as integer or float64; float64 seconds; or text "
          "seconds.nanoseconds");
  s.param("wavelength", &Decode::Fields::wavelength).help("in angstrom");
  s.param("photon_energy", &Decode::Fields::photon_energy)
      .help("in eV; goes before the wavelength's");
  s.param("encoder", &Decode::Fields::encoder).help("camera length encoder");
  s.param("id", &Decode::Fields::id).help("the event's number at its producer");
  s.param("original_shape", &Decode::Fields::original_shape)
      .help("[B, C, H, W] before padding and merging of panels");
  s.param("label", &Decode::Fields::label).help("what each pixel is; of the image's shape");
  s.param("mask", &Decode::Fields::mask).help("bad pixels, not 0 = bad: (H,W), (C,H,W) or (C*H,W)");
}

}  // namespace

void Decode::describe(Spec<Params>& s) {
  s.summary("Decodes messages and files (HDF5, npz, NPAY, Simplon), known by their content.");
  s.opens_events();
  s.default_workers(2);
  s.default_on_error(OnError::skip);
  s.reads("wire").dtypes({DType::u8}).rank(1).help("the message as it came");
  s.reads("series_start")
      .dtypes({DType::u8})
      .rank(1)
      .optional()
      .help("start message of the Simplon series that an image belongs to");
  s.drops("wire");
  s.drops("series_start");
  s.adds("image")
      .dtypes({DType::u16, DType::i16, DType::i32, DType::f32, DType::f64})
      .rank(3, 4)
      .help("pixels in ADU, without a producer's padding");
  s.adds("timestamp").dtypes({DType::u64}).rank(1).optional().help("seconds << 32 | nanoseconds");
  s.adds("wavelength").dtypes({DType::f64}).rank(1).optional().help("angstrom, NaN when missing");
  s.adds("photon_energy").dtypes({DType::f64}).rank(1).optional().help("eV, NaN when missing");
  s.adds("encoder")
      .dtypes({DType::f64})
      .rank(1)
      .optional()
      .help("as the message has it, NaN when missing")
      .when([](const Params& p) { return !p.fields.encoder.empty(); });

  s.adds("id")
      .dtypes({DType::i64})
      .rank(1)
      .optional()
      .help("the event's number at its producer, -1 when missing")
      .when([](const Params& p) { return !p.fields.id.empty(); });
  s.adds("label")
      .rank(3, 4)
      .optional()
      .help("what each pixel is, in the message's dtype")
      .when([](const Params& p) { return !p.fields.label.empty(); });
  s.adds("mask")
      .dtypes({DType::u8})
      .rank(2, 3)
      .optional()
      .help("bad pixels, 1 = bad, of one event's shape")
      .when([](const Params& p) { return !p.fields.mask.empty() || p.geometry || p.mask; });

  s.group("fields", &Params::fields,
          "names of the fields in the message: HDF5 path, npz or NPAY array, CBOR key; of several "
          "the first that is there is taken; without any, those that the message's format uses",
          &describe_fields);
  s.param("padding", &Params::padding)
      .choice("none", ProducerPadding::none)
      .choice("center", ProducerPadding::center)
      .choice("bottom-right", ProducerPadding::bottom_right)
      .help(
          "how the producer padded the images; undone by the message's original shape, or by "
          "'shape' where it has none");
  s.param("shape", &Params::shape)
      .at_least(1)
      .unit("pixels")
      .help("of one event without padding, [H, W] or [C, H, W]; a message with another is refused");
  s.param("normalized", &Params::normalized)
      .help("the producer has normalised the pixels: they are not in ADU any more");
  s.param("max_decoded", &Params::max_decoded)
      .help("a message whose images would take more memory is refused");
  describe_detector(s);
  s.check("shape", [](const Params& p) -> std::optional<std::string> {
    if (p.shape.empty() || p.shape.size() == 2 || p.shape.size() == 3) return {};
    return "'shape' must be [H, W] or [C, H, W]";
  });
}

}  // namespace pnflow
