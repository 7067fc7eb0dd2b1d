#include "nodes/infer.h"

#include <fmt/format.h>

namespace pnflow {

namespace {

template <class Size>
void describe_size(Spec<Size>& s, const char* what) {
  s.param("height", &Size::height).required().range(1, 1 << 20).unit("pixels").help(what);
  s.param("width", &Size::width).required().range(1, 1 << 20).unit("pixels").help(what);
}

void describe_crop(Spec<MapCrop>& s) {
  describe_size(s, "of what the model sees");
  s.param("top", &MapCrop::top)
      .range(0, 1 << 20)
      .unit("pixels")
      .help("row of its first pixel in the image; absent: in the middle");
  s.param("left", &MapCrop::left)
      .range(0, 1 << 20)
      .unit("pixels")
      .help("column of its first pixel in the image; absent: in the middle");
}

void describe_padding(Spec<MapPadding>& s) {
  describe_size(s, "of the map");
  s.param("style", &MapPadding::style)
      .choice("center", PadStyle::center)
      .choice("bottom-right", PadStyle::bottom_right)
      .help("where the padding goes: around the image, or below and to the right of it");
}

void describe_threshold(Spec<ThresholdSettings>& s) {
  using T = ThresholdSettings;
  s.param("radius", &T::radius)
      .range(1, 15)
      .unit("pixels")
      .help("half size of the window from which background and sigma come");
  s.param("clip", &T::clip)
      .range(1, 100)
      .unit("sigma")
      .help("brighter pixels are left out of the background, in two rounds");
  s.param("min_sigma", &T::min_sigma).range(0, 1e5).unit("ADU").help("sigma is at least this");
  s.param("snr", &T::snr)
      .range(0, 1e5)
      .unit("sigma")
      .help("least intensity of a peak's 3x3 pixels, over sigma times the root of their number");
  s.param("min_intensity", &T::min_intensity)
      .range(0, 1e9)
      .unit("ADU")
      .help("least intensity of a peak's 3x3 pixels above the background");
  s.param("max_share", &T::max_share)
      .range(0, 1)
      .help("largest share of that intensity in one pixel; 1 accepts single hot pixels");
  s.param("grow_snr", &T::grow_snr)
      .range(0, 1e5)
      .unit("sigma")
      .help("least height of a peak's pixel");
  s.param("grow_adu", &T::grow_adu)
      .range(0, 1e9)
      .unit("ADU")
      .help("least height of a peak's pixel");
  s.param("min_pixels", &T::min_pixels)
      .range(1, 9)
      .unit("pixels")
      .help("of the 3x3 that must have that height");
}

void describe_fields(Spec<Infer::Params>& s) {
  using P = Infer::Params;
  s.reads("image").rank(3, 4).help("raw pixels in ADU, (B,H,W) or (B,C,H,W)");
  s.reads("mask")
      .dtypes({DType::u8})
      .optional()
      .help("bad pixels, (C,H,W), where 'mask' is not given");
  s.adds("segmap")
      .dtypes({DType::u64, DType::u8})
      .rank(3, 4)
      .help(
          "where peaks are; attributes segmap_height and segmap_width [pixels] are the map's size, "
          "segmap_top and segmap_left the place in it of the first pixel that the model saw, "
          "crop_height, crop_width, crop_top and crop_left the part of the image that it saw");
  s.adds("logits")
      .dtypes({DType::f32})
      .rank(4, 5)
      .when([](const P& p) { return p.logits; })
      .help("of both classes, background first: (B,[C,]2,height,width) of the map");
  s.adds("mask")
      .dtypes({DType::u8})
      .when([](const P& p) { return !p.mask.empty(); })
      .help("bad pixels, (C,H,W), one for all events of the message");
}

void add_checks(Spec<Infer::Params>& s) {
  using P = Infer::Params;
  const auto has_network = [](const P& p) { return p.engine != "threshold" && p.engine != "none"; };
  s.check("engine", [=](const P& p) -> std::optional<std::string> {
    if (has_network(p) && p.weights.empty()) {
      return "engine '" + p.engine + "' needs a model: 'weights' must be given";
    }
    return {};
  });
  s.check("weights", [=](const P& p) -> std::optional<std::string> {
    if (!has_network(p) && !p.weights.empty())
      return "engine '" + p.engine + "' takes no 'weights'";
    return {};
  });
  s.check("instances", [](const P& p) -> std::optional<std::string> {
    if (p.devices.gpu() && p.instances > 1) {
      return "'instances' is for the CPU; name a GPU twice in 'devices' for two pipelines on it";
    }
    return {};
  });
  s.check("logits", [=](const P& p) -> std::optional<std::string> {
    if (!has_network(p) && p.logits) return "engine '" + p.engine + "' has no 'logits'";
    return {};
  });
  s.check("pad", [](const P& p) -> std::optional<std::string> {
    if (!p.crop || !p.pad) return {};
    if (p.pad->height >= p.crop->height && p.pad->width >= p.crop->width) return {};
    return fmt::format("'pad' to {}x{} is smaller than 'crop' of {}x{} (height x width)",
                       p.pad->height, p.pad->width, p.crop->height, p.crop->width);
  });
  s.check("normalize", [](const P& p) -> std::optional<std::string> {
    if (counts_photons(p.normalize) && !p.adu_per_photon) {
      return fmt::format("'{}' needs 'adu_per_photon'",
                         p.normalize == Normalize::photons ? "photons" : "anscombe");
    }
    return {};
  });
  s.check("adu_per_photon", [](const P& p) -> std::optional<std::string> {
    if (p.adu_per_photon && !counts_photons(p.normalize)) {
      return "'adu_per_photon' is for 'normalize: photons' and 'anscombe'";
    }
    return {};
  });
  s.check("mask_dataset", [](const P& p) -> std::optional<std::string> {
    if (p.mask.empty() && !p.mask_dataset.empty()) return "'mask_dataset' needs 'mask'";
    return {};
  });
}

}  // namespace

void Infer::describe(Spec<Params>& s) {
  s.summary("Runs a model over images: which pixels belong to peaks?");
  describe_fields(s);
  s.param("engine", &Params::engine)
      .required()
      .choice("threshold", "threshold")
      .choice("torchscript", "torchscript")
      .choice("aoti", "aoti")
      .choice("peaknet", "peaknet")
      .choice("none", "none")
      .help(
          "a peak finder without a network, a TorchScript model (.pt), an AOTInductor package "
          "(.pt2), a PeakNet from its weights (.safetensors, or what torch.save made of a state "
          "dict), or nothing but the preparation of a network's input");
  s.param("weights", &Params::weights).help("the model's file");
  s.param("precision", &Params::precision)
      .choice(name_of(Precision::float32), Precision::float32)
      .choice(name_of(Precision::bfloat16), Precision::bfloat16)
      .choice(name_of(Precision::float16), Precision::float16)
      .help(
          "in which the model computes; float32 is without TF32; an event whose logits are not "
          "finite, which float16 may lead to, fails");
  s.param("devices", &Params::devices)
      .help(
          "GPUs to run on, by number, each with a pipeline of its own; one that is named twice has "
          "two; 'auto': all that there are; 'cpu': none");
  s.needs([](const Params& p) { return p.devices.needs(); });
  s.param("buffers", &Params::buffers)
      .range(1, 8)
      .help("micro-batches that a GPU's pipeline has in flight: 2 is double buffering");
  s.param("cuda_graph", &Params::cuda_graph)
      .choice("auto", CudaGraph::automatic)
      .choice("off", CudaGraph::off)
      .help(
          "whether a network on a GPU is launched as a whole, as a CUDA graph of each size of "
          "micro-batch; auto: with 'crop' or 'pad', where the network's work is always the same");
  s.param("on_device_error", &Params::on_device_error)
      .choice("stop", OnDeviceError::stop)
      .choice("continue", OnDeviceError::go_on)
      .help("when a GPU fails: end the run, or go on with the others as long as there are any");
  s.param("batch_size", &Params::batch_size)
      .range(1, 4096)
      .unit("images")
      .help("largest micro-batch; a panel is an image, and micro-batches span messages");
  s.param("max_wait", &Params::max_wait)
      .at_least(Duration{0})
      .help("longest time that an image waits for its micro-batch to fill");
  s.param("instances", &Params::instances)
      .range(1, 256)
      .help("of the engine on the CPU, each with a thread of its own");
  s.param("threads", &Params::threads)
      .range(1, 1024)
      .help("that one instance on the CPU computes with");
  s.group<MapCrop>("crop", &Params::crop,
                   "part of each image that the model sees, the rest having no peaks; absent: all",
                   describe_crop);
  s.group<MapPadding>("pad", &Params::pad, "size to which images are padded; absent: none",
                      describe_padding);
  s.param("normalize", &Params::normalize)
      .choice("none", Normalize::none)
      .choice("instance", Normalize::instance)
      .choice("instance_padded", Normalize::instance_padded)
      .choice("photons", Normalize::photons)
      .choice("anscombe", Normalize::anscombe)
      .help(
          "(x - mean) / sqrt(variance + eps) of each image's good pixels after 'crop', padding "
          "entering as 0; the same of the padded image with its zeros; n = x / adu_per_photon; or "
          "2 sqrt(n + 3/8) - 2 sqrt(3/8), in which the noise of photons is even");
  s.param("normalize_eps", &Params::normalize_eps).range(0, 1e6).help("eps of the normalisation");
  s.param("adu_per_photon", &Params::adu_per_photon)
      .unit("ADU")
      .range(1e-6, 1e9)
      .help("what a photon gives; for 'normalize: photons' and 'anscombe'");
  s.param("output", &Params::output)
      .choice("bits", MapFormat::bits)
      .choice("uint8", MapFormat::uint8)
      .help("one bit a pixel in rows of 64-bit words, or one byte");
  s.param("logits", &Params::logits).help("also give what the classes were decided from");
  s.param("mask", &Params::mask).help("HDF5 file of bad pixels, not 0 = bad, (C,H,W) or (C*H,W)");
  s.param("mask_dataset", &Params::mask_dataset)
      .help("where the mask is in its file; default /mask, then /entry_1/data_1/mask");
  s.group<ThresholdSettings>("threshold", &Params::threshold, "of engine 'threshold'",
                             describe_threshold);
  add_checks(s);
}

}  // namespace pnflow
