#include <doctest/doctest.h>

#include "graph/fake_run.h"
#include "nodes/limiter.h"
#include "nodes/null_sink.h"
#include "nodes/throttle.h"
#include "nodes/zmq_source.h"

using namespace pnflow;

namespace {

// What is wrong with the parameters of a node type, as the topology's validator asks.
template <class N>
std::vector<std::string> faults_of(std::vector<std::pair<std::string, Value>> parameters) {
  Registry registry;
  registry.add<N>("node");
  const NodeSpec& spec = registry.find("node")->spec;
  Value map;
  map.kind = Value::Kind::map;
  for (auto& [key, value] : parameters) map.entries.push_back({key, {}, std::move(value)});
  const auto params = registry.find("node")->new_params();
  ParamFaults faults;
  set_params(spec.params, params.get(), map, {}, "node 'x'", {}, faults);
  std::vector<std::string> messages;
  for (const ParamFault& fault : faults) messages.push_back(fault.message);
  if (!messages.empty()) return messages;
  for (const auto& [at, test] : spec.checks) {
    if (auto wrong = test(params.get())) messages.push_back(*wrong);
  }
  return messages;
}

}  // namespace

TEST_CASE("a null sink delivers every living event and no other") {
  NullSink sink({});
  EventStates states(3);
  states[1] = {Fate::vetoed, "few peaks"};
  EventStates after;
  Context context(3);
  auto prepared = sink.prepare(Batch(3), context);
  sink.write(std::move(prepared), Delivery(states, [&](EventStates s) { after = std::move(s); }));
  REQUIRE(after.size() == 3);
  CHECK(after[0].fate == Fate::delivered);
  CHECK(after[1].fate == Fate::vetoed);
  CHECK(after[2].fate == Fate::delivered);
}

TEST_CASE("a limiter needs a capacity between 1 and a million") {
  CHECK(Limiter({.capacity = 8}).capacity() == 8);
  CHECK(faults_of<Limiter>({{"capacity", scalar_value("1")}}).empty());
  CHECK(faults_of<Limiter>({}).size() == 1);
  CHECK(faults_of<Limiter>({{"capacity", scalar_value("0")}}).size() == 1);
  CHECK(faults_of<Limiter>({{"capacity", scalar_value("1000001")}}).size() == 1);
}

TEST_CASE("a throttle needs a delay or a rate") {
  CHECK(faults_of<Throttle>({{"delay", scalar_value("50 ms")}}).empty());
  CHECK(faults_of<Throttle>({{"rate", scalar_value("120 Hz")}}).empty());
  CHECK(faults_of<Throttle>({}).size() == 1);
  CHECK(faults_of<Throttle>({{"rate", scalar_value("0 Hz")}}).size() == 1);
}

TEST_CASE("a zmq_source needs an endpoint that is one") {
  CHECK(faults_of<ZmqSource>({{"bind", scalar_value("tcp://*:0")}}).empty());
  CHECK(faults_of<ZmqSource>({{"connect", scalar_value("tcp://host:5555")}}).empty());
  CHECK(faults_of<ZmqSource>({}).size() == 1);
  CHECK(faults_of<ZmqSource>({{"connect", scalar_value("localhost:5555")}}).size() == 1);
  // It would lose messages.
  CHECK(faults_of<ZmqSource>({{"connect", scalar_value("ipc:///tmp/s")}}).size() == 1);
}
