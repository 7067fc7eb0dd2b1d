#include "test/graph/support/plan_nodes.h"

namespace pnflow::plan_test {

void Socket::describe(Spec<Params>& spec) {
  spec.summary("Receives messages.");
  spec.adds("wire").dtypes({DType::u8}).rank(1);
  spec.param("bind", &Params::bind).required().help("endpoints to listen on");
  spec.param("idle_timeout", &Params::idle_timeout).help("silence that ends the run");
  spec.param("max_message", &Params::max_message).help("the largest message");
  spec.param("receive_queue", &Params::receive_queue)
      .range(1, 1000)
      .unit("messages")
      .help("high-water mark");
}

void Simulation::describe(Spec<Params>& spec) {
  spec.summary("Makes events.").opens_events();
  spec.adds("image").dtypes({DType::u16}).rank(3, 4);
  spec.adds("timestamp").dtypes({DType::u64}).rank(1);
  spec.param("rate", &Params::rate).help("events per second; 0 Hz: as fast as they are taken");
  spec.param("noise", &Params::noise).at_least(0).unit("ADU").help("sigma of the noise");
  spec.param("seed", &Params::seed).help("of the random numbers");
  spec.param("geometry", &Params::geometry).shared().help("the detector");
}

void Decode::describe(Spec<Params>& spec) {
  spec.summary("Reads events out of messages.")
      .opens_events()
      .default_workers(4)
      .default_on_error(OnError::keep);
  spec.reads("wire").dtypes({DType::u8}).rank(1);
  spec.adds("image").rank(3, 4).help("raw pixels");
  spec.adds("timestamp").dtypes({DType::u64}).rank(1);
  spec.adds("wavelength")
      .dtypes({DType::f64})
      .rank(1)
      .optional()
      .help("there when the producer sends it");
  spec.drops("wire").when([](const Params& p) { return !p.keep_wire; });
  spec.param("keep_wire", &Params::keep_wire).help("the message's bytes stay in the batch");
  spec.param("geometry", &Params::geometry).shared().help("the detector");
}

void Limiter::describe(Spec<Params>& spec) {
  spec.summary("Bounds the messages behind it.");
  spec.param("capacity", &Params::capacity)
      .required()
      .range(1, 1000)
      .unit("messages")
      .help("most messages");
}

void Model::describe(Spec<Params>& spec) {
  spec.summary("Runs a model.");
  const auto gives = [](Output output) {
    return [output](const Params& p) { return p.output == output; };
  };
  spec.reads("image").rank(3, 4);
  spec.adds("segmap").dtypes({DType::u8}).rank(4).when(gives(Output::bits));
  spec.adds("segmap").dtypes({DType::f32, DType::f64}).rank(4).when(gives(Output::logits));
  spec.adds("segmap").dtypes({DType::u8}).rank(2).when(gives(Output::flat));
  spec.param("weights", &Params::weights).help("the model's file");
  spec.param("output", &Params::output)
      .choice("bits", Output::bits)
      .choice("logits", Output::logits)
      .choice("flat", Output::flat)
      .help("what the map holds");
  spec.param("devices", &Params::devices).range(0, 63).help("numbers of the devices");
  spec.group<Pad>("pad", &Params::pad, "grows the image", [](Spec<Pad>& pad) {
    pad.param("height", &Pad::height).required().range(1, 65536).unit("pixels").help("rows");
    pad.param("width", &Pad::width).required().range(1, 65536).unit("pixels").help("columns");
  });
}

void Peaks::describe(Spec<Params>& spec) {
  spec.summary("Finds peaks.").default_workers(8);
  spec.reads("segmap").dtypes({DType::u8}).rank(3, 4);
  spec.reads("image").rank(3, 4);
  spec.adds("peaks").help("one row a peak");
  spec.drops("image").when([](const Params& p) { return p.drop_image; });
  spec.param("min_num_peak", &Params::min_num_peak).at_least(0).help("fewer peaks: vetoed");
  spec.param("max_num_peak", &Params::max_num_peak).at_least(1).help("more peaks: cut");
  spec.param("drop_image", &Params::drop_image).help("the pixels end here");
  spec.check("max_num_peak", [](const Params& p) -> std::optional<std::string> {
    if (p.max_num_peak >= p.min_num_peak) return {};
    return "'max_num_peak' is below 'min_num_peak'";
  });
}

void Average::describe(Spec<Params>& spec) {
  spec.summary("Keeps an average.");
  spec.reads("image");
}

void Scale::describe(Spec<Params>& spec) {
  spec.summary("Scales with the wavelength.");
  spec.reads("wavelength").dtypes({DType::f64}).rank(1);
}

void Writer::describe(Spec<Params>& spec) {
  spec.summary("Writes files.").default_workers(4);
  spec.reads("peaks");
  spec.reads("image").rank(3, 4);
  spec.reads("wavelength").dtypes({DType::f64}).rank(1).optional();
  spec.param("directory", &Params::directory).help("where the files go");
}

void Nowhere::describe(Spec<Params>& spec) { spec.summary("Takes anything."); }

void Monitor::describe(Spec<Params>& spec) { spec.summary("Looks on.").default_observer(); }

void add_plan_nodes(Registry& registry) {
  registry.add<Socket>("socket");
  registry.add<Simulation>("simulation");
  registry.add<Decode>("decode");
  registry.add<Limiter>("limiter");
  registry.add<Model>("model");
  registry.add<Peaks>("find_peaks");
  registry.add<Average>("average");
  registry.add<Scale>("scale");
  registry.add<Writer>("writer");
  registry.add<Nowhere>("nowhere");
  registry.add<Monitor>("monitor");
}

}  // namespace pnflow::plan_test
