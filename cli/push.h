#pragma once

#include <chrono>
#include <cstddef>
#include <string>
#include <vector>

#include "cli/packed_messages.h"
#include "io/simulation.h"

namespace CLI {
class App;
}

namespace pnflow {

struct PushOptions {
  std::vector<std::string> bind;
  std::vector<std::string> connect;
  std::vector<std::string> files;  // names and patterns
  bool simulate = false;           // simulated events in place of files
  SimulationSettings simulation;
  bool pack = false;  // the events of files in messages of their own, as of a simulation
  PackingOptions packing;
  std::size_t count = 0;                      // messages as they are, events to be packed; 0: all
  std::size_t loop = 1;                       // times that the messages are sent; 0: without end
  double rate = 0;                            // messages per second; 0: as fast as they are taken
  bool recorded_pace = false;                 // as they arrived, by the times in a record
  bool end = true;                            // an end marker for every peer when all is sent
  int send_queue = 5;                         // messages for each peer
  std::chrono::milliseconds timeout{30'000};  // to wait for peers
  std::chrono::milliseconds linger{30'000};   // to wait at the end until all is sent
};

// Sends messages to a pipeline. Returns the exit code: 0 all is sent (or a signal came), 1 no peer
// or not all of it could be sent, 2 no such file or settings that cannot be. Signals must be held.
int push_messages(const PushOptions& options);

// Adds `pnflow push` to the command line; its exit code goes to `exit_code`.
void add_push_command(CLI::App& app, int& exit_code);

}  // namespace pnflow
