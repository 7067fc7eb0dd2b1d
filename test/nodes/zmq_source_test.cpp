#include "nodes/zmq_source.h"

#include <atomic>
#include <chrono>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <doctest/doctest.h>
#include <zmq.hpp>

#include "graph/error.h"
#include "graph/fake_run.h"
#include "test/support/simplon.h"

using namespace pnflow;
using namespace pnflow::test;
using namespace std::chrono_literals;

namespace {

struct Producer {
  explicit Producer(const std::string& endpoint) : socket(context, zmq::socket_type::push) {
    socket.set(zmq::sockopt::linger, 5000);
    socket.connect(endpoint);
  }
  void send(std::string_view text, zmq::send_flags flags = zmq::send_flags::none) {
    REQUIRE(socket.send(zmq::buffer(text), flags).has_value());
  }

  zmq::context_t context;
  zmq::socket_t socket;
};

// A source that listens on a free port of this machine, opened.
struct Opened {
  explicit Opened(ZmqSource::Params params = {}) : source(with_port(std::move(params))) {
    source.open(open_context);
    const std::string line = services.line_with("bound ");
    REQUIRE(!line.empty());
    endpoint = line.substr(line.find("tcp://"));
  }
  ~Opened() { source.close(); }

  static ZmqSource::Params with_port(ZmqSource::Params params) {
    params.bind = {"tcp://127.0.0.1:0"};
    return params;
  }
  std::string next_text() {
    const auto batch = source.next(context);
    if (!batch) return "nothing";
    const auto bytes = batch->array("wire").as<std::uint8_t>();
    return {bytes.begin(), bytes.end()};
  }

