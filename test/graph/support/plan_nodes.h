#pragma once

// Node types that are described and never run: what the tests of plans build graphs from.

#include "graph/node.h"
#include "graph/registry.h"
#include "graph/spec.h"

namespace pnflow::plan_test {

// A source of raw messages, with parameters of every type.
struct Socket : Source {
  struct Params {
    std::vector<std::string> bind;
    std::optional<Duration> idle_timeout;
    ByteSize max_message{std::uint64_t{1} << 30};
    int receive_queue = 1;
  };
  static void describe(Spec<Params>& spec);
  explicit Socket(const Params&) {}
  std::optional<Batch> next(SourceContext&) override { return {}; }
};

// A source of events.
struct Simulation : Source {
  struct Params {
    Rate rate{};
    double noise = 2.5;
    std::uint64_t seed = 1;
    std::string geometry;
  };
  static void describe(Spec<Params>& spec);
  explicit Simulation(const Params&) {}
  std::optional<Batch> next(SourceContext&) override { return {}; }
};

struct Decode : Transform {
  struct Params {
    bool keep_wire = true;
    std::string geometry;
  };
  static void describe(Spec<Params>& spec);
  explicit Decode(const Params&) {}
  Batch process(const Batch& batch, Context&) const { return batch; }
};

struct Limiter : Gate {
  struct Params {
    int capacity = 0;
  };
  static void describe(Spec<Params>& spec);
  explicit Limiter(const Params& params) : capacity_(params.capacity) {}
  int capacity() const override { return capacity_; }

 private:
  int capacity_;
};

// Gives the map as bits or as logits, according to a parameter; has a group of parameters.
struct Model : AsyncTransform {
  enum class Output { bits, logits, flat };
  struct Pad {
    int height = 0, width = 0;
  };
  struct Params {
    std::string weights;
    Output output = Output::bits;
    std::vector<int> devices{0};
    std::optional<Pad> pad;
  };
  static void describe(Spec<Params>& spec);
  explicit Model(const Params&) {}
  void submit(Batch, Completion) override {}
};

struct Peaks : Transform {
  struct Params {
    int min_num_peak = 10, max_num_peak = 2048;
    bool drop_image = false;
  };
  static void describe(Spec<Params>& spec);
  explicit Peaks(const Params&) {}
  Batch process(const Batch& batch, Context&) const { return batch; }
};

// One message at a time.
struct Average : Transform {
  struct Params {};
  static void describe(Spec<Params>& spec);
  explicit Average(const Params&) {}
  Batch process(const Batch& batch, Context&) { return batch; }
};

// Needs what a decoder gives only sometimes.
struct Scale : Transform {
  struct Params {};
  static void describe(Spec<Params>& spec);
  explicit Scale(const Params&) {}
  Batch process(const Batch& batch, Context&) const { return batch; }
};

struct Writer : Sink {
  struct Params {
    std::string directory = "out";
  };
  static void describe(Spec<Params>& spec);
  explicit Writer(const Params&) {}
  std::unique_ptr<Prepared> prepare(const Batch&, Context&) const override { return {}; }
  void write(std::unique_ptr<Prepared>, Delivery&&) override {}
};

struct Nowhere : Sink {
  struct Params {};
  static void describe(Spec<Params>& spec);
  explicit Nowhere(const Params&) {}
  std::unique_ptr<Prepared> prepare(const Batch&, Context&) const override { return {}; }
  void write(std::unique_ptr<Prepared>, Delivery&&) override {}
};

// Leaves the fate of events to other sinks.
struct Monitor : Nowhere {
  static void describe(Spec<Params>& spec);
  using Nowhere::Nowhere;
};

// socket, simulation, decode, limiter, model, peaks, average, scale, writer, nowhere, monitor.
void add_plan_nodes(Registry& registry);

}  // namespace pnflow::plan_test