  FakeServices services;
  FakeOpen open_context{services};
  FakeSource context{services};
  ZmqSource source;
  std::string endpoint;
};

std::string simplon_text(char first, const nlohmann::json& map) {
  const auto bytes = simplon(first, map);
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}
std::string start_text() { return simplon_text('c', {{"type", "start"}, {"run_number", "7"}}); }
std::string stop_text() { return simplon_text('c', {{"type", "stop"}, {"run", "7"}}); }
std::string image_text(int number) {
  return simplon_text('m', {{"type", "image"}, {"run", "7"}, {"number", number}});
}

double seconds_of(auto&& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace

TEST_CASE("messages arrive as they were sent and in order, then the end marker ends the source") {
  Opened opened;
  Producer producer(opened.endpoint);
  const std::string large(3'000'000, 'x');
  producer.send("a");
  producer.send(large);
  producer.send("");
  CHECK(opened.next_text() == "a");
  CHECK(opened.next_text() == large);
  CHECK(opened.next_text() == "nothing");
  CHECK(opened.next_text() == "nothing");
  CHECK(opened.context.controls == 1);
  CHECK(!opened.services.line_with("first message: ").empty());
}

TEST_CASE("a batch keeps its bytes after the source has been closed") {
  std::optional<Batch> small, large;
  {
    Opened opened;
    Producer producer(opened.endpoint);
    producer.send("small enough to lie inside the message");
    producer.send(std::string(100'000, 'y'));
    small = opened.source.next(opened.context);
    large = opened.source.next(opened.context);
  }
  REQUIRE(small);
  REQUIRE(large);
  CHECK(small->array("wire").as<std::uint8_t>()[0] == 's');
  CHECK(large->array("wire").shape() == Shape{100'000});
  CHECK(large->array("wire").as<std::uint8_t>().back() == 'y');
}

TEST_CASE("the run ends with the last producer's end marker") {
  Opened opened({.producers = 2});
  Producer first(opened.endpoint), second(opened.endpoint);
  first.send("1");
  first.send("");
  CHECK(opened.next_text() == "1");
  second.send("2");
  second.send("");
  CHECK(opened.next_text() == "2");
  CHECK(opened.next_text() == "nothing");
  CHECK(opened.context.controls == 2);
}

TEST_CASE("with no producers to wait for, an end marker is only counted") {
  Opened opened({.producers = 0, .idle_timeout = 200ms});
  Producer producer(opened.endpoint);
  producer.send("");
  producer.send("after");
  CHECK(opened.next_text() == "after");
  CHECK(opened.next_text() == "nothing");
  CHECK(opened.context.controls == 1);
}

TEST_CASE("a message of several parts is unreadable as a whole and nothing else is") {
  Opened opened;
  Producer producer(opened.endpoint);
  producer.send("one", zmq::send_flags::sndmore);
  producer.send("two", zmq::send_flags::sndmore);
  producer.send("three");
  producer.send("", zmq::send_flags::sndmore);
  producer.send("not an end marker");
  producer.send("good");
  CHECK(opened.next_text() == "good");
  CHECK(opened.context.reasons == std::vector<std::string>{"several frames", "several frames"});
  CHECK(opened.context.controls == 0);
}

TEST_CASE("a message beyond max_message is unreadable, the next one is not") {
  Opened opened({.max_message = ByteSize{1000}});
  Producer producer(opened.endpoint);
  producer.send(std::string(1001, 'x'));
  producer.send(std::string(1000, 'y'));
  CHECK(opened.next_text() == std::string(1000, 'y'));
  CHECK(opened.context.reasons == std::vector<std::string>{"too large"});
}

TEST_CASE("idle_timeout counts from the first message on") {
  Opened opened({.idle_timeout = 150ms});
  Producer producer(opened.endpoint);
  std::jthread late([&] {
    std::this_thread::sleep_for(400ms);
    producer.send("late");
  });
  CHECK(opened.next_text() == "late");
  const double waited = seconds_of([&] { CHECK(opened.next_text() == "nothing"); });
  CHECK(waited >= 0.15);
  CHECK(waited < 1.5);
}

TEST_CASE("time in which the graph holds the source back is not idle time") {
  Opened opened({.idle_timeout = 150ms});
  Producer producer(opened.endpoint);
  producer.send("1");
  CHECK(opened.next_text() == "1");
  producer.send("2");
  std::this_thread::sleep_for(300ms);
  CHECK(opened.next_text() == "2");
}

TEST_CASE("start_timeout ends a source that hears nothing") {
  Opened opened({.start_timeout = 150ms});
  const double waited = seconds_of([&] { CHECK(opened.next_text() == "nothing"); });
  CHECK(waited >= 0.15);
  CHECK(waited < 1.5);
  CHECK(!opened.services.line_with("no message within").empty());
}

TEST_CASE("expected events end the source once they have been decoded, not when they arrive") {
  Opened opened({.expected_events = 8});
  CHECK(opened.open_context.expected_events == 8);
  Producer producer(opened.endpoint);
  producer.send("1");
  CHECK(opened.next_text() == "1");
  opened.context.decoded = 7;
  std::jthread decoder([&] {
    std::this_thread::sleep_for(200ms);
    opened.context.decoded = 8;
  });
  const double waited = seconds_of([&] { CHECK(opened.next_text() == "nothing"); });
  CHECK(waited >= 0.15);
  CHECK(waited < 1.5);
}

TEST_CASE("a stopping source hands on what is queued and lets nobody new in") {
  Opened opened({.receive_queue = 1000});
  Producer producer(opened.endpoint);
  for (int i = 0; i < 100; ++i) producer.send(std::to_string(i));
  CHECK(opened.next_text() == "0");
  std::this_thread::sleep_for(200ms);
  opened.context.stop = true;
  for (int i = 1; i < 100; ++i) REQUIRE(opened.next_text() == std::to_string(i));
  CHECK(opened.next_text() == "nothing");

  zmq::context_t context;
  zmq::socket_t taker(context, zmq::socket_type::pull);
  taker.set(zmq::sockopt::linger, 0);
  CHECK_NOTHROW(taker.bind(opened.endpoint));
}

TEST_CASE("a stopping source keeps what a producer left behind that has gone") {
  Opened opened({.receive_queue = 1000});
  {
    Producer producer(opened.endpoint);
    for (int i = 0; i < 50; ++i) producer.send(std::to_string(i));
    CHECK(opened.next_text() == "0");
  }
  std::this_thread::sleep_for(200ms);
  opened.context.stop = true;
  for (int i = 1; i < 50; ++i) {
    std::this_thread::sleep_for(15ms);  // a slow graph: longer than the drain's time in all
    REQUIRE(opened.next_text() == std::to_string(i));
  }
  CHECK(opened.next_text() == "nothing");
}

TEST_CASE("a producer that goes on sending does not keep a stopping source alive") {
  zmq::context_t zmq_context;
  zmq::socket_t producer(zmq_context, zmq::socket_type::push);
  producer.set(zmq::sockopt::linger, 0);
  bool listens = false;
  SUBCASE("when it connected to the source") {}
  SUBCASE("when it listens itself") { listens = true; }

  FakeServices services;
  FakeOpen open_context(services);
  FakeSource context(services);
  ZmqSource::Params params;
  if (listens) {
    producer.bind("tcp://127.0.0.1:0");
    params.connect = {producer.get(zmq::sockopt::last_endpoint)};
  } else {
    params.bind = {"tcp://127.0.0.1:0"};
  }
  ZmqSource source(params);
  source.open(open_context);
  if (!listens) producer.connect(services.line_with("bound ").substr(6));

  std::atomic<bool> done = false;
  std::thread endless([&] {
    while (!done) {
      producer.send(zmq::str_buffer("x"), zmq::send_flags::dontwait);
      std::this_thread::sleep_for(1ms);
    }
  });
  CHECK(source.next(context).has_value());
  context.stop = true;
  const double took = seconds_of([&] {
    while (source.next(context)) {
    }
  });
  done = true;
  endless.join();
  CHECK(took < 3);
}

TEST_CASE("an aborted source gives nothing more") {
  Opened opened;
  Producer producer(opened.endpoint);
  producer.send("1");
  producer.send("2");
  CHECK(opened.next_text() == "1");
  opened.context.stop = true;
  opened.services.abort = true;
  CHECK(opened.next_text() == "nothing");
}

TEST_CASE("a stop is noticed within 200 ms while nothing arrives") {
  Opened opened;
  std::jthread stopper([&] {
    std::this_thread::sleep_for(100ms);
    opened.context.stop = true;
  });
  CHECK(seconds_of([&] { CHECK(opened.next_text() == "nothing"); }) < 1.0);
}

TEST_CASE("a port in use and a malformed endpoint are named") {
  Opened opened;
  FakeServices services;
  FakeOpen context(services);
  ZmqSource second({.bind = {opened.endpoint}});
  CHECK_THROWS_WITH_AS(second.open(context),
                       ("cannot bind " + opened.endpoint + ": Address already in use").c_str(),
                       RunError);
  ZmqSource malformed({.connect = {"tcp://nowhere"}});
  CHECK_THROWS_WITH_AS(malformed.open(context), "cannot connect to tcp://nowhere: Invalid argument",
                       RunError);
}

TEST_CASE("the source connects to several producers that listen") {
  zmq::context_t zmq_context;
  std::vector<zmq::socket_t> producers;
  ZmqSource::Params params;
  for (int i = 0; i < 3; ++i) {
    zmq::socket_t& socket = producers.emplace_back(zmq_context, zmq::socket_type::push);
    socket.bind("tcp://127.0.0.1:0");
    params.connect.push_back(socket.get(zmq::sockopt::last_endpoint));
  }
  params.producers = 3;
  FakeServices services;
  FakeOpen open_context(services);
  FakeSource context(services);
  ZmqSource source(params);
  source.open(open_context);
  for (auto& socket : producers) {
    socket.send(zmq::str_buffer("data"));
    socket.send(zmq::message_t(), zmq::send_flags::none);
  }
  int messages = 0;
  while (source.next(context)) ++messages;
  CHECK(messages == 3);
  CHECK(context.controls == 3);
  source.close();
}

TEST_CASE("a peer of an unfitting kind is refused with a warning, once") {
  Opened opened({.start_timeout = 600ms});
  zmq::context_t context;
  zmq::socket_t publisher(context, zmq::socket_type::pub);
  publisher.set(zmq::sockopt::linger, 0);
  publisher.connect(opened.endpoint);
  CHECK(opened.next_text() == "nothing");
  int warnings = 0;
  for (const auto& line : opened.services.lines()) warnings += line.find("refused") != line.npos;
  CHECK(warnings == 1);
}

TEST_CASE("Simplon images that come before their start message wait for it, outside the window") {
  Opened opened;
  Producer producer(opened.endpoint);
  producer.send(image_text(0));
  producer.send(image_text(1));
  producer.send(start_text());
  producer.send(image_text(2));
  producer.send("");
  for (int number = 0; number < 3; ++number) {
    const auto batch = opened.source.next(opened.context);
    REQUIRE(batch);
    CHECK(batch->has("series_start"));
    const auto bytes = batch->array("wire").as<std::uint8_t>();
    CHECK(std::string(bytes.begin(), bytes.end()) == image_text(number));
    CHECK(std::get<std::int64_t>(*batch->attribute("arrival")) > 1'700'000'000'000'000'000);
  }
  CHECK(opened.next_text() == "nothing");
  CHECK(opened.context.controls == 2);  // start and end marker
}

TEST_CASE("Simplon images whose start never comes are handed on in the end, none twice") {
  Opened opened;
  Producer producer(opened.endpoint);
  producer.send(image_text(0));
  producer.send(image_text(1));
  producer.send("");
  CHECK(opened.next_text() == image_text(0));
  CHECK(opened.next_text() == image_text(1));
  CHECK(opened.next_text() == "nothing");
  CHECK(opened.next_text() == "nothing");
}

TEST_CASE("a stop message begins a linger, which a message extends and a new start ends") {
  Opened opened({.after_stop = 200ms});
  Producer producer(opened.endpoint);
  producer.send(start_text());
  producer.send(stop_text());
  std::thread late([&] {
    std::this_thread::sleep_for(120ms);
    producer.send(image_text(0));
    std::this_thread::sleep_for(120ms);
    producer.send(image_text(1));
    producer.send(start_text());
    std::this_thread::sleep_for(400ms);
    producer.send(image_text(2));
    producer.send(stop_text());
  });
  for (int number = 0; number < 3; ++number) CHECK(opened.next_text() == image_text(number));
  late.join();
  CHECK(seconds_of([&] { CHECK(opened.next_text() == "nothing"); }) > 0.15);
  CHECK_FALSE(opened.services.line_with("after a series' stop message, ending").empty());
}

TEST_CASE("an aborted source books the images that it has parked") {
  Opened opened;
  Producer producer(opened.endpoint);
  producer.send(image_text(0));
  producer.send(image_text(1));
  std::thread aborts([&] {
    std::this_thread::sleep_for(200ms);
    opened.services.abort = true;
    opened.context.stop = true;
  });
  CHECK(opened.next_text() == "nothing");
  aborts.join();
  opened.source.abandon(opened.context);
  CHECK(opened.context.reasons == std::vector<std::string>{"aborted", "aborted"});
}
